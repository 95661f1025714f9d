/* SPDX-License-Identifier: MIT
 *
 * Containers by the cgroups of their processes: what is left when no daemon answers and nobody knows where
 * it keeps its data. They have ids there, and no names.
 * Not here: which engine a cgroup's path tells of (cgroup_name.h).
 */
#pragma once

#include "engine/container.h"

/* May `ref` be the beginning of an id that cgroups carry? At least four digits of a hexadecimal number. */
bool cgroup_scan_may_find(const char *ref);

/*
 * Adds the containers of engine `scheme` (NULL: of any) whose ids begin with `ref`, each with its first
 * process, which is the oldest one. Looks at all processes. ENOMEM
 */
int cgroup_scan(const char *scheme, const char *ref, struct containers *found);
