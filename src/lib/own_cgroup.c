/* SPDX-License-Identifier: MIT */
#include "lib/own_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "sys/pidref.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

enum { TRIES = 100, REMOVE_MS = 500, KILL_ROUNDS = 100, PROCS_MAX = 1 << 20 };

/* "PID:ID.N": the supervisor that made it, so that others can tell whether it still lives. */
static bool is_stale(const char *name)
{
	_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;
	char text[64];
	size_t length = strcspn(name, ".");
	struct handle handle;

	if (!name[length] || length >= sizeof(text))
		return false; /* not one of ours */
	memcpy(text, name, length);
	text[length] = '\0';
	return handle_parse(text, &handle) == 0 &&
	       pidref_open_handle(&handle, &ref, NULL) == -ESRCH;
}

static void remove_stale(int base)
{
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && is_stale(entry->d_name))
			(void)unlinkat(base, entry->d_name, AT_REMOVEDIR); /* in use: not yet */
}

/* The mount's root, which "MOUNT/conjoin" lies in. Something else may be mounted over it. */
static int open_parent(const char *base_path)
{
	char path[PATH_MAX];
	size_t n = strlen(base_path) - strlen("/conjoin");

	if (n >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, base_path, n);
	path[n] = '\0';
	return cgroup_open(path);
}

static int open_base(const char *path)
{
	_cleanup_fd_ int parent = open_parent(path);

	if (parent < 0)
		return parent;
	if (mkdirat(parent, "conjoin", 0755) < 0 && errno != EEXIST)
		return -errno;
	return cgroup_open(path);
}

/* "memory.max=1" wants "memory" enabled below the mount's root and below conjoin/. */
static int enable_controller(const char *base_path, int base, const char *limit)
{
	_cleanup_fd_ int parent = open_parent(base_path);
	char text[32];
	int r;

	if (parent < 0)
		return parent;
	(void)snprintf(text, sizeof(text), "+%.*s", (int)strcspn(limit, "."), limit);
	r = proc_write(parent, "cgroup.subtree_control", text);
	return r < 0 ? r : proc_write(base, "cgroup.subtree_control", text);
}

static int set_limit(int fd, const char *limit, struct cj_error *err)
{
	_cleanup_free_ char *file = strdup(limit);
	char *value = file ? strchr(file, '=') : NULL;
	int r;

	if (!value)
		return cj_fail(err, ENOMEM, "set a limit");
	*value++ = '\0';
	r = proc_write(fd, file, value);
	return r < 0 ? cj_fail(err, -r, "set %s to %s", file, value) : 0;
}

