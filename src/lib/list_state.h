/* SPDX-License-Identifier: MIT
 *
 * Names of containers whose cgroups don't tell the engine: what runc, crun and containerd keep on disk.
 * Not here: the records themselves (bundle_state.h), cgroups that tell (list_engine.h).
 */
#pragma once

#include "lib/list_group.h"

/*
 * Gives targets without an engine's name that of the container whose first process is among theirs, by
 * PID and start time. What can't be read is left out: there may be no such runtime. ENOMEM
 */
int list_state_name(struct list_group *group);
