/* SPDX-License-Identifier: MIT
 *
 * What names targets: one file an engine, one row in the table.
 * Not here: what TARGET looks like (lib/target.c).
 */
#pragma once

#include <stddef.h>

#include <conjoin/error.h>

#include "sys/pidref.h"

struct engine {
	const char *scheme;
	/*
	 * Finds the process that `ref` names and pins it.
	 *
	 *	EINVAL	no such thing can exist in this engine's grammar
	 *	ESRCH	there is none of that name
	 *	ENOTUNIQ more than one; the error lists them
	 */
	int (*find)(const char *ref, struct pidref *ret, struct cj_error *err);
};

extern const struct engine engine_pid;	   /* pid:N, pid:HANDLE */
extern const struct engine engine_pidfile; /* pidfile:PATH */
extern const struct engine engine_comm;	   /* comm:NAME */
extern const struct engine engine_cgroup;  /* cgroup:PATH */

/* NULL-ended. */
extern const struct engine *const engines[];

/* The engine of a scheme, or NULL. */
const struct engine *engine_find(const char *scheme, size_t length);

/* Candidates while somebody searches; more than one in the end is an error. */
struct matches {
	pid_t pids[16];
	size_t n; /* may be more than fit */
};

void matches_add(struct matches *matches, pid_t pid); /* once each */
/* Pins the only one. ESRCH, ENOTUNIQ with "what NAME". */
int matches_open(const struct matches *matches, const char *what, const char *name,
		 struct pidref *ret, struct cj_error *err);
