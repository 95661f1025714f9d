/* SPDX-License-Identifier: MIT
 *
 * Which process of many is the first: of a cgroup, or of a container beneath its watcher. For engines that
 * name something without a number.
 * Not here: where the cgroup is (cgroup_tree.h).
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A process, when it was looked at. */
struct first {
	pid_t pid;
	uint64_t start; /* field 22 of stat */
};

/*
 * The oldest process of a cgroup, and so one whose parent isn't in it; of the cgroups below it, if it has
 * none itself. What a service manager started comes before what that started.
 *
 *	ENOENT	there's no such cgroup, or no process in it
 */
int cgroup_first_process(const char *path, struct first *ret);

/*
 * The oldest process in a cgroup, or in those below it, that is number 1 in its pid namespace.
 *
 *	ENOENT	as above
 */
int cgroup_first_init(const char *path, struct first *ret);

/*
 * The child of process `parent` that lives in another pid namespace: the container of a process that
 * watches over one.
 *
 *	ENOENT	it has none, or has ended
 */
int first_child_inside(pid_t parent, struct first *ret);

#ifdef __cplusplus
}
#endif
