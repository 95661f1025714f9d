/* SPDX-License-Identifier: MIT
 *
 * A conversation with a CRI runtime, as cri_api.c leads it and cri_calls.c fills it.
 */
#pragma once

#include <stddef.h>

#include <conjoin/error.h>

#include "base/io.h"
#include "engine/cri.h"
#include "engine/grpc.h"
#include "engine/message.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cri_talk {
	struct grpc *grpc;
	struct cri_query query;
	const struct cri_call *call; /* NULL: all is known */
	size_t version;
	struct cri_list list;
	size_t next; /* of the list: whose status is asked for */
	char method[64];
};

/* One call. begin() sends what is asked; take() reads the answer and sets talk->call to the next. */
struct cri_call {
	const char *service, *method;
	int (*begin)(struct cri_talk *talk);
	int (*take)(struct cri_talk *talk, const struct bytes *bytes, struct cj_error *err);
};

/* With one of the first two it begins. What the third tells can be done without. */
extern const struct cri_call cri_list_containers, cri_list_sandboxes, cri_list_images;

/* Begins talk->call with its request. ENOMEM */
int cri_call_send(struct cri_talk *talk, const ProtobufCMessage *request);

/* Sets talk->call: the status of list.items[next], or NULL after the last. */
void cri_go_to_status(struct cri_talk *talk);

#ifdef __cplusplus
}
#endif
