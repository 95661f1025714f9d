/* SPDX-License-Identifier: MIT
 *
 * One gRPC call: its request with the prefix, and what is learnt of its answer, header by header and
 * piece by piece. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 * Not here: frames and sockets (grpc.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <conjoin/error.h>

#include "base/io.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GRPC_PREFIX_SIZE = 5 }; /* before each message: compressed?, length */

/* Owned. */
struct grpc_call {
	uint8_t *request; /* with its prefix */
	size_t request_size, sent;

	int http_status; /* 0: there was none yet */
	bool is_grpc;	 /* by its content-type */
	int status;	 /* -1: there was none yet */
	char message[160];
	size_t n_headers;

	uint8_t prefix[GRPC_PREFIX_SIZE];
	size_t n_prefix;
	struct bytes answer;
	size_t room, length;

	size_t received; /* bytes of any frames */
	bool closed;
	uint32_t reset; /* error code of HTTP/2, when it's closed */
	int code;	/* errno that was found on the way, or 0 */
	const char *why;
};

#define GRPC_CALL_INIT {.status = -1}

/* ENOMEM, EFBIG */
int grpc_call_begin(struct grpc_call *call, const uint8_t *message, size_t size);
void grpc_call_done(struct grpc_call *call);

/* Take what comes. False: `code` and `why` say what is wrong with it. */
bool grpc_call_header(struct grpc_call *call, const uint8_t *name, size_t name_length,
		      const uint8_t *value, size_t length);
bool grpc_call_data(struct grpc_call *call, const uint8_t *data, size_t size);
/* Records what is wrong. Always false. */
bool grpc_call_wrong(struct grpc_call *call, int code, const char *why);

/*
 * The call has ended: 1 with its status, and the message moved to `ret`.
 *
 *	EBADMSG	that was no answer of gRPC
 */
int grpc_call_end(struct grpc_call *call, int *ret_status, struct bytes *ret, struct cj_error *err);

#ifdef __cplusplus
}
#endif
