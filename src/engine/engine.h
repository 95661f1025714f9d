/* SPDX-License-Identifier: MIT
 *
 * What names targets: one file an engine, one row in the table.
 * Not here: what TARGET looks like (lib/target.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <conjoin/error.h>

#include "engine/source.h"
#include "sys/pidref.h"

struct engine {
	const char *scheme;
	bool listens; /* it has a daemon, whose socket --engine-socket may name */
	/*
	 * Engines of processes: finds the process that `ref` names and pins it. NULL: it's one of
	 * containers.
	 *
	 *	EINVAL	no such thing can exist in this engine's grammar
	 *	ESRCH	there is none of that name
	 *	ENOTUNIQ more than one; the error lists them
	 */
	int (*find)(const char *ref, struct pidref *ret, struct cj_error *err);
	/*
	 * Engines of containers: adds the places that may know what `request` is about. That costs next to
	 * nothing: nobody is asked yet.
	 *
	 *	EINVAL	request->ref isn't in this engine's grammar; for a bare word it adds nothing
	 */
	int (*sources)(const struct engine_request *request, struct sources *sources,
		       struct cj_error *err);
};

extern const struct engine engine_pid;	   /* pid:N, pid:HANDLE */
extern const struct engine engine_pidfile; /* pidfile:PATH */
extern const struct engine engine_comm;	   /* comm:NAME */
extern const struct engine engine_cgroup;  /* cgroup:PATH */

extern const struct engine engine_k8s;	      /* k8s:[NS/]POD[/CONTAINER] */
extern const struct engine engine_docker;     /* docker:NAME, or an id */
extern const struct engine engine_podman;     /* podman:NAME, or an id */
extern const struct engine engine_cri;	      /* cri:ID, or a container's name */
extern const struct engine engine_containerd; /* containerd:[NAMESPACE/]ID */
extern const struct engine engine_lxc;	      /* lxc:NAME */
extern const struct engine engine_machine;    /* machine:NAME */
extern const struct engine engine_unit;	      /* unit:NAME */
extern const struct engine engine_oci;	      /* oci:ID */

/* NULL-ended. Of those that know the same container the first one names it. */
extern const struct engine *const engines[];

/* The engine of a scheme, or NULL. */
const struct engine *engine_by_scheme(const char *scheme, size_t length);

/* Its place in the table, after the last one for a scheme that isn't there. */
size_t engine_rank(const char *scheme);

/* Candidates while somebody searches; more than one in the end is an error. */
struct matches {
	pid_t pids[16];
	size_t n; /* may be more than fit */
};

void matches_add(struct matches *matches, pid_t pid); /* once each */
/* Pins the only one. ESRCH, ENOTUNIQ with "what NAME". */
int matches_open(const struct matches *matches, const char *what, const char *name,
		 struct pidref *ret, struct cj_error *err);
