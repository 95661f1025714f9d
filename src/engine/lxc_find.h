/* SPDX-License-Identifier: MIT
 *
 * The first process of an LXC container: is it the one that its monitor says, and which is it where no
 * monitor says anything?
 * Not here: asking monitors (lxc.c).
 */
#pragma once

#include <sys/types.h>

#include "engine/source.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lxc_process {
	const char *name; /* of the container */
	pid_t pid;	  /* 0: it doesn't run */
	uid_t owner;	  /* of the monitor */
	enum container_state state;
};

/*
 * Adds it to what `source` has found. A process that is the monitor's child, in a pid namespace of its own,
 * is pinned by its start time; any other has to be in the container's cgroup. ENOMEM
 */
int lxc_add(struct source *source, const struct lxc_process *process);

/*
 * Finds the monitor that should answer at source->address among all processes, by its title, and adds its
 * child. Only one of source->owner counts: anybody can call themselves so. All processes are looked at once a
 * search; for other users only while there is time for them.
 *
 *	ENOENT	there's none
 */
int lxc_find_by_monitor(struct source *source, const char *name);

/* Adds the first process of lxc.payload.NAME, which is at the top of a hierarchy. ENOENT */
int lxc_find_by_cgroup(struct source *source, const char *name);

#ifdef __cplusplus
}
#endif
