/* SPDX-License-Identifier: MIT
 *
 * What the spawner*.c files and child.c share: where commands of cj_spawn() run, and the slots of the cgroup that is
 * made for all of them.
 *
 *	CALLER'S OWN/conjoin-MAKER/1, 2, 3 …	v2, else v1's freezer
 *
 * A slot is a command's as long as anybody of it is in there, and then the next one's: making and removing a
 * cgroup for each would cost more than looking whether one is empty.
 */
#pragma once

#include <conjoin/spawn.h>

#include "lib/child.h"
#include "lib/plan.h"
#include "lib/tree.h"
#include "lib/watchdog.h"

struct spawn_slot {
	struct spawn_slot *next;
	struct own_cgroup own; /* borrows its base and its name */
	bool was_killed;       /* not to be used again */
	char name[128];	       /* "conjoin-MAKER/12" */
};

struct spawn_slots {
	struct spawn_slot *first, **end;
	size_t n;
};

enum { SPAWN_STDIO_FDS = 3 };

struct cj_spawner {
	struct cj_plan *plan;	   /* of cgroups alone; NULL: none are within reach */
	struct own_cgroups own;	   /* the slots', already there; with limits none */
	struct own_cgroup *parent; /* of `own`; NULL: there are no slots */
	struct spawn_slots idle,
		used; /* empty ones; those that somebody still was in when they were left */
	unsigned int numbered;
	bool limited;  /* each command has fresh cgroups */
	bool attaches; /* commands can't be born in a cgroup: they write themselves into it */
	bool has_warned;
	struct watch_roll *roll;
	int watchdog, life_r, life_w;
	int null;
	int low[SPAWN_STDIO_FDS]; /* what is handed on lies there: a command's process copies no higher files; else /dev/null */
	cj_log_function *log;
	void *log_data;
};

/* Where one command is put. Owns the files. */
struct spawn_cgroups {
	int directory; /* of v2, to be born in; -EBADF */
	int procs[8];  /* to be written to by itself */
	size_t n_procs;
};

#define SPAWN_CGROUPS_INIT {.directory = -EBADF}

/* Says once that `what` commands go without a cgroup. */
void spawner_warn(struct cj_spawner *spawner, int r);

/* --- spawner_slot.c --- */

/* One that nobody is in and that isn't frozen; or -errno. */
int slot_take(struct cj_spawner *spawner, struct spawn_slot **ret);
/* Gives it back, empty; or removes it, or leaves it to those who are in there. */
void slot_keep(struct cj_spawner *spawner, struct spawn_slot *slot);
void slot_discard(struct cj_spawner *spawner, struct spawn_slot *slot);
/* As a list of one, for own_cgroups_…(): never to be freed by these. */
struct own_cgroups slot_alone(struct spawn_slot *slot);
int slot_open(const struct spawn_slot *slot);
/* The child has none any more. */
void slot_leave(struct cj_child *child);
/* Files or memory: it isn't a slot's fault. */
bool slot_is_short_of(int r);
void spawner_free_slots(struct cj_spawner *spawner);

/* --- spawner_cgroup.c --- */

/* Finds out where; with limits makes some and removes them, to see that it can be done. */
int spawner_plan(struct cj_spawner *spawner, const struct cj_spawner_options *options,
		 struct cj_error *err);
int spawner_try_limits(struct cj_spawner *spawner, struct cj_error *err);
/* Makes the slots' cgroup. Its name is known. A failure is a warning. */
void spawner_make_parent(struct cj_spawner *spawner);

/* Decides where the command is put, and tells the child. Without limits it's a success without any, too. */
int spawner_place(struct cj_spawner *spawner, struct cj_child *child, struct spawn_cgroups *ret,
		  struct cj_error *err);
/* The kernel didn't put it there: 1: `cgroups` has another way now; 0: there is none. */
int spawner_place_otherwise(struct cj_spawner *spawner, struct cj_child *child,
			    struct spawn_cgroups *cgroups, int r);
void spawn_cgroups_done(struct spawn_cgroups *cgroups);

/* For child.c: of a command that has ended, cj_child_settle(); and all that is the spawner's, back. */
int spawner_settle(struct cj_child *child);
void spawner_take_back(struct cj_child *child);