/* Makes the directory below `own->base`, which another run may just have removed as empty. */
static int make_directory(const struct plan_cgroup *cgroup, const char *handle,
			  struct own_cgroup *own)
{
	for (int i = 0; i < TRIES; i++) {
		char name[64];

		if (own->base < 0)
			own->base = open_base(cgroup->directory);
		if (own->base < 0)
			return own->base;
		(void)snprintf(name, sizeof(name), "%s.%d", handle, i);
		if (mkdirat(own->base, name, 0755) == 0) {
			own->name = strdup(name);
			return own->name ? 0 : -ENOMEM;
		}
		if (errno == ENOENT || errno == ENODEV)
			close_fd(&own->base);
		else if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int apply_limits(const struct plan_cgroup *cgroup, const struct own_cgroup *own, int fd,
			struct cj_error *err)
{
	for (size_t i = 0; i < ELEMENTS(cgroup->limits) && cgroup->limits[i]; i++) {
		const char *limit = cgroup->limits[i];
		int r = cgroup->unified ? enable_controller(cgroup->directory, own->base, limit)
					: 0;

		if (r < 0)
			return cj_fail(err, -r, "enable the controller of %s", limit);
		r = set_limit(fd, limit, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_one(const struct plan_cgroup *cgroup, const char *handle, int *ret_fd,
		    struct own_cgroups *all, struct cj_error *err)
{
	struct own_cgroup *grown = reallocarray(all->list, all->n + 1, sizeof(*grown));
	struct own_cgroup *own;
	_cleanup_fd_ int fd = -EBADF;
	int r;

	if (!grown)
		return cj_fail(err, ENOMEM, "make a cgroup");
	all->list = grown;
	own = &grown[all->n++];
	*own = (struct own_cgroup){.base = -EBADF, .base_path = strdup(cgroup->directory)};
	r = own->base_path ? make_directory(cgroup, handle, own) : -ENOMEM;
	if (r < 0)
		return cj_fail(err, -r, "make a cgroup below %s", cgroup->directory);
	fd = openat(own->base, own->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cj_fail(err, errno, "open cgroup %s/%s", cgroup->directory, own->name);
	r = apply_limits(cgroup, own, fd, err);
	if (r < 0)
		return r;
	*ret_fd = cgroup->unified ? take_fd(&fd) : cgroup_open_procs_at(fd);
	return *ret_fd < 0
		       ? cj_fail(err, -*ret_fd, "open cgroup %s/%s", cgroup->directory, own->name)
		       : 0;
}

/* Also where this run makes none: what was limited then needn't be limited now. */
static void remove_stale_elsewhere(const struct cgroup_mounts *mounts)
{
	for (size_t i = 0; i < mounts->n; i++) {
		_cleanup_free_ char *path = NULL;
		_cleanup_fd_ int base = -EBADF;

		if (asprintf(&path, "%s/conjoin", mounts->mounts[i].point) < 0) {
			path = NULL;
			return;
		}
		base = cgroup_open(path);
		if (base < 0)
			continue;
		remove_stale(base);
		(void)rmdir(path); /* ENOTEMPTY: somebody's in use */
	}
}

int own_cgroups_make(const struct cj_plan *plan, int *fds, struct own_cgroups *ret,
		     struct cj_error *err)
{
	_cleanup_(own_cgroups_done) struct own_cgroups all = OWN_CGROUPS_INIT;
	_cleanup_(pidref_done) struct pidref self = PIDREF_INIT;
	char handle[48];
	int r = 0;

	for (size_t i = 0; i < plan->n_cgroups && r == 0; i++) {
		if (!plan->cgroups[i].own)
			continue;
		if (self.fd < 0) {
			remove_stale_elsewhere(&plan->facts.mounts);
			r = pidref_open(getpid(), &self, err);
			if (r < 0)
				return r;
			(void)pidref_format(&self, handle, sizeof(handle));
		}
		r = make_one(&plan->cgroups[i], handle, &fds[i], &all,
			     plan->cgroups[i].try_only ? NULL : err);
		if (r < 0 && plan->cgroups[i].try_only) {
			all.left_out = -r;
			r = 0;
		}
	}
	if (r < 0)
		return r;
	*ret = all;
	all = (struct own_cgroups)OWN_CGROUPS_INIT;
	return 0;
}

/* Opened first and then looked for once more: so it's one that is in there, whoever had the number. */
static void kill_if_listed(const struct own_cgroup *own, const char *procs, pid_t pid)
{
	_cleanup_fd_ int pidfd = sys_pidfd_open(pid, 0);
	_cleanup_(bytes_done) struct bytes again = BYTES_INIT;

	if (pidfd < 0 || proc_read(own->base, procs, PROCS_MAX, &again) < 0)
		return;
	for (char *at = again.data, *end; *at; at = *end ? end + 1 : end) {
		if (strtol(at, &end, 10) == pid) {
			(void)sys_pidfd_send_signal(pidfd, SIGKILL);
			return;
		}
		if (end == at)
			return;
	}
}

/* Those that fork meanwhile are found in the next round. */
static void kill_each(const struct own_cgroup *own)
{
	char procs[128];

	(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", own->name);
	for (int i = 0; i < KILL_ROUNDS; i++) {
		_cleanup_(bytes_done) struct bytes list = BYTES_INIT;

		if (proc_read(own->base, procs, PROCS_MAX, &list) < 0 || list.size == 0)
			return;
		for (char *at = list.data, *end; *at; at = *end ? end + 1 : end) {
			long pid = strtol(at, &end, 10);

			if (end == at)
				break;
			kill_if_listed(own, procs, (pid_t)pid);
		}
	}
}

void own_cgroups_kill(struct own_cgroups *own)
{
	own->killed = true;
	for (size_t i = 0; i < own->n; i++) {
		char path[128];

		if (!own->list[i].name)
			continue;
		(void)snprintf(path, sizeof(path), "%s/cgroup.kill", own->list[i].name);
		if (proc_write(own->list[i].base, path, "1") < 0)
			kill_each(&own->list[i]);
	}
}

/*
 * A process that was waited for can still count for a moment (its css is released later), so EBUSY
 * isn't yet the answer that somebody lives in there.
 */
static void remove_one(const struct own_cgroup *own, bool killed)
{
	struct timespec pause = {0, 1000000};

	for (int i = 0; own->name && i < REMOVE_MS; i++) {
		char procs[128], first[32];

		if (unlinkat(own->base, own->name, AT_REMOVEDIR) == 0 || errno != EBUSY)
			break;
		(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", own->name);
		if (!killed && proc_read_small(own->base, procs, first, sizeof(first)) != 0)
			return; /* somebody does: survivors stay, and it with them */
		(void)nanosleep(&pause, NULL);
	}
	(void)rmdir(own->base_path); /* ENOTEMPTY or EBUSY: other commands have theirs in it */
}

void own_cgroups_done(struct own_cgroups *own)
{
	for (size_t i = 0; i < own->n; i++) {
		if (own->list[i].base >= 0)
			remove_one(&own->list[i], own->killed);
		close_fd(&own->list[i].base);
		free(own->list[i].name);
		free(own->list[i].base_path);
	}
	free(own->list);
	*own = (struct own_cgroups)OWN_CGROUPS_INIT;
}
