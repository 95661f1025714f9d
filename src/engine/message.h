/* SPDX-License-Identifier: MIT
 *
 * Messages of gRPC calls: packed and sent, and unpacked with a bound on memory, since a few bytes of
 * what a daemon sends can ask for a lot of it.
 * Not here: which messages there are (proto/), the call itself (grpc.h).
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include <conjoin/error.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/grpc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Packs `request` and begins a call with it; see grpc_begin(). */
int message_begin(struct grpc *grpc, const char *method, const ProtobufCMessage *request,
		  const char *header, const char *value);

/*
 * Unpacks an answer, owned: _cleanup_message_. Unknown fields are skipped.
 *
 *	EBADMSG	that is no such message, or one that takes too much memory
 */
int message_unpack(const ProtobufCMessageDescriptor *type, const struct bytes *bytes,
		   ProtobufCMessage **ret, struct cj_error *err);

static inline void message_put(ProtobufCMessage **message)
{
	if (*message)
		protobuf_c_message_free_unpacked(*message, NULL);
}

#define _cleanup_message_ _cleanup_(message_put)

/* Text of a message: NULL where there is none. */
static inline const char *message_text(const char *text)
{
	return text && *text ? text : NULL;
}

#ifdef __cplusplus
}
#endif
