/* SPDX-License-Identifier: MIT
 *
 * Bytes that may be UTF-8, RFC 3629, and their way into a JSON text, RFC 8259.
 * Not here: what a terminal may see (base/escape.h), reading JSON (jansson).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/buffer.h"

/* The length of the character at `at`, of which `size` bytes (at least 1) are there, and its code point. 0: not UTF-8. */
size_t utf8_decode(const char *at, size_t size, uint32_t *ret);

/* NULs are characters. */
bool utf8_is_valid(const char *data, size_t size);

/* The length of the beginning of `data` that has at most `limit` bytes and cuts no character in two. */
size_t utf8_cut(const char *data, size_t size, size_t limit);

enum json_charset {
	JSON_UTF8, /* characters as they are, but for what JSON wants escaped, and DEL */
	JSON_ASCII, /* all others as \uXXXX: no terminal and no line reader takes it for anything else */
};

/*
 * Adds a JSON string, quotes included. Bytes that aren't UTF-8 become U+FFFD, one for each longest part that could have
 * begun a character (Unicode 15, 3.9, table 3-8): so does Python's errors="replace".
 */
void json_add_string(struct buffer *out, const char *data, size_t size, enum json_charset charset);
