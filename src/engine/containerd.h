/* SPDX-License-Identifier: MIT
 *
 * containerd: the conversation by its own interface, and where it keeps the state of its containers,
 * which its CRI part shares.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include <conjoin/error.h>

#include "engine/source.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CONTAINERD_NAME_MAX = 255 };

/* What "NS/ID" and "ID" mean. */
struct containerd_name {
	char ns[CONTAINERD_NAME_MAX + 1]; /* "": any */
	char id[CONTAINERD_NAME_MAX + 1]; /* or its beginning */
};

/* EINVAL */
int containerd_name_parse(const char *ref, struct containerd_name *ret, struct cj_error *err);

/* Directories of its tasks, each with one for a namespace, and in it one for a container. */
struct containerd_places {
	char paths[4][PATH_MAX];
	size_t n;
};

/*
 * Where the containerd behind source->address keeps them: it's asked by its command line and its
 * configuration, also while it hangs; else it's where it usually is. Only what is there.
 */
void containerd_places_find(const struct source *source, struct containerd_places *ret);

/* The bundle of a container; leaves `*ret` as it is where there is none that may be seen. ENOMEM */
int containerd_bundle(struct source *source, const char *ns, const char *id, char **ret);

/*
 * Calls back for each container directory of each namespace: `directory` is the namespace's. Its own result
 * other than 0 ends it.
 *
 *	EACCES	the directory may not be read
 */
int containerd_visit(const char *place, const char *ns,
		     int (*visit)(const char *directory, const char *ns, const char *id,
				  void *data),
		     void *data, struct cj_error *err);

/*
 * Adds ids, processes and bundles of a namespace's tasks, as they are on disk, to source->found; no more
 * is told of them, and they may have ended.
 *
 *	ENOENT	there is no such directory to be seen, and nothing was added
 */
int containerd_add_tasks(struct source *source, const struct containerd_places *places,
			 const char *ns);

/* Of struct source_type. */
int containerd_step(struct source *source, struct cj_error *err);
void containerd_step_done(struct source *source);
int containerd_look(struct source *source, struct cj_error *err);

#ifdef __cplusplus
}
#endif
