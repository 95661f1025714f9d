/* SPDX-License-Identifier: MIT
 *
 * A place that knows containers: the socket of a daemon, and what lies on disk in case the daemon
 * doesn't answer. Many are asked at the same time by one loop; nothing blocks in between.
 *
 *	engine->sources()	adds one for each place that there may be
 *	sources_run()		connects, drives the conversations, looks on disk where they fail
 *	source->found		what they told
 *
 * Not here: what is said in a conversation (http.h, grpc.h and the engines' own files).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/engine.h>
#include <conjoin/error.h>

#include "engine/container.h"

#ifdef __cplusplus
extern "C" {
#endif

struct engine;
struct engine_shared;
struct source;

/* What is wanted of the engines. */
struct engine_request {
	int64_t until; /* clock_ms() when all answers have to be there; 0: as the options say, from now on */
	const struct cj_engine_options *options; /* complete, never NULL */
	const char *ref;	      /* what names it; NULL: every container that has a process */
	bool bare;		      /* no scheme was given: all engines are asked for `ref` */
	const char *root;	      /* goes before every path on disk, for tests; "" in earnest */
	struct engine_shared *shared; /* what was found out already; NULL: nothing is kept */
};

struct source_type {
	/*
	 * Goes on with the conversation over `source->fd`, as far as that doesn't block, and says in
	 * `source->events` what it waits for. It's called first when there is a connection, with `data`
	 * NULL. What was learnt goes into `source->found`: with a `ref` those that it names, else those
	 * that have a process. It may come back with any state, and any number.
	 *
	 *	1	done, and that is the answer, also with nothing found
	 *	0	waits
	 *	-errno	the daemon is of no use: look on disk
	 */
	int (*step)(struct source *source, struct cj_error *err);
	/*
	 * Reads what lies on disk, fills `source->found` in the same way, and tells by source_read_from()
	 * what was read. Files of other users are only to be read with their rights and within
	 * users_time(), by disk.h, or below their /run/user by users.h.
	 *
	 *	0	that is the answer
	 *	-ENOENT	nothing of this engine is there
	 */
	int (*look)(struct source *source, struct cj_error *err);
	/* Frees `data`. NULL: free(3) is enough. */
	void (*done)(struct source *source);
};

enum source_way {
	SOURCE_NOBODY, /* neither a daemon nor anything on disk */
	SOURCE_ASKED,
	SOURCE_READ,   /* on disk */
	SOURCE_FAILED, /* there is something, and it told nothing: `error` */
};

struct source {
	const struct source_type *type;
	const struct engine *engine;
	const struct engine_request *request;
	char *address; /* path of a socket; "@NAME" is an abstract one; NULL: there is only the disk */
	uid_t owner; /* whose engine it is, 0: the system's */
	bool wanted; /* it was named by the user: that nobody is there is worth an error */

	/* The conversation. */
	int fd;				    /* -EBADF: not connected */
	short events;			    /* for poll(2) */
	void *data;			    /* the type's own */
	pid_t peer;			    /* who listens, by SO_PEERCRED; 0: unknown. unix(7) */
	struct engine_request *own_request; /* source_see_as_peer() */

	/* The result. */
	enum source_way way;
	struct cj_error asking; /* why the daemon is of no use; code 0: it wasn't, or there is none */
	struct cj_error error; /* SOURCE_FAILED: why */
	char *read_from;
	struct containers found;
};

/* Owned. */
struct sources {
	struct source *items;
	size_t n, room;
};

#define SOURCES_INIT {.items = NULL}

/* A new one at the end; address NULL: only what lies on disk. ENOMEM */
int sources_add(struct sources *sources, const struct source_type *type,
		const struct engine *engine, const struct engine_request *request,
		const char *address, uid_t owner);

/*
 * Adds those sockets that the user has named for this engine, by --engine-socket, else by `variable`
 * (the value of DOCKER_HOST and its kind, or NULL): how many, or -errno. With 0 the usual ones count.
 *
 *	EINVAL	an address that isn't of a UNIX socket
 */
int sources_add_wanted(struct sources *sources, const struct source_type *type,
		       const struct engine *engine, const struct engine_request *request,
		       const char *variable, struct cj_error *err);

/*
 * Adds those of the system's usual sockets (a NULL-ended list) that are there; where none is, a source for what lies
 * on disk alone. ENOMEM
 */
int sources_add_usual(struct sources *sources, const struct source_type *type,
		      const struct engine *engine, const struct engine_request *request,
		      const char *const *usual);

/* Asks all, within the time of the options. Failures are in each source. ENOMEM */
int sources_run(struct sources *sources, struct cj_error *err);

void sources_done(struct sources *sources);

/*
 * Closes the connection and makes a new one, for a conversation that needs several. Never blocks.
 *
 *	EAGAIN	its queue is full: nobody accepts
 */
int source_connect(struct source *source);

/*
 * From now on what the source reads on disk is what the system's daemon sees there, which may live in other
 * mounts than we do: in a container that asks the host's. Nothing changes where it doesn't. Before look() it
 * has been called. ENOMEM
 */
int source_see_as_peer(struct source *source);

/* Is it another user's? It has less time to answer: half a second. */
bool source_is_foreign(const struct source *source);
/* How long it had to answer, in milliseconds. */
int64_t source_time(const struct source *source);
/* The same for all together. */
int64_t engine_time(const struct cj_engine_options *options);

/* Tells what look() reads: a directory, or a few words. */
int source_read_from(struct source *source, const char *what);

#ifdef __cplusplus
}
#endif
