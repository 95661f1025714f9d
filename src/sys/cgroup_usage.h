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
 * What the cgroups of a list tell: that of v2, and of v1 a part each. Only files of controllers that are in
 * a hierarchy are opened. What can't be read leaves its part untold; nothing fails.
 */
void cgroup_usage_read(const struct cgroup_list *list, const struct cgroup_mounts *mounts,
		       struct cgroup_usage *ret);
