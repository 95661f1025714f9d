/* SPDX-License-Identifier: MIT
 *
 * Containers and sandboxes as the Kubernetes Container Runtime Interface has them, and which of them a
 * word means: `cri:` and `k8s:` share all of it.
 * Not here: how they are learnt (cri_api.c, cri_disk.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <conjoin/error.h>

#include "engine/container.h"
#include "engine/source.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { POD_NAME_MAX = 253 }; /* a DNS name */

/* What "NS/POD/CONTAINER" and its shorter forms mean. "": any. */
struct pod_name {
	char ns[POD_NAME_MAX + 1];
	char pod[POD_NAME_MAX + 1];
	char container[POD_NAME_MAX + 1];
	bool is_sandbox; /* "NS/POD/" */
};

/*
 * Reads request->ref as a name of Kubernetes, with what the options add.
 *
 *	EINVAL	it can't be one, or the options say otherwise
 */
int pod_name_parse(const struct engine_request *request, struct pod_name *ret,
		   struct cj_error *err);

/* A container, or a pod's sandbox. Owned. */
struct cri_container {
	struct container container; /* without scheme and name until cri_list_give() */
	bool is_sandbox;
	char *short_name; /* "app"; of a sandbox: the pod's */
	char *ns, *pod;	  /* NULL: it isn't of Kubernetes */
	char *sandbox;	  /* id of that of its pod */
	int64_t created;  /* nanoseconds since 1970, or 0 */
	uint32_t attempt; /* which one it is of its name */
	bool wanted;	  /* cri_list_match()'s own */
};

struct cri_list {
	struct cri_container *items;
	size_t n, room;
};

#define CRI_LIST_INIT {.items = NULL}

/* A new, empty one at the end. ENOMEM; EFBIG: that many can't be. */
int cri_list_add(struct cri_list *list, struct cri_container **ret);
void cri_list_remove(struct cri_list *list, size_t i);
void cri_list_done(struct cri_list *list);

/* What is asked for. */
struct cri_query {
	const char *ref; /* the whole id, the name, or the beginning of an id; NULL: not by these */
	bool by_pod;	 /* by `pod`, too */
	struct pod_name pod;
	bool all; /* everything that has a process */
};

/* What a source's request means, which was found to be good when it was added. */
void cri_query_init(struct cri_query *query, const struct source *source);

/* May a container with this id be the one, as far as the id tells? */
bool cri_query_may_be(const struct cri_query *query, const char *id);

/* Is there one that is named, so that sandboxes, and beginnings of ids, don't count any more? */
bool cri_list_is_named(const struct cri_list *list, const struct cri_query *query);

/*
 * Leaves what the query means. By the whole id: that one, however old. By names: of several of one name in
 * one pod the newest, since a restarted container leaves its dead predecessors behind; and of these
 * those that have not ended, if there is one.
 */
void cri_list_match(struct cri_list *list, const struct cri_query *query);

/* Moves them to source->found, with their names. ENOMEM */
int cri_list_give(struct cri_list *list, struct source *source);

/*
 * Adds the places where there may be a CRI runtime. `engine` is the one that asks. ENOMEM, EINVAL
 */
int cri_sources_add(const struct engine *engine, const struct engine_request *request,
		    struct sources *sources, struct cj_error *err);

/* Of struct source_type. */
int cri_step(struct source *source, struct cj_error *err);
void cri_step_done(struct source *source);
int cri_look(struct source *source, struct cj_error *err);

#ifdef __cplusplus
}
#endif
