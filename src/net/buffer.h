/* SPDX-License-Identifier: MIT
 *
 * Bytes on their way out: a buffer that grows up to a limit, and remembers that something didn't fit, so that a writer
 * asks once, at the end.
 * Not here: sending them.
 */
#pragma once

#include <stddef.h>

/*
 * `data` is owned: buffer_done(). What didn't fit, and all that comes after it, is left out: so what's there is always
 * a beginning of what was meant. It may hold NULs, and isn't NUL-ended.
 */
struct buffer {
	char *data;
	size_t size, room;
	size_t limit; /* bytes; 0: BUFFER_LIMIT */
	int code;     /* 0; EMSGSIZE: more than `limit`; ENOMEM */
};

enum { BUFFER_LIMIT = 1024 * 1024 };

#define BUFFER_INIT {.data = NULL}

void buffer_add(struct buffer *buffer, const void *data, size_t size);
/* A text without its NUL. */
void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_print(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Forgets what's in it and what went wrong; the memory stays. */
void buffer_reset(struct buffer *buffer);
/* Frees; it may be filled again. */
void buffer_done(struct buffer *buffer);
