/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 requests as they come in, by http_parser, with limits; and the heads of answers. RFC 9112
 * Not here: what is asked for (server.c), chunks (chunks.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <http_parser.h>

#include "net/buffer.h"

enum { HTTP_HEADERS_MAX = 64, HTTP_HEAD_MAX = 16384, HTTP_TARGET_MAX = 8192 };

enum http_progress {
	HTTP_MORE,     /* of it is to come */
	HTTP_HAS_HEAD, /* the head is there: http_read_body() next, unless it's refused */
	HTTP_WHOLE,
	HTTP_BAD, /* `status` says what to answer; no more can be read */
};

/* One request at a time. What it points to is the reader's, until http_reader_reset(). */
struct http_reader {
	http_parser parser;
	enum http_progress progress;
	int status;	 /* with HTTP_BAD: 400, 413, 414, 417, 431, 501, 505 */
	const char *why; /* in words */
	size_t body_limit;
	/* The head's texts one after the other, each NUL-ended: the target, then names and values. */
	char head[HTTP_HEAD_MAX];
	size_t used;
	size_t headers[HTTP_HEADERS_MAX]; /* where the names begin */
	size_t n;
	enum { HTTP_IN_TARGET, HTTP_IN_NAME, HTTP_IN_VALUE } in;
	char last;    /* byte of the head so far */
	bool in_body; /* the head is over */
	struct buffer body;
};

void http_reader_init(struct http_reader *reader, size_t body_limit);
/* For the next one on the same connection. */
void http_reader_reset(struct http_reader *reader);
void http_reader_done(struct http_reader *reader);

/* Takes bytes, up to the end of the head or of the request; the rest is for the next call. Returns how many it took. */
size_t http_read(struct http_reader *reader, const char *data, size_t size);

/* After HTTP_HAS_HEAD. */
void http_read_body(struct http_reader *reader);

/* As it was sent. */
const char *http_target(const struct http_reader *reader);
enum http_method http_method_of(const struct http_reader *reader);

/* The value of the header, compared without case; NULL: there is none. Of several the first; `*ret_n`, if it isn't NULL, is their number. */
const char *http_header(const struct http_reader *reader, const char *name, size_t *ret_n);

/* Does a comma-separated header hold the word? Without case. */
bool http_header_has(const struct http_reader *reader, const char *name, const char *word);

/* Whether the connection can go on after this one's answer. */
bool http_keeps_alive(const struct http_reader *reader);

/* "HTTP/1.1 200 OK" and the line's end; the caller adds headers and the empty line. */
void http_add_status(struct buffer *out, int status);
