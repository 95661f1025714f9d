/* SPDX-License-Identifier: MIT
 *
 * An answer of HTTP/1.1 that is sent as it comes, and how it ended in the trailer: RFC 9112, 7.1. The head needs
 *
 *	Transfer-Encoding: chunked
 *	Trailer: Exit-Code, Signal, Truncated
 *
 * Nothing but numbers and names of a table gets into a trailer, so nobody can write headers of his own into it.
 * Not here: the head, and what to do for HTTP/1.0, which has no chunks.
 */
#pragma once

#include <stddef.h>

#include "net/buffer.h"
#include "net/outcome.h"

/* The value of `Trailer:`. */
#define CHUNKS_TRAILER "Exit-Code, Signal, Truncated"

enum {
	CHUNK_HEAD_MAX = 20, /* bytes before the data of a chunk, and a NUL */
	CHUNK_TAIL_MAX = 2,  /* behind it */
	CHUNKS_END_MAX = 96, /* the last chunk and the trailer */
};

/* Writes the line before `size` bytes of data, NUL-ended, and returns its length; behind the data go "\r\n". 0: `size` is 0, which would end the answer. */
size_t chunk_head(size_t size, char buf[static CHUNK_HEAD_MAX]);

/* Adds a chunk; nothing for no data. */
void chunk_add(struct buffer *out, const void *data, size_t size);

/* Adds the end: `Exit-Code: N`, `Signal: TERM` if one ended it, `Truncated: true` if output was left out. A failure is its exit code. */
void chunks_add_end(struct buffer *out, const struct outcome *outcome);
