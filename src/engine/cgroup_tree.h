/* SPDX-License-Identifier: MIT
 *
 * The tree of cgroups that systemd keeps: a unit's cgroup by its name.
 * Not here: the cgroups of a process (sys/cgroup.h), whose a cgroup's name is (cgroup_name.h), which of its
 * processes counts (first.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/source.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Where the hierarchies are mounted in which units have cgroups, the better one first: v2, then v1's
 * name=systemd. Owned strings; none: there are no such hierarchies here, or only parts of them.
 */
struct cgroup_roots {
	char *paths[2];
	size_t n;
};

#define CGROUP_ROOTS_INIT {.n = 0}

int cgroup_roots_read(const struct engine_request *request, struct cgroup_roots *ret);
void cgroup_roots_done(struct cgroup_roots *roots);

/* `name` is the last part of `path`. `owner` is 0, or the user below whose manager it is. 0 goes on. */
typedef int (*cgroup_found_fn)(const char *path, const char *name, uid_t owner, void *data);

/*
 * Calls back with each cgroup of that unit ("nginx.service"), and returns what ended the search, or 0.
 *
 * It descends into slices, and into users' managers (user@UID.service), in which a user may make any
 * cgroup: that's why those come last, and with a bound each. What is below other services and scopes
 * belongs to whoever runs there, as do the pods below kubepods.slice: not looked at.
 */
int cgroup_tree_find(const char *root, const char *name, cgroup_found_fn fn, void *data);

#ifdef __cplusplus
}
#endif
