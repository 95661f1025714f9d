/* SPDX-License-Identifier: MIT
 *
 * Unary gRPC calls over a connected, non-blocking socket, by nghttp2: one after the other on one
 * connection. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 * Not here: sockets (source.h), messages (proto/), what is asked (cri.c, containerd.c).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <conjoin/error.h>

#include "base/io.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GRPC_MESSAGE_MAX = 32 << 20 };

/* Of the status codes those that callers tell apart. */
enum { GRPC_OK = 0, GRPC_NOT_FOUND = 5, GRPC_UNIMPLEMENTED = 12 };

struct grpc;

/* ENOMEM */
int grpc_new(struct grpc **ret);
void grpc_free(struct grpc *grpc);

/*
 * Begins a call: `method` is "/runtime.v1.RuntimeService/ListContainers", `message` its packed request,
 * `header` one more header's name and value, or NULL ("containerd-namespace"). The one before must have
 * ended.
 */
int grpc_begin(struct grpc *grpc, const char *method, const uint8_t *message, size_t size,
	       const char *header, const char *value);

/*
 * Goes on as far as it doesn't block: 1 when the call has ended, with its status in `ret_status` and
 * the packed answer moved to `ret` (empty, unless the status is GRPC_OK); 0 when it waits for
 * `ret_events` of poll(2); else -errno.
 *
 *	EBADMSG	not HTTP/2, or not gRPC
 *	EFBIG	more than GRPC_MESSAGE_MAX bytes
 *	EPROTONOSUPPORT	a compressed message
 */
int grpc_step(struct grpc *grpc, int fd, short *ret_events, int *ret_status, struct bytes *ret,
	      struct cj_error *err);

/* Tells of a call that ended with a status that isn't GRPC_OK, in the server's words: -errno. */
int grpc_fail(const struct grpc *grpc, int status, const char *method, struct cj_error *err);

#ifdef __cplusplus
}
#endif
