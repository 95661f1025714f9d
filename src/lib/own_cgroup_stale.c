/* SPDX-License-Identifier: MIT
 *
 * Cgroups that runs before us have left, since they were killed together with their watchdogs, or somebody still lived
 * there: removed on the way by who makes new ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/parse.h"
#include "lib/own_cgroup.h"
#include "sys/pidref.h"

enum {
	SWEEP_MS = 200, /* a sweep: containers can make names like these, too */
	FOREIGN_AFTER =
		60, /* seconds; one is empty for a moment only, before its command is in there */
};

struct sweep {
	uint64_t pidns; /* ours: others' processes have numbers that mean nothing here */
	int64_t end;
};

static bool has_ended(const char *handle_text)
{
	_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;
	struct handle handle;

	return handle_parse(handle_text, &handle) == 0 &&
	       pidref_open_handle(&handle, &ref, NULL) == -ESRCH;
}

/* `time` is what name_one() wrote: seconds since boot, and nanoseconds, in one hexadecimal number. */
static bool is_old(const char *time)
{
	struct timespec now;
	char *end;
	unsigned long long made = strtoull(time, &end, 16) >> 32;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return end > time && !*end && (unsigned long long)now.tv_sec > made &&
	       (unsigned long long)now.tv_sec - made > FOREIGN_AFTER;
}

/* "PID:ID.PIDNS.TIME": who made it, and when. */
static bool is_stale(const struct sweep *sweep, const char *name)
{
	char text[128], *rest = text;
	const char *handle, *ns, *time;
	uint64_t pidns;

	if (strlen(name) >= sizeof(text))
		return false; /* not one of ours */
	memcpy(text, name, strlen(name) + 1);
	handle = strsep(&rest, ".");
	ns = strsep(&rest, ".");
	time = strsep(&rest, ".");
	if (!time || rest || parse_u64(ns, 0, UINT64_MAX, &pidns) < 0)
		return false;
	return pidns == sweep->pidns ? has_ended(handle) : is_old(time);
}

/* Of names that begin with `prefix`. */
static void sweep_below(const struct sweep *sweep, int base, const char *prefix)
{
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && clock_ms() < sweep->end && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR &&
		    strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
		    is_stale(sweep, entry->d_name + strlen(prefix)))
			/* in use: not yet */
			(void)own_cgroup_remove(base, entry->d_name, sweep->end);
}

static void sweep_mount(const struct sweep *sweep, const char *point)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int base = -EBADF;

	if (asprintf(&path, "%s/conjoin", point) < 0) {
		path = NULL;
		return;
	}
	base = cgroup_open(path);
	if (base < 0)
		return;
	sweep_below(sweep, base, "");
	(void)rmdir(path); /* ENOTEMPTY: somebody's in use */
}

void own_cgroups_sweep_mounts(const struct cgroup_mounts *mounts, uint64_t pidns)
{
	const struct sweep sweep = {pidns, clock_ms() + SWEEP_MS};

	for (size_t i = 0; i < mounts->n; i++)
		sweep_mount(&sweep, mounts->mounts[i].point);
}

void own_cgroups_sweep_trees(const struct own_cgroups *own, uint64_t pidns)
{
	const struct sweep sweep = {pidns, clock_ms() + SWEEP_MS};

	for (size_t i = 0; i < own->n; i++)
		if (own->list[i].tree && own->list[i].base >= 0)
			sweep_below(&sweep, own->list[i].base, OWN_CGROUP_TREE);
}
