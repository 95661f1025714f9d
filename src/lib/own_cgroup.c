/* SPDX-License-Identifier: MIT
 *
 * Making cgroups for one command. Not here: the end of them (own_cgroup_end.c).
 */
#include "lib/own_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "sys/pidref.h"
#include "sys/proc.h"

enum { TRIES = 100 };

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
static int make_directory(const struct plan_cgroup *cgroup, struct own_cgroup *own)
{
	int r = -ENOENT;

	for (int i = 0; i < TRIES; i++) {
		if (own->base < 0)
			own->base = open_base(cgroup->directory);
		r = own->base;
		if (r >= 0 && mkdirat(own->base, own->name, 0755) == 0)
			return 0;
		if (r >= 0)
			r = -errno;
		if (r != -ENOENT && r != -ENODEV)
			return r;
		close_fd(&own->base);
	}
	return r;
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

/* The plan's cgroup `i`, and what was made of it. */
static int make_one(const struct plan_cgroup *cgroup, struct own_cgroup *own, int *ret_fd,
		    struct cj_error *err)
{
	_cleanup_fd_ int fd = -EBADF;
	int r = make_directory(cgroup, own);

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

/* Below a threaded one: it would have to become threaded itself, and then can't be killed as a whole. */
static bool takes_no_processes(int fd)
{
	char text[32];

	return proc_read_small(fd, "cgroup.type", text, sizeof(text)) > 0 &&
	       strncmp(text, "domain invalid", 14) == 0;
}

static int make_tree(const struct plan_cgroup *cgroup, const struct own_cgroup *own, int *ret_fd)
{
	_cleanup_fd_ int fd = -EBADF;
	int to;

	if (own->base < 0)
		return own->base;
	if (mkdirat(own->base, own->name, 0755) < 0)
		return -errno;
	fd = openat(own->base, own->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (cgroup->unified && takes_no_processes(fd))
		return -EOPNOTSUPP;
	to = cgroup->unified ? take_fd(&fd) : cgroup_open_procs_at(fd);
	if (to < 0)
		return to;
	close_fd(ret_fd);
	*ret_fd = to;
	return 0;
}

/* It isn't there, or isn't used. What it would lie in may be ours to remove all the same. */
static void drop(struct own_cgroup *own)
{
	if (own->base >= 0)
		(void)unlinkat(own->base, own->name, AT_REMOVEDIR);
	free(own->name);
	own->name = NULL;
}

/* What it will be called. The time tells several of one process apart; own_cgroup_stale.c reads it. */
static int name_one(const struct plan_cgroup *cgroup, const char *maker, size_t i,
		    struct own_cgroup *own)
{
	struct timespec now;
	char name[128];

	*own = (struct own_cgroup){.base = -EBADF,
				   .i = i,
				   .tree = cgroup->tree,
				   .freezes = !cgroup->unified && cgroup->tree};
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)snprintf(name, sizeof(name), "%s%s.%llx", cgroup->tree ? OWN_CGROUP_TREE : "", maker,
		       (unsigned long long)now.tv_sec << 32 | (unsigned long long)now.tv_nsec);
	own->name = strdup(name);
	own->base_path = cgroup->tree ? NULL : strdup(cgroup->directory);
	if (!own->name || (!own->base_path && !cgroup->tree))
		return -ENOMEM;
	own->base = cgroup->tree ? cgroup_open(cgroup->directory) : open_base(cgroup->directory);
	return 0;
}

int own_cgroups_name(const struct cj_plan *plan, struct own_cgroups *ret, struct cj_error *err)
{
	uint64_t pidns = plan->facts.ours.namespaces.inode[NAMESPACE_PID];
	_cleanup_(own_cgroups_done) struct own_cgroups all = OWN_CGROUPS_INIT;
	_cleanup_(pidref_done) struct pidref self = PIDREF_INIT;
	char handle[48], maker[80];
	size_t n = 0;
	int r;

	for (size_t i = 0; i < plan->n_cgroups; i++)
		n += plan->cgroups[i].own || plan->cgroups[i].tree;
	if (n == 0)
		return 0;
	r = pidref_open(getpid(), &self, err);
	if (r < 0)
		return r;
	(void)pidref_format(&self, handle, sizeof(handle));
	own_cgroups_sweep_mounts(&plan->facts.mounts, pidns); /* first: "conjoin" is opened then */
	(void)snprintf(maker, sizeof(maker), "%s.%llu", handle, (unsigned long long)pidns);
	all.list = calloc(n, sizeof(*all.list));
	for (size_t i = 0; i < plan->n_cgroups && all.list; i++)
		if ((plan->cgroups[i].own || plan->cgroups[i].tree) &&
		    name_one(&plan->cgroups[i], maker, i, &all.list[all.n++]) < 0)
			return cj_fail(err, ENOMEM, "make a cgroup");
	if (!all.list)
		return cj_fail(err, ENOMEM, "make a cgroup");
	own_cgroups_sweep_trees(&all, pidns);
	*ret = all;
	all = (struct own_cgroups)OWN_CGROUPS_INIT;
	return 0;
}

/* One for the tree, unless there is one already: the others aren't used. */
static bool try_tree(const struct cj_plan *plan, int *fds, struct own_cgroups *all, size_t k,
		     bool made)
{
	struct own_cgroup *own = &all->list[k];
	int r = made ? 0 : make_tree(&plan->cgroups[own->i], own, &fds[own->i]);

	if (r < 0 || made)
		drop(own);
	if (!made)
		all->no_tree = -r;
	return made || r == 0;
}

/* In v2, else in v1's freezer: where it works first; in none is no failure, but worth a word. */
static void make_trees(const struct cj_plan *plan, int *fds, struct own_cgroups *all)
{
	bool made = false;

	for (int unified = 1; unified >= 0; unified--)
		for (size_t k = 0; k < all->n; k++)
			if (all->list[k].tree && all->list[k].freezes == !unified)
				made = try_tree(plan, fds, all, k, made);
}

int own_cgroups_make(const struct cj_plan *plan, int *fds, struct own_cgroups *all,
		     struct cj_error *err)
{
	for (size_t k = 0; k < all->n; k++) {
		struct own_cgroup *own = &all->list[k];
		const struct plan_cgroup *cgroup = &plan->cgroups[own->i];
		int r = own->tree ? 0
				  : make_one(cgroup, own, &fds[own->i],
					     cgroup->try_only ? NULL : err);

		if (r < 0 && !cgroup->try_only)
			return r;
		if (r == 0)
			continue;
		all->left_out = -r;
		drop(own);
	}
	make_trees(plan, fds, all);
	return 0;
}

bool own_cgroups_any(const struct own_cgroups *own)
{
	for (size_t i = 0; i < own->n; i++)
		if (own->list[i].name)
			return true;
	return false;
}

void own_cgroups_forget(struct own_cgroups *own, size_t i)
{
	for (size_t k = 0; k < own->n; k++)
		if (own->list[k].i == i && own->list[k].name)
			drop(&own->list[k]);
}
