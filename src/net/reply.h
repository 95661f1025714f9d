/* SPDX-License-Identifier: MIT
 *
 * The answer of `POST /v1/popen` as JSON, whole:
 *
 *	{"stdout":"…","stderr":"…","exit_code":0,"duration_ms":12,"truncated":false}
 *
 * `signal` stands in place of `exit_code` if one ended the command. `stdout` is text: what isn't UTF-8 in it is U+FFFD, and then
 * `stdout_base64` has all the bytes as they were; the same for stderr.
 * Not here: answers that are sent as they come (chunks.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "net/buffer.h"
#include "net/outcome.h"

struct reply {
	const char *output, *errors; /* stdout and stderr; bytes */
	size_t output_size, errors_size;
	struct outcome outcome;
	int64_t duration_ms;
};

/* How long an answer of so many bytes of output gets at most: a control character takes six, and once more in base64. */
#define REPLY_SIZE_MAX(size) ((size)*6 + ((size) + 4) / 3 * 4 + 512)

/* Adds it. A failure isn't such an answer: see reply_add_error(). */
void reply_add(struct buffer *out, const struct reply *reply);

/* What goes with a status of 400 and more: {"error":"…"}. */
void reply_add_error(struct buffer *out, const char *why);

/* The names of all members, NULL-ended. */
extern const char *const reply_members[];
