/* SPDX-License-Identifier: MIT
 *
 * Which engine made a container, by how it names cgroups. No daemon and no file is asked.
 * Not here: runtimes whose cgroups have no pattern (state.h).
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* What a cgroup's path tells. Names come from whoever may make cgroups: hostile. */
struct cgroup_name {
	const char *engine; /* "docker"; NULL: a container's, but nobody knows whose */
	size_t length;	    /* of the part of the path that is the container's own cgroup */
	char id[NAME_MAX + 1];
	char name[NAME_MAX + 1]; /* short form of the id, or a name */
};

/* The innermost container that a path names: a container in a container is itself. */
bool cgroup_name_find(const char *path, size_t length, struct cgroup_name *ret);

/* The length of `path` up to its innermost "….service", 0 if there is none. */
size_t cgroup_unit_length(const char *path, size_t length);
