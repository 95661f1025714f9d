/* SPDX-License-Identifier: MIT
 *
 * Base64 and base64url, RFC 4648, strict: nothing between the characters, and one text for the same bytes.
 */
#pragma once

#include <stddef.h>

#include "net/buffer.h"

enum base64_alphabet {
	BASE64_PLAIN, /* + and /, padded */
	BASE64_URL,   /* - and _, unpadded */
};

/* How many bytes `size` characters are at most. */
#define BASE64_DECODED_MAX(size) ((size) / 4 * 3 + 3)

/* Adds `data` in the plain alphabet. */
void base64_add(struct buffer *out, const char *data, size_t size);

/* Decodes into `buf`, which has room for BASE64_DECODED_MAX(size). EINVAL: it isn't that. Nothing is written behind what's decoded. */
int base64_decode(enum base64_alphabet alphabet, const char *text, size_t size, char *buf,
		  size_t *ret_size);
