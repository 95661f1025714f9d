/* SPDX-License-Identifier: MIT
 *
 * One HTTP request over a connected, non-blocking socket: HTTP/1.0, GET, one answer, and the
 * connection ends. Chunked answers are taken, compressed ones are an error. RFC 9112
 * Not here: sockets (source.h), what is asked (docker_api.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <conjoin/error.h>

#include "base/io.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { HTTP_BODY_MAX = 32 << 20 };

/* An answer, whole. */
struct http_answer {
	int status; /* 200 */
	struct bytes body;
};

#define HTTP_ANSWER_INIT {.body = BYTES_INIT}

void http_answer_done(struct http_answer *answer);

/*
 * Reads an answer from all of its bytes: 1, or -errno as http_feed() has it.
 */
int http_parse(const char *data, size_t size, struct http_answer *ret);

struct http;

/* A GET of `target` ("/containers/json?all=1"; the caller has escaped what is in it). ENOMEM */
int http_new(const char *target, struct http **ret);
void http_free(struct http *http);

/*
 * Takes the answer's next bytes, as many as have come; `ended`: no more will come. Costs time for what
 * is new, and memory for the body and one line. What follows the answer is left alone.
 *
 *	1	it's whole, and moved to `ret`
 *	0	more is needed (never with `ended`)
 *	EBADMSG	not HTTP, or cut off
 *	EFBIG	more than HTTP_BODY_MAX bytes, or a head of more than 64 KiB
 *	EPROTONOSUPPORT	an encoding that we don't know
 */
int http_feed(struct http *http, const char *data, size_t size, bool ended,
	      struct http_answer *ret);

/*
 * Goes on as far as it doesn't block: 1 when the answer is whole, which is moved to `ret`; 0 when
 * it waits for `ret_events` of poll(2), or has read so much that others should have their turn; else
 * -errno, as above or of the socket.
 */
int http_step(struct http *http, int fd, short *ret_events, struct http_answer *ret,
	      struct cj_error *err);

/* Writes `text` with all but unreserved characters as %XX. False: it doesn't fit. RFC 3986 */
bool http_escape(char *buf, size_t size, const char *text);

#ifdef __cplusplus
}
#endif
