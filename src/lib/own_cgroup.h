/* SPDX-License-Identifier: MIT
 *
 * Cgroups for one command: made, killed and removed again. Fresh ones, "conjoin/MAKER" in each hierarchy
 * that a limit needs, outside of the target's; or one for its tree, "conjoin-MAKER" below the target's own, with
 * no limit and no controller: accounting and limits stay the target's. MAKER is HANDLE.PIDNS.TIME: whose handle it is
 * tells the inode number of a pid namespace.
 */
#pragma once

#include <conjoin/error.h>

#include "lib/plan.h"

/* One that was made: what's needed to remove it. Owned. */
struct own_cgroup {
	int base;	    /* MOUNT/conjoin, or the cgroup that it lies below */
	char *name;	    /* NULL: it isn't there after all */
	char *base_path;    /* NULL: that isn't ours to remove */
	size_t i;	    /* of plan->cgroups */
	bool tree, freezes; /* of v1's freezer */
};

struct own_cgroups {
	struct own_cgroup *list;
	size_t n;
	int left_out; /* errno: one that is only tried couldn't be made */
	int no_tree;  /* errno: one for the tree was wanted, and couldn't be made */
	bool killed;  /* who is in them is about to end */
};

#define OWN_CGROUP_TREE "conjoin-" /* a tree's begins with it */

#define OWN_CGROUPS_INIT {.list = NULL}

/*
 * Opens the places of those of the plan and decides what they'll be called, so that a watchdog can know it before they
 * are there. What ended runs have left there is removed on the way.
 */
int own_cgroups_name(const struct cj_plan *plan, struct own_cgroups *ret, struct cj_error *err);

/*
 * Makes them, each with its limits; opens them into `fds`, which has one entry for each of plan->cgroups (v2: the
 * directory, v1: cgroup.procs). After a failure what was made is still `own`'s.
 */
int own_cgroups_make(const struct cj_plan *plan, int *fds, struct own_cgroups *own,
		     struct cj_error *err);

/* The command couldn't be put in that of plan->cgroups[i]: removes it. */
void own_cgroups_forget(struct own_cgroups *own, size_t i);

/* Is there any? All that the command starts is in each, unless it moves itself. */
bool own_cgroups_any(const struct own_cgroups *own);

/*
 * Kills every process in them and in those below them: by cgroup.kill (5.14), else one by one, each only while
 * it's seen to be in there, frozen meanwhile where that can be. Allocates nothing: a watchdog may call it.
 */
void own_cgroups_kill(struct own_cgroups *own);

/* One round of that, which waits for nothing: who is forking in it may get away until the next. */
void own_cgroups_kill_once(struct own_cgroups *own);

/* Does anybody live in them? 1, 0; -errno: it can't be told. A zombie doesn't. */
int own_cgroups_populated(const struct own_cgroups *own);

/* Removes them like own_cgroups_done(), and frees nothing: a watchdog may call it. */
void own_cgroups_remove(struct own_cgroups *own);

/*
 * Removes those in which nobody lives, without waiting; true: none is left. One that can't be removed for another reason counts as
 * gone.
 */
bool own_cgroups_settle(struct own_cgroups *own);

/* Who lives there goes as in own_cgroups_done(), once; they stay. */
void own_cgroups_vacate(struct own_cgroups *own);

/* Removes one with what was made below it, if nobody lives there: EBUSY. ETIMEDOUT: not by `end` of clock_ms(). */
int own_cgroup_remove(int base, const char *name, int64_t end);

/*
 * Remove what ended runs have left, below MOUNT/conjoin of each mount, itself included, and next to the trees of `own`.
 * For names of another pid namespace than `pidns`, which is ours, their age has to tell.
 */
void own_cgroups_sweep_mounts(const struct cgroup_mounts *mounts, uint64_t pidns);
void own_cgroups_sweep_trees(const struct own_cgroups *own, uint64_t pidns);

/*
 * Opens anew what they lie in: since they were named others may have removed that as empty, and it was made again. For a
 * watchdog: allocates nothing.
 */
void own_cgroups_reopen(struct own_cgroups *own);

/*
 * Removes them. A tree's survivors go to the cgroup above, where they would be without it; one that made cgroups of its own
 * keeps them, and limits stay with whom they are for: these are for the next run to remove.
 */
void own_cgroups_done(struct own_cgroups *own);
