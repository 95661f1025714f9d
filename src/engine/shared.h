/* SPDX-License-Identifier: MIT
 *
 * What several engines need to know of the machine, found out at most once a search.
 * Not here: finding it out (users.h, cgroup_tree.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "engine/cgroup_tree.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Filled when it's first asked for. The strings and arrays are owned. */
struct engine_shared {
	bool has_roots;
	struct cgroup_roots roots; /* of cgroup_roots_read() */
	bool has_users;
	uid_t *users; /* of users_list() */
	size_t n_users;
};

void engine_shared_done(struct engine_shared *shared);

#ifdef __cplusplus
}
#endif
