/* SPDX-License-Identifier: MIT
 *
 * A cgroup together with those that were made below it, which whoever lives there may do where cgroupfs takes
 * writes. Nothing here allocates, and each walk is bounded: a container may go on making them.
 * Not here: who is in there and what becomes of them (lib/own_cgroup.h).
 */
#pragma once

#include <stdint.h>

/* Called with the directory, O_RDONLY. Other than 0 ends the walk. */
typedef int cgroup_visit(int directory, void *data);

/*
 * Visits the cgroup `name` of `base` and all below it, from the top down. Returns what ended it, or 0.
 *
 * What isn't visited doesn't keep us from the others.
 *
 *	ENOENT		it isn't there
 *	ELOOP		there are more levels than we go down
 *	ETIMEDOUT	there are more of them than can be visited in half a second
 */
int cgroup_visit_below(int base, const char *name, cgroup_visit *visit, void *data);

/*
 * Removes it with all below it, as far as nobody is in there.
 *
 *	EBUSY		somebody is
 *	ETIMEDOUT	it isn't done by `end` of clock_ms()
 */
int cgroup_remove_below(int base, const char *name, int64_t end);
