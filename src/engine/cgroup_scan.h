/* SPDX-License-Identifier: MIT
 *
 * Containers by the cgroups of their processes: what is left when no daemon answers and nobody knows where
 * it keeps its data. They have ids there, and no names.
 * Not here: which engine a cgroup's path tells of (cgroup_name.h).
 */
#pragma once

#include "engine/container.h"

/*
 * May `ref` be the beginning of an id that cgroups carry? A hexadecimal number: of at least four digits, and
 * twelve (what engines show) without a scheme. Whoever may make cgroups may have called one so.
 */
bool cgroup_scan_may_find(const char *scheme, const char *ref);

/*
 * Adds the containers of engine `scheme` (NULL: of any) whose ids begin with `ref` (NULL: all), each with its
 * first process, which is the oldest one. Looks at all processes; at most 64 are found, and 32 of those of
 * users. Not those that have a name in place of an id, lxc's and machined's: these engines look there themselves.
 *
 * A container is named by the outermost component that names one: what is below is its own to name. Below the
 * manager of a user it's that user's, and has a cgroup_word in place of a start time. ENOMEM
 */
int cgroup_scan(const char *scheme, const char *ref, struct containers *found);
