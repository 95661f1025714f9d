/* SPDX-License-Identifier: MIT
 *
 * The conversation with a CRI runtime: one call after the other on one connection.
 * Not here: what is asked and told (cri_calls.c).
 */
#include "engine/cri_api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "engine/containerd.h"

/* Newer ones first: they have the same messages, as far as we read them. */
static const char *const versions[] = {"v1", "v1alpha2"};

int cri_call_send(struct cri_talk *talk, const ProtobufCMessage *request)
{
	(void)snprintf(talk->method, sizeof(talk->method), "/runtime.%s.%s/%s",
		       versions[talk->version], talk->call->service, talk->call->method);
	return message_begin(talk->grpc, talk->method, request, NULL, NULL);
}

static int begin(struct source *source)
{
	struct cri_talk *talk = calloc(1, sizeof(*talk));
	int r;

	if (!talk)
		return -ENOMEM;
	source->data = talk;
	cri_query_init(&talk->query, source);
	r = grpc_new(&talk->grpc);
	if (r < 0)
		return r;
	/* A sandbox that is only known by its pod needs no list of containers. */
	talk->call = talk->query.by_pod && talk->query.pod.is_sandbox && !talk->query.ref
			     ? &cri_list_sandboxes
			     : &cri_list_containers;
	return talk->call->begin(talk);
}

/* The call has ended without an answer: with what does it go on? */
static int take_refusal(struct cri_talk *talk, int status, struct cj_error *err)
{
	if (talk->call == &cri_list_images) {
		talk->call = NULL; /* ids will do */
		return 0;
	}
	if (status == GRPC_UNIMPLEMENTED && talk->list.n == 0) {
		if (++talk->version < ELEMENTS(versions))
			return 0;
		/* containerd without its CRI part: it does answer, and knows nobody of Kubernetes. */
		talk->call = NULL;
		return 0;
	}
	if (status == GRPC_NOT_FOUND && talk->next < talk->list.n &&
	    talk->call != &cri_list_containers && talk->call != &cri_list_sandboxes) {
		cri_list_remove(&talk->list, talk->next); /* removed, since it was listed */
		cri_go_to_status(talk);
		return 0;
	}
	return grpc_fail(talk->grpc, status, talk->method, err);
}

static int take(struct cri_talk *talk, int status, const struct bytes *bytes, struct cj_error *err)
{
	int r;

	if (status != GRPC_OK)
		return take_refusal(talk, status, err);
	r = talk->call->take(talk, bytes, err);
	return r < 0 ? cj_fail(err, -r, "read what %s answers", talk->method) : 0;
}

/* What is known by name is wanted whole. */
static int add_bundles(struct cri_talk *talk, struct source *source)
{
	int r = 0;

	for (size_t i = 0; i < talk->list.n && !talk->query.all && r == 0; i++) {
		struct container *container = &talk->list.items[i].container;

		if (container->pid > 0)
			r = containerd_bundle(source, "k8s.io", container->id, &container->bundle);
	}
	return r;
}

int cri_step(struct source *source, struct cj_error *err)
{
	int r = source->data ? 0 : begin(source);
	struct cri_talk *talk = source->data;

	if (r < 0)
		return cj_fail(err, -r, "ask %s", source->address);
	while (talk->call) {
		_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;
		int status;

		r = grpc_step(talk->grpc, source->fd, &source->events, &status, &bytes, err);
		if (r <= 0)
			return r;
		r = take(talk, status, &bytes, err);
		if (r == 0 && talk->call)
			r = talk->call->begin(talk);
		if (r < 0)
			return cj_fail(err, -r, "ask %s", source->address);
	}
	r = add_bundles(talk, source);
	if (r == 0)
		r = cri_list_give(&talk->list, source);
	return r < 0 ? cj_fail(err, -r, "ask %s", source->address) : 1;
}

void cri_step_done(struct source *source)
{
	struct cri_talk *talk = source->data;

	if (!talk)
		return;
	grpc_free(talk->grpc);
	cri_list_done(&talk->list);
	free(talk);
	source->data = NULL;
}
