/* SPDX-License-Identifier: MIT
 *
 * What several engines need to know of the machine, found out at most once a search.
 * Not here: finding it out (users.h, cgroup_tree.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/cgroup_tree.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A process that calls itself a monitor of LXC's. */
struct engine_monitor {
	pid_t pid;
	uid_t owner; /* all its ids */
	char *title; /* owned */
};

/* Filled when it's first asked for. The strings and arrays are owned. */
struct engine_shared {
	bool has_roots;
	struct cgroup_roots roots; /* of cgroup_roots_read() */
	bool has_users;
	uid_t *users; /* of users_list() */
	size_t n_users;
	bool has_monitors;
	struct engine_monitor *monitors; /* of LXC, by lxc_find.c */
	size_t n_monitors, monitors_room;
	int64_t foreign_until; /* clock_ms(); 0: nothing of other users was looked at yet */
	bool foreign_said;     /* users_say_late() was called */
};

/*
 * How many milliseconds are left for what other users have on disk, all of them together: half a second
 * from the first call on. 0: it's up, and the rest is left out. A user's files may be many, big and slow.
 * Without request->shared: always half a second.
 */
int64_t engine_foreign_time(const struct engine_request *request);

void engine_shared_done(struct engine_shared *shared);

#ifdef __cplusplus
}
#endif
