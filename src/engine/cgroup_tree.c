/* SPDX-License-Identifier: MIT */
#include "engine/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "base/parse.h"
#include "engine/shared.h"
#include "sys/cgroup.h"
#include "sys/proc.h"

enum {
	MAX_SYSTEM = 8192, /* directories that are read */
	MAX_USER = 512,	   /* of each user */
	MAX_USERS = 1024,
	MAX_DEPTH = 32,
};

static int add_root(const struct cgroup_mounts *mounts, const struct cgroup_entry *entry,
		    struct cgroup_roots *roots)
{
	int r = cgroup_directory(mounts, entry, &roots->paths[roots->n]);

	roots->n += r >= 0;
	return r == -ENOMEM ? r : 0;
}

static int set_roots(const char *const *paths, size_t n, struct cgroup_roots *ret)
{
	_cleanup_(cgroup_roots_done) struct cgroup_roots roots = CGROUP_ROOTS_INIT;

	for (; roots.n < n; roots.n++) {
		roots.paths[roots.n] = strdup(paths[roots.n]);
		if (!roots.paths[roots.n])
			return -ENOMEM;
	}
	*ret = roots;
	roots = (struct cgroup_roots)CGROUP_ROOTS_INIT;
	return 0;
}

static int read_roots(const struct engine_request *request, struct cgroup_roots *ret)
{
	static char v2[] = "", v1[] = "name=systemd", root[] = "/";
	static const struct cgroup_entry entries[] = {
		{.unified = true, .controllers = v2, .path = root},
		{.unified = false, .controllers = v1, .path = root},
	};
	_cleanup_(cgroup_mounts_done) struct cgroup_mounts mounts = CGROUP_MOUNTS_INIT;
	_cleanup_(cgroup_roots_done) struct cgroup_roots roots = CGROUP_ROOTS_INIT;
	_cleanup_fd_ int self = -EBADF;
	const char *const *usual;
	size_t n;
	int r = 0;

	if (request->root[0]) {
		if (asprintf(&roots.paths[0], "%s/sys/fs/cgroup", request->root) < 0)
			return -ENOMEM;
		roots.n = 1;
	} else {
		n = cgroup_usual_roots(&usual); /* a list of all mounts can be long */
		if (n > 0)
			return set_roots(usual, n, ret);
		r = proc_open(0, &self, NULL);
		if (r == 0)
			r = cgroup_mounts_read(self, &mounts);
	}
	for (size_t i = 0; i < ELEMENTS(entries) && r == 0 && mounts.n > 0; i++)
		r = add_root(&mounts, &entries[i], &roots);
	if (r < 0)
		return r;
	*ret = roots;
	roots = (struct cgroup_roots)CGROUP_ROOTS_INIT;
	return 0;
}

int cgroup_roots_read(const struct engine_request *request, struct cgroup_roots *ret)
{
	struct engine_shared *shared = request->shared;
	int r = 0;

	if (!shared)
		return read_roots(request, ret);
	if (!shared->has_roots)
		r = read_roots(request, &shared->roots);
	shared->has_roots = r == 0;
	return r < 0 ? r
		     : set_roots((const char *const *)shared->roots.paths, shared->roots.n, ret);
}

void cgroup_roots_done(struct cgroup_roots *roots)
{
	for (size_t i = 0; i < roots->n; i++)
		free(roots->paths[i]);
	*roots = (struct cgroup_roots)CGROUP_ROOTS_INIT;
}

struct manager {
	uid_t uid;
	char *path;
};

struct walk {
	const char *name;
	cgroup_found_fn fn;
	void *data;
	unsigned int left; /* directories that may still be read */
	uid_t owner;
	bool of_user;
	char path[PATH_MAX]; /* where it is */
	struct manager *managers;
	size_t n_managers, room;
};

/*
 * What begins with "_" or ".", or is called like a file of the kernel's ("cpu.service"), has one more "_"
 * in front. systemd, cg_escape()
 */
static bool is_named(const char *entry, const char *name)
{
	return strcmp(entry, name) == 0 || (entry[0] == '_' && strcmp(entry + 1, name) == 0);
}

static bool ends_with(const char *text, const char *suffix)
{
	size_t n = strlen(text), length = strlen(suffix);

	return n > length && strcmp(text + n - length, suffix) == 0;
}

/* "user@1000.service" */
static bool parse_manager(const char *entry, uid_t *ret)
{
	static const char prefix[] = "user@", suffix[] = ".service";
	char digits[16];
	size_t n = strlen(entry);
	uint64_t uid;

	if (!ends_with(entry, suffix) || strncmp(entry, prefix, strlen(prefix)) != 0)
		return false;
	n -= strlen(prefix) + strlen(suffix);
	if (n >= sizeof(digits))
		return false;
	memcpy(digits, entry + strlen(prefix), n);
	digits[n] = '\0';
	if (parse_u64(digits, 0, UINT32_MAX - 1, &uid) < 0)
		return false;
	*ret = (uid_t)uid;
	return true;
}

static int add_manager(struct walk *walk, uid_t uid)
{
	void *grown = walk->managers;

	if (walk->n_managers == MAX_USERS)
		return 0;
	if (!array_grow(&grown, sizeof(*walk->managers), &walk->room, walk->n_managers + 1))
		return -ENOMEM;
	walk->managers = grown;
	walk->managers[walk->n_managers].path = strdup(walk->path);
	if (!walk->managers[walk->n_managers].path)
		return -ENOMEM;
	walk->managers[walk->n_managers++].uid = uid;
	return 0;
}

static int walk_directory(struct walk *walk, int depth);

/* A directory in the one where the walk is; the path has it at its end. */
static int walk_entry(struct walk *walk, const char *entry, int depth)
{
	uid_t uid;

	if (is_named(entry, walk->name))
		return walk->fn(walk->path, entry, walk->owner, walk->data);
	if (ends_with(entry, ".slice"))
		return strncmp(entry, "kubepods", strlen("kubepods")) == 0
			       ? 0
			       : walk_directory(walk, depth + 1);
	if (!walk->of_user && parse_manager(entry, &uid))
		return add_manager(walk, uid);
	return 0;
}

static int walk_directory(struct walk *walk, int depth)
{
	size_t length = strlen(walk->path);
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	int r = 0;

	if (walk->left == 0 || depth > MAX_DEPTH)
		return 0;
	walk->left--;
	dir = opendir(walk->path);
	while (dir && r == 0 && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (snprintf(walk->path + length, sizeof(walk->path) - length, "/%s",
			     entry->d_name) < (int)(sizeof(walk->path) - length))
			r = walk_entry(walk, entry->d_name, depth);
		walk->path[length] = '\0';
	}
	return r;
}

int cgroup_tree_find(const char *root, const char *name, cgroup_found_fn fn, void *data)
{
	_cleanup_free_ struct walk *walk = calloc(1, sizeof(*walk));
	int r;

	if (!walk)
		return -ENOMEM;
	*walk = (struct walk){.name = name, .fn = fn, .data = data, .left = MAX_SYSTEM};
	(void)snprintf(walk->path, sizeof(walk->path), "%s", root);
	r = walk_directory(walk, 0);
	walk->of_user = true;
	for (size_t i = 0; i < walk->n_managers && r == 0; i++) {
		walk->owner = walk->managers[i].uid;
		walk->left = MAX_USER;
		(void)snprintf(walk->path, sizeof(walk->path), "%s", walk->managers[i].path);
		r = walk_directory(walk, 0);
	}
	for (size_t i = 0; i < walk->n_managers; i++)
		free(walk->managers[i].path);
	free(walk->managers);
	return r;
}
