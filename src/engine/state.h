/* SPDX-License-Identifier: MIT
 *
 * What runtimes keep on disk of their containers: where the records lie, and what they say of the init
 * process, the bundle and config.json.
 * Not here: whether a record is still true (verify.c, bundle.c, oci.c).
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/error.h>

#include "base/io.h"
#include "engine/source.h"

#ifdef __cplusplus
extern "C" {
#endif

enum state_layout {
	STATE_RUNC,	  /* state.json, which names the bundle */
	STATE_CRUN,	  /* status, which names the bundle; a copy of config.json */
	STATE_CONTAINERD, /* init.pid; it's the bundle itself */
	STATE_PODMAN,	  /* userdata/pidfile; the bundle is there, or where images are stored */
};

struct state {
	enum state_layout layout;
	uid_t owner;	/* 0, or whose runtime directory the record lies in */
	pid_t pid;	/* of the container's init process, as recorded */
	uint64_t start; /* its start time, field 22 of stat */
	bool has_start;
	/* The process waits for `runc start` to execute the container's command. STATE_RUNC, STATE_CRUN */
	bool created;
	char id[NAME_MAX + 1];
	char directory[PATH_MAX]; /* the record's own is DIRECTORY/ID */
	char bundle[PATH_MAX];	  /* "" where it isn't told */
	char config[2][PATH_MAX]; /* config.json, or there; "" for none */
};

/*
 * May this be a container's id? It becomes part of a path: letters, digits and "_+.-", not "." or
 * "..", not longer than a file name.
 */
bool container_id_is_valid(const char *id);

/*
 * Reads a regular file of an engine: nothing that blocks, and nothing at the other end of a link.
 *
 *	EFBIG	more than `limit` bytes
 *	EINVAL	no regular file
 */
int state_read_file(const char *path, size_t limit, struct bytes *ret);

/* Reads the record in `directory`/`id`. `root` goes before paths that stand in it. */
int state_read(enum state_layout layout, const char *root, const char *directory, const char *id,
	       struct state *ret);

/*
 * Reads config.json, and tells where it lies. That of another user's container is read with
 * that user's rights, in a way that can't hang.
 *
 *	ENODATA	there is none any more
 */
int state_read_config(const struct state *state, struct bytes *ret, char ret_path[PATH_MAX],
		      struct cj_error *err);

/* A user whose runtime directory is searched, too. It's opened when it's needed. */
struct state_user {
	uid_t uid;
	int fd;
	bool tried;
};

#define STATE_USER_INIT {.fd = -EBADF}

/* All of users_list(), owned: state_users_done(). ENOMEM */
int state_users_new(const struct engine_request *request, struct state_user **ret, size_t *ret_n);
void state_users_done(struct state_user *users, size_t n); /* what they hold, not the array */

#define STATE_BIT(layout) (1U << (layout))
#define STATE_ANY_LAYOUT (~0U)

/* Whose records are wanted. */
struct state_query {
	const struct engine_request *request; /* its root counts, and options->runtime_dir */
	struct state_user *users;	      /* beside the system's; NULL: nobody */
	size_t n_users;
	unsigned int layouts; /* STATE_BIT()s */
	const char *id; /* that one: directories are read only where places are nested; NULL: all */
	const char *prefix; /* of all those that begin with it; NULL: any */

	/* Set by states_visit(), not cleared: there is a directory of records; why something of the system's
	 * or the caller's own couldn't be read (errno), and what. */
	bool present;
	int unreadable;
	char unreadable_path[PATH_MAX];
};

#define STATE_QUERY_INIT {.layouts = STATE_ANY_LAYOUT}

/* 0 goes on, anything else ends the visit. */
typedef int (*state_fn)(const struct state *state, void *data);

/*
 * Calls back with every record that is wanted, and returns what ended the visit, or 0. What isn't there
 * or is no record is passed over; what can't be read is told by the query. Links are never followed.
 * The system's come first, then the caller's own, and at most 16384 directories are looked at there. A
 * user's directory can't make it wait: other users have users_time() together, and each of them a fair part
 * of it and of another 16384. What comes later is left out, and the log is told.
 */
int states_visit(struct state_query *query, state_fn fn, void *data);

/*
 * The first record of query->id that names process `pid` (0: any).
 *
 *	ENOENT	there is none
 */
int state_find(struct state_query *query, pid_t pid, struct state *ret);

#ifdef __cplusplus
}
#endif
