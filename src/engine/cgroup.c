/* SPDX-License-Identifier: MIT
 *
 * cgroup:/sys/fs/cgroup/system.slice/nginx.service, or the path that /proc/PID/cgroup shows, in
 * whatever hierarchy it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "engine/engine.h"
#include "sys/cgroup.h"
#include "sys/proc.h"

enum { PROCS_LIMIT = 64 << 20 };

/* 0: the directory is a cgroup, and its processes were added. */
static int add_processes(const char *directory, struct matches *matches)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int fd = cgroup_open(directory);
	char *save = NULL;
	int r = fd < 0 ? fd : proc_read(fd, "cgroup.procs", PROCS_LIMIT, &text);

	if (r < 0)
		return r;
	for (char *word = strtok_r(text.data, "\n", &save); word;
	     word = strtok_r(NULL, "\n", &save)) {
		pid_t pid;

		if (parse_pid(word, &pid) == 0) /* 0 is one outside of our pid namespace */
			matches_add(matches, pid);
	}
	return 0;
}

static int add_below(const struct cgroup_mount *mount, const char *path, struct matches *matches)
{
	_cleanup_free_ char *directory = NULL;

	if (asprintf(&directory, "%s%s", mount->point, path) < 0) {
		directory = NULL;
		return -ENOMEM;
	}
	return add_processes(directory, matches);
}

static int find(const char *path, struct pidref *ret, struct cj_error *err)
{
	_cleanup_(cgroup_mounts_done) struct cgroup_mounts mounts = CGROUP_MOUNTS_INIT;
	struct matches matches = {.n = 0};
	_cleanup_fd_ int proc = -EBADF;
	bool found;
	int r;

	if (path[0] != '/')
		return cj_fail(err, EINVAL, "find cgroup \"%s\", which is no absolute path", path);
	r = proc_open(0, &proc, err);
	if (r < 0)
		return r;
	r = cgroup_mounts_read(proc, &mounts);
	if (r < 0)
		return cj_fail(err, -r, "read where cgroups are mounted");
	found = add_processes(path, &matches) == 0;
	for (size_t i = 0; i < mounts.n && !found; i++)
		(void)add_below(&mounts.mounts[i], path, &matches); /* not in this hierarchy */
	return matches_open(&matches, "a process in cgroup", path, ret, err);
}

const struct engine engine_cgroup = {.scheme = "cgroup", .find = find};
