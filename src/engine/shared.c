/* SPDX-License-Identifier: MIT */
#include "engine/shared.h"

#include <stdlib.h>

#include "base/io.h"

enum { FOREIGN_MS = 500 };

void engine_shared_done(struct engine_shared *shared)
{
	cgroup_roots_done(&shared->roots);
	free(shared->users);
	for (size_t i = 0; i < shared->n_monitors; i++)
		free(shared->monitors[i].title);
	free(shared->monitors);
	*shared = (struct engine_shared){.has_roots = false};
}

int64_t engine_foreign_time(const struct engine_request *request)
{
	struct engine_shared *shared = request->shared;
	int64_t now = clock_ms();

	if (!shared)
		return FOREIGN_MS;
	if (shared->foreign_until == 0)
		shared->foreign_until = now + FOREIGN_MS;
	return shared->foreign_until > now ? shared->foreign_until - now : 0;
}
