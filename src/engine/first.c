/* SPDX-License-Identifier: MIT */
#include "engine/first.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "base/io.h"
#include "base/parse.h"
#include "sys/kin.h"
#include "sys/namespace.h"
#include "sys/proc.h"

enum { PROCS_LIMIT = 64 << 20, MAX_DIRECTORIES = 256, MAX_DEPTH = 16 };

struct member {
	pid_t pid;
	struct kin kin;
};

struct members {
	struct member *items;
	size_t n, room;
	unsigned int left; /* directories that may still be read */
};

static void members_done(struct members *members)
{
	free(members->items);
	*members = (struct members){.n = 0};
}

static int add_member(struct members *members, pid_t pid)
{
	_cleanup_fd_ int proc = -EBADF;
	void *grown = members->items;
	struct member member = {.pid = pid};

	/* It may have ended since. */
	if (proc_open(pid, &proc, NULL) < 0 || kin_read(proc, &member.kin) < 0 || member.kin.ended)
		return 0;
	if (!array_grow(&grown, sizeof(*members->items), &members->room, members->n + 1))
		return -ENOMEM;
	members->items = grown;
	members->items[members->n++] = member;
	return 0;
}

static int open_cgroup(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

static int read_members(int dir, struct members *members)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	char *save = NULL;
	int r = proc_read(dir, "cgroup.procs", PROCS_LIMIT, &text);

	if (r < 0) /* a threaded one: EOPNOTSUPP, its processes are listed above it */
		return 0;
	for (char *word = strtok_r(text.data, "\n", &save); word && r == 0;
	     word = strtok_r(NULL, "\n", &save)) {
		pid_t pid;

		if (parse_pid(word, &pid) == 0) /* 0 is one outside of our pid namespace */
			r = add_member(members, pid);
	}
	return r;
}

static int read_members_below(int dir, int depth, struct members *members)
{
	_cleanup_dir_ DIR *stream = NULL;
	const struct dirent *entry;
	int copy = open_cgroup(dir, "."), r = 0;

	if (copy < 0)
		return 0;
	stream = fdopendir(copy);
	if (!stream)
		(void)close(copy); /* it was only for reading */
	while (stream && r == 0 && depth < MAX_DEPTH && (entry = readdir(stream))) {
		_cleanup_fd_ int below = -EBADF;

		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0 || members->left == 0)
			continue;
		members->left--;
		below = open_cgroup(dir, entry->d_name);
		if (below < 0)
			continue;
		r = read_members(below, members);
		if (r == 0)
			r = read_members_below(below, depth + 1, members);
	}
	return r;
}

/*
 * A parent is older than its child, so that the oldest one's isn't among them. Where start times, which have
 * a resolution of 10 ms, are equal it's told by who is whose child, else the lower number.
 */
static bool is_older(const struct member *member, const struct member *than)
{
	if (!than || member->kin.start != than->kin.start)
		return !than || member->kin.start < than->kin.start;
	if (than->kin.parent == member->pid || member->kin.parent == than->pid)
		return than->kin.parent == member->pid;
	return member->pid < than->pid;
}

/* The oldest of those that may be it; NULL: any. */
static int take_oldest(const struct members *members, bool (*may_be)(pid_t pid), struct first *ret)
{
	const struct member *first = NULL;

	for (size_t n = 0; n < members->n; n++) {
		const struct member *member = &members->items[n];

		if (is_older(member, first) && (!may_be || may_be(member->pid)))
			first = member;
	}
	if (!first)
		return -ENOENT;
	*ret = (struct first){first->pid, first->kin.start};
	return 0;
}

int cgroup_first_process(const char *path, struct first *ret)
{
	_cleanup_(members_done) struct members members = {.left = MAX_DIRECTORIES};
	_cleanup_fd_ int dir = open_cgroup(AT_FDCWD, path);
	int r = dir < 0 ? dir : read_members(dir, &members);

	if (r == 0 && members.n == 0)
		r = read_members_below(dir, 0, &members);
	return r < 0 ? r : take_oldest(&members, NULL, ret);
}

/* Number 1, and of a pid namespace that isn't ours. */
static bool is_init(pid_t pid)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	_cleanup_fd_ int proc = -EBADF;

	return pid != 1 && proc_open(pid, &proc, NULL) == 0 &&
	       proc_read_status(proc, &status) == 0 && status.inside == 1;
}

int cgroup_first_init(const char *path, struct first *ret)
{
	_cleanup_(members_done) struct members members = {.left = MAX_DIRECTORIES};
	_cleanup_fd_ int dir = open_cgroup(AT_FDCWD, path);
	int r = dir < 0 ? dir : read_members(dir, &members);

	if (r == 0)
		r = read_members_below(dir, 0, &members);
	return r < 0 ? r : take_oldest(&members, is_init, ret);
}

/* Is it a child of `parent`, elsewhere? All through one fd: it's about one process. */
static bool is_child_inside(pid_t pid, pid_t parent, uint64_t parent_ns, struct first *ret)
{
	_cleanup_fd_ int proc = -EBADF;
	struct kin kin;
	uint64_t ns;

	if (proc_open(pid, &proc, NULL) < 0 || kin_read(proc, &kin) < 0 || kin.ended ||
	    kin.parent != parent || namespace_read(proc, NAMESPACE_PID, &ns) < 0 || ns == parent_ns)
		return false;
	*ret = (struct first){pid, kin.start};
	return true;
}

int first_child_inside(pid_t parent, struct first *ret)
{
	_cleanup_free_ pid_t *children = NULL;
	_cleanup_fd_ int proc = -EBADF;
	size_t n = 0;
	uint64_t ns;
	int r = proc_open(parent, &proc, NULL);

	if (r == 0)
		r = namespace_read(proc, NAMESPACE_PID, &ns);
	if (r == 0)
		r = kin_children(parent, &children, &n);
	if (r < 0)
		return r == -ESRCH ? -ENOENT : r;
	for (size_t i = 0; i < n; i++)
		if (is_child_inside(children[i], parent, ns, ret))
			return 0;
	return -ENOENT;
}
