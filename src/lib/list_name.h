/* SPDX-License-Identifier: MIT
 *
 * Names of targets, by what engines tell of containers.
 * Not here: asking engines (engine/find.h), cgroups whose names tell (engine/cgroup_name.h).
 */
#pragma once

#include "engine/container.h"
#include "lib/list_group.h"

/*
 * Gives each target the name that the first of `containers` has for it, and notes all engines that know
 * it. A container is the target whose cgroup carries its id, else the one whose processes its first
 * process is among, which is verified. Moves what it uses out of `containers`. ENOMEM
 */
int list_name_targets(struct list_group *group, struct containers *containers);
