/* SPDX-License-Identifier: MIT
 *
 * Which processes are one target: by their namespaces, and by their cgroups. Made from data alone,
 * so that it can be tested with processes that never were.
 * Not here: reading them (sys/scan.h), what is told of a target (list.c).
 *
 * A process belongs, the first rule that fits:
 *
 *	1. to the innermost container that its cgroup's path names, by an engine's pattern;
 *	2. to the innermost cgroup that is a container's by its looks: that of the first process of a
 *	   pid namespace, with no process of the host in it or below (its "/init.scope" cut off);
 *	3. to whom the pid namespace belongs that it's in, if that isn't ours (it was entered, say);
 *	4. to a container that has exactly its namespaces;
 *	5. to those with exactly its namespaces and the same service of systemd, or none.
 *
 * Processes that are in all of our namespaces are the host, but for those of a container by rule 1 in
 * which nobody has other namespaces (a virtual machine).
 */
#pragma once

#include "engine/container.h"
#include "lib/map.h"
#include "sys/scan.h"

struct list_process {
	pid_t pid, parent;
	uint64_t start;
	uint32_t cell;
	bool dropped;
};

/* Processes with the same namespaces in the same cgroups. */
struct list_cell {
	struct namespaces namespaces;
	char *cgroup; /* text of /proc/PID/cgroup; owned */
	size_t cgroup_size;
	size_t processes;
	bool ours;	 /* every namespace is */
	bool recognised; /* by an engine's pattern */
	bool supervisor; /* of a container, in a cgroup of it, but not in its namespaces */
	const char *key; /* within `cgroup`: "HIERARCHY:PATH" of the cgroup to go by; NULL: none */
	size_t key_size;
	size_t target; /* MAP_NONE: not listed */
};

struct list_pidns {
	uint64_t inode;
	uint64_t oldest; /* start time of the oldest process that was asked */
	size_t init;	 /* index of the process, or MAP_NONE */
};

enum { LIST_KNOWN_MAX = 8 };

struct list_group_target {
	const char *engine;    /* NULL: unknown */
	char *id, *name;       /* owned; NULL: none */
	char *place;	       /* "HIERARCHY:PATH", its own cgroup; NULL: it has none; owned */
	bool container;	       /* by rule 1 or 2 */
	bool host;	       /* all that isn't in a target */
	struct container told; /* by the engine that names it; no scheme: none does */
	const char *known[LIST_KNOWN_MAX]; /* schemes of engines that know it */
	size_t n_known;
	size_t processes;
	size_t first; /* index of the process that stands for it, MAP_NONE: none is left */
};

struct list_group {
	struct namespaces ours;
	pid_t own; /* the caller: the container that it's in itself is the host */
	struct list_process *processes;
	size_t n_processes, room;
	struct list_cell *cells;
	size_t n_cells;
	struct list_pidns *pidns;
	size_t n_pidns;
	struct list_group_target *targets;
	size_t n_targets;
	struct map by_cell, by_pidns; /* to indices of the arrays */
	struct map by_place, by_set;  /* to indices of targets */
	struct map of_host;	      /* cgroups with processes of the host in them or below */
};

#define LIST_GROUP_INIT {.own = 0}

/* Would it help to know the process's PID inside? It may be the first of its pid namespace. */
bool list_group_wants_inside(const struct list_group *group, const struct scan_process *process);

/* The next process; PIDs ascend. ENOMEM */
int list_group_add(struct list_group *group, const struct scan_process *process);

/* Once all are there. `with_host`: what is the host becomes a target, too. ENOMEM */
enum list_host { LIST_WITHOUT_HOST, LIST_WITH_HOST };
int list_group_resolve(struct list_group *group, enum list_host host);

/* Its first half, list_resolve.c: who belongs to which target. */
int list_group_assign(struct list_group *group, enum list_host host);

/* The index of a process, or MAP_NONE. */
size_t list_group_find(const struct list_group *group, pid_t pid);

/* The process that stands for a target has ended: another one takes its place. */
void list_group_replace_first(struct list_group *group, size_t target);

/* Are processes of the host in this cgroup, "HIERARCHY:PATH", or below? */
bool list_group_is_shared(const struct list_group *group, const char *place, size_t length);

void list_group_done(struct list_group *group);
