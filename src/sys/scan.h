/* SPDX-License-Identifier: MIT
 *
 * One walk over all processes of /proc: which namespaces and cgroups each is in, and since when. One
 * directory fd a process, so that what is told of one is never another's that got its number.
 * Not here: what belongs together (lib/list_group.h), a process in full (lib/identity.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/error.h>

#include "sys/namespace.h"

struct scan_process {
	pid_t pid, parent;
	uint64_t start; /* clock ticks since boot: field 22 of stat */
	pid_t inside;	/* its PID in its own pid namespace, by scan_inside(); 0: not asked for */
	struct namespaces namespaces;
	const char *cgroup; /* its file /proc/PID/cgroup; lives until the next call */
	size_t cgroup_size;
	int unread; /* errno: the namespaces or cgroups may not be read, and nothing of them is set */
};

struct scan;

/*
 *	ENOTSUP	what is mounted on /proc isn't procfs, or another pid namespace's
 *	ENOMEM
 */
int scan_new(struct scan **ret, struct cj_error *err);
void scan_free(struct scan *scan);

/*
 * The next process: 1, or 0 at the end. Kernel threads, zombies and what vanishes while it's looked
 * at are left out. PIDs ascend.
 */
int scan_next(struct scan *scan, struct scan_process *ret);

/* Of the process that scan_next() told last: its innermost PID. ESRCH: it has ended. */
int scan_inside(const struct scan *scan, pid_t *ret);

/* Its directory beneath /proc: the scan's own, until the next call. */
int scan_directory(const struct scan *scan);
