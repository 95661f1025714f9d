/* SPDX-License-Identifier: MIT
 *
 * What a cgroup uses and may use: memory, processor time, processes. cgroups(7), and the kernel's
 * Documentation/admin-guide/cgroup-v{1,2}.
 * Not here: finding its directory (sys/cgroup.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sys/cgroup.h"

#define USAGE_NO_LIMIT UINT64_MAX

/* What the controllers of one cgroup tell; each part only where its flag is set. */
struct cgroup_usage {
	int unread; /* errno of a cgroup that couldn't be opened; 0: none */
	bool has_memory;
	uint64_t memory, memory_limit; /* bytes */
	bool has_cpu;
	uint64_t cpu_used; /* microseconds, since it was made */
	bool has_quota;
	uint64_t cpu_quota, cpu_period; /* microseconds a period */
	bool has_pids;
	uint64_t pids, pids_limit;
};

/*
 * Adds what the cgroup in `directory` tells to `*usage`: v2 or one v1 hierarchy, whose controllers
 * tell a part each. A file that can't be read leaves its part as it was; nothing fails.
 */
void cgroup_usage_add(const char *directory, const struct cgroup_entry *entry,
		      struct cgroup_usage *usage);

/* Of all hierarchies of a list. */
void cgroup_usage_read(const struct cgroup_list *list, const struct cgroup_mounts *mounts,
		       struct cgroup_usage *ret);
