/* SPDX-License-Identifier: MIT */
#include "engine/shared.h"

#include <stdlib.h>

void engine_shared_done(struct engine_shared *shared)
{
	cgroup_roots_done(&shared->roots);
	free(shared->users);
	*shared = (struct engine_shared){.has_roots = false};
}
