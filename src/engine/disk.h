/* SPDX-License-Identifier: MIT
 *
 * What docker and podman keep on disk, and what both readers of it need: files of the system's engine
 * are just read, those of a user's in a way that can't hang.
 * Not here: records of runtimes (state.h), the engines' sockets (docker.c, podman.c).
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <conjoin/error.h>

#include "base/io.h"
#include "engine/source.h"

#ifdef __cplusplus
extern "C" {
#endif

/* look() of a source. */
int docker_disk_look(struct source *source, struct cj_error *err);
int podman_disk_look(struct source *source, struct cj_error *err);

/* Where an engine listens that every user may have one of. */
struct disk_places {
	const struct source_type *type;
	const struct engine *engine;
	const char *variable;	 /* a value of the environment that names a socket, or NULL */
	const char *socket;	 /* the system's */
	const char *user_socket; /* below a user's runtime directory */
};

/* Adds those that the user has named, else the system's and each user's. ENOMEM, EINVAL */
int disk_add_sources(const struct disk_places *places, const struct engine_request *request,
		     struct sources *sources, struct cj_error *err);

/*
 * Reads a file by its absolute path, to which request->root isn't added yet. Of another user's engine it's
 * read with that user's rights and `gid`, of users_home(), as long as there is users_time().
 *
 *	ETIMEDOUT	the other user's didn't answer, or there was no time left: what else the user has
 *			needn't be tried
 */
int disk_read(const struct source *source, gid_t gid, const char *path, size_t limit,
	      struct bytes *ret);

/* Is there a regular file? As above. 1, 0; -ETIMEDOUT */
int disk_has_file(const struct source *source, gid_t gid, const char *path);

/* "%s%s%s" of them into a buffer of PATH_MAX. ENAMETOOLONG */
int disk_path(char path[PATH_MAX], const char *a, const char *b, const char *c);

/* Says that a record was passed over; the others still count. Of other users it's no warning: they'd write it. */
void disk_warn(const struct source *source, const char *path, int code);

/*
 * Adds what the runtime has on record of `container`, if its process is `pid`: start time and bundle.
 * `directory` is a place for runc's records to look in first, or NULL. No record: nothing. ENOMEM
 */
int disk_set_record(const struct source *source, struct container *container, pid_t pid,
		    const char *directory);

/* The process that the runtime has on record of `container`, with its start time; none: nothing. ENOMEM */
int disk_find_process(const struct source *source, struct container *container);

/*
 * The same for one that runs as `pid` by what lies on disk, which nobody may have changed when it ended: it's
 * stopped, then.
 */
int disk_set_process(const struct source *source, struct container *container, pid_t pid,
		     const char *directory);

/*
 * Docker's API tells no bundle, and without it there's no seccomp filter to be had: where the daemon's
 * --exec-root is one of its own, only who asks here finds the record. ENOMEM
 */
int docker_disk_complete(struct source *source);

#ifdef __cplusplus
}
#endif
