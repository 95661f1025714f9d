/* SPDX-License-Identifier: MIT
 *
 * Fresh cgroups for one command, "conjoin/HANDLE" in each hierarchy that a limit needs, outside of
 * the target's: made, limited, and removed again.
 */
#pragma once

#include <conjoin/error.h>

#include "lib/plan.h"

/* One that was made: what's needed to remove it. Owned. */
struct own_cgroup {
	int base; /* MOUNT/conjoin */
	char *name;
	char *base_path;
};

struct own_cgroups {
	struct own_cgroup *list;
	size_t n;
	int left_out; /* errno: one that is only tried couldn't be made */
	bool killed;  /* who is in them is about to end */
};

#define OWN_CGROUPS_INIT {.list = NULL}

/*
 * Makes those of the plan, each with its limits; opens them into `fds`, which has one entry for each
 * of plan->cgroups (v2: the directory, v1: cgroup.procs). Leftovers of runs whose supervisor is gone are removed on the way.
 */
int own_cgroups_make(const struct cj_plan *plan, int *fds, struct own_cgroups *ret,
		     struct cj_error *err);

/*
 * Kills every process in them: by cgroup.kill (5.14), else one by one, each only while it's seen to be in
 * there.
 */
void own_cgroups_kill(struct own_cgroups *own);

/* Removes them; one in which processes are left stays, for the next run to remove. */
void own_cgroups_done(struct own_cgroups *own);
