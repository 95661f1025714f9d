/* SPDX-License-Identifier: MIT */
#include "sys/container_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "sys/beneath.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"
#include "sys/user_mounts.h"

/* KILLED_MS: for a user's helper to be gone, which may sit in FUSE for as long as the user likes. */
enum { DEADLINE_MS = 2000, KILLED_MS = 50, ENTRIES_MAX = 1000 };

/* What a helper is to do: look for files, or without `queries` read one. */
struct task {
	int root;
	const char *path; /* or the root beneath the root, for queries */
	const struct file_query *queries;
	size_t n;
	const struct file_reader *reader; /* NULL: with the caller's rights */
	int64_t deadline;		  /* of clock_ms(); 0: none */
	struct user_mounts mounts;	  /* to go without */
};

/* What the helper writes first; the content follows. */
struct answer {
	int code; /* 0 or errno */
};

/*
 * What a user's files are read with: that user's rights, and no capability whatever our securebits are.
 * The user must not look into what is a copy of the caller: what setresuid(2) makes of the dumpable
 * attribute is up to a sysctl.
 */
static int take_ids(const struct file_reader *reader)
{
	static const struct __user_cap_data_struct none[2];
	int r = sys_prctl(PR_SET_DUMPABLE, 0, 0);

	if (r == 0)
		r = sys_setgroups(0, NULL);
	if (r == 0)
		r = sys_setresgid(reader->gid, reader->gid, reader->gid);
	if (r == 0)
		r = sys_setresuid(reader->uid, reader->uid, reader->uid);
	if (r == 0)
		r = sys_prctl(PR_SET_DUMPABLE, 0, 0);
	return r < 0 ? r : sys_capset(none);
}

/*
 * On our own root what users have mounted is left, where there is something; `*root` is the root after that.
 * Without the right to, it's as it is: a helper that hangs.
 */
static int become(const struct task *task, int *root)
{
	if (task->mounts.n > 0 && user_mounts_leave(&task->mounts) == 0) {
		*root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (*root < 0)
			return -errno;
	}
	return take_ids(task->reader);
}

/* It may stay for long, where a file system doesn't answer: then it mustn't keep the caller's pipes open. */
static void let_go(const struct task *task, int out)
{
	int keep[] = {task->root, out};

	sys_close_all_but_these(keep, ELEMENTS(keep));
}

/* The helper, forked from a caller with perhaps many threads: async-signal-safe calls only. */
static void answer(const struct task *task, int out)
{
	struct answer head = {0};
	int root = task->root, fd;
	char buf[4096];
	ssize_t n;

	let_go(task, out);
	fd = task->reader ? become(task, &root) : 0;
	if (fd == 0)
		fd = beneath_open_file(root, task->path);
	head.code = fd < 0 ? -fd : 0;
	if (io_write_all(out, &head, sizeof(head)) == 0 && fd >= 0)
		while ((n = io_read(fd, buf, sizeof(buf))) > 0)
			if (io_write_all(out, buf, (size_t)n) < 0)
				break;
	_exit(0);
}

/* Reads until the end, `limit` or the deadline. */
static int collect(int fd, size_t limit, int64_t ms, struct bytes *ret)
{
	_cleanup_(bytes_done) struct bytes all = BYTES_INIT;
	int64_t end = clock_ms() + ms;

	all.data = malloc(limit + 1);
	if (!all.data)
		return -ENOMEM;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - clock_ms();
		int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
		ssize_t n;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready == 0)
			return -ETIMEDOUT;
		n = io_read(fd, all.data + all.size, limit + 1 - all.size);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		all.size += (size_t)n;
		if (all.size > limit)
			return -EFBIG;
	}
	all.data[all.size] = '\0';
	*ret = all;
	all = (struct bytes)BYTES_INIT;
	return 0;
}

static int take_answer(int fd, size_t limit, int64_t ms, struct bytes *ret)
{
	_cleanup_(bytes_done) struct bytes all = BYTES_INIT;
	struct answer head;
	int r = collect(fd, limit + sizeof(head), ms, &all);

	if (r < 0)
		return r;
	if (all.size < sizeof(head))
		return -EIO; /* the helper was killed */
	memcpy(&head, all.data, sizeof(head));
	if (head.code)
		return -head.code;
	all.size -= sizeof(head);
	memmove(all.data, all.data + sizeof(head), all.size + 1);
	*ret = all;
	all = (struct bytes)BYTES_INIT;
	return 0;
}

/* One that anybody may fill: counted no longer than it's few. */
bool directory_is_small(int place)
{
	_cleanup_fd_ int fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char buf[4096] __attribute__((aligned(8)));
	int entries = 0, n = fd < 0 ? -errno : 0;

	while (n >= 0 && entries <= ENTRIES_MAX && (n = sys_getdents(fd, buf, sizeof(buf))) > 0)
		for (int at = 0; at < n; entries++)
			at += ((const struct directory_entry *)(const void *)(buf + at))->length;
	return n == 0;
}

/* 1 or 0; -ENOSYS: can't be said here. */
static int is_there(int root, const struct file_query *query)
{
	int flags = query->wanted == FILE_DIRECTORY ? O_NOFOLLOW : 0;
	_cleanup_fd_ int fd = beneath_open_path(root, query->path, flags);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fd == -ENOSYS ? fd : 0;
	if (query->wanted == FILE_DIRECTORY)
		return S_ISDIR(st.st_mode) && directory_is_small(fd);
	return query->wanted == FILE_ANY ||
	       (S_ISREG(st.st_mode) &&
		(query->wanted == FILE_REGULAR || st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)));
}

/* The helper, as above. What it answers is the index. */
static void find(const struct task *task, int out)
{
	struct answer head = {.code = ENOENT};
	int root = task->root, r;
	size_t i = 0;

	let_go(task, out);
	r = task->reader ? become(task, &root) : 0;
	if (task->path && r == 0)
		root = beneath_open_path(root, task->path, O_DIRECTORY);
	for (; i < task->n && root >= 0 && r == 0; i++)
		r = is_there(root, &task->queries[i]);
	if (r != 0)
		head.code = r < 0 ? -r : 0;
	(void)io_write_all(out, &head, sizeof(head));
	if (r > 0) {
		i--;
		(void)io_write_all(out, &i, sizeof(i));
	}
	_exit(0);
}

static int64_t time_of(const struct task *task)
{
	int64_t ms = task->reader ? task->reader->ms : DEADLINE_MS, left;

	if (!task->deadline)
		return ms;
	left = task->deadline - clock_ms();
	return left < 0 ? 0 : left < ms ? left : ms;
}

/* Has it done by a process that can be killed: FUSE may never answer. */
static int ask_helper(const struct task *task, size_t limit, const char *what, struct bytes *ret,
		      struct cj_error *err)
{
	_cleanup_fd_ int in = -EBADF, out = -EBADF;
	_cleanup_(process_end) int helper = -EBADF;
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return cj_fail(err, errno, "make a pipe");
	in = fds[0];
	out = fds[1];
	pid = process_spawn(-1, &helper);
	if (pid == 0 && task->queries)
		find(task, out);
	if (pid == 0)
		answer(task, out);
	if (pid < 0)
		return cj_fail(err, -pid, "make a process to %s%s", what,
			       task->queries ? "" : task->path);
	close_fd(&out);
	r = take_answer(in, limit, time_of(task), ret);
	/*
	 * A FUSE server that has taken a request and keeps it makes who waits for it unkillable. Such a helper
	 * stays until that server ends.
	 */
	if (task->reader || task->deadline)
		process_end_within(&helper, KILLED_MS);
	return r;
}

/* Only of our own mount namespace is known what users have mounted. */
static bool is_own_root(int root)
{
	struct stat own, st;

	return stat("/", &own) == 0 && fstat(root, &st) == 0 && own.st_dev == st.st_dev &&
	       own.st_ino == st.st_ino;
}

static int ask_as_user(struct task *task, size_t limit, const char *what, struct bytes *ret,
		       struct cj_error *err)
{
	int r = is_own_root(task->root) ? user_mounts_read(&task->mounts) : 0;

	if (r < 0)
		return cj_fail(err, -r, "see what users have mounted");
	r = ask_helper(task, limit, what, ret, err);
	user_mounts_done(&task->mounts);
	return r;
}

static int find_files(struct task *task, size_t *ret, struct cj_error *err)
{
	_cleanup_(bytes_done) struct bytes index = BYTES_INIT;
	int r = task->reader ? ask_as_user(task, sizeof(*ret), "look for files", &index, err)
			     : ask_helper(task, sizeof(*ret), "look for files", &index, err);

	if (r == 0 && index.size != sizeof(*ret))
		r = -EIO; /* the helper was killed */
	if (r < 0)
		return cj_fail(err, -r, "look for files%s", task->reader ? "" : " of the target");
	memcpy(ret, index.data, sizeof(*ret));
	return 0;
}

int container_file_find(int root, const char *subroot, const struct file_query *queries, size_t n,
			int64_t deadline, size_t *ret, struct cj_error *err)
{
	struct task task = {.root = root,
			    .path = subroot,
			    .queries = queries,
			    .n = n,
			    .deadline = deadline};

	return find_files(&task, ret, err);
}

int container_file_find_as(int root, const struct file_query *queries, size_t n,
			   const struct file_reader *reader, size_t *ret, struct cj_error *err)
{
	struct task task = {.root = root, .queries = queries, .n = n, .reader = reader};

	return find_files(&task, ret, err);
}

int container_file_read(int root, const char *path, size_t limit, int64_t deadline,
			struct bytes *ret, struct cj_error *err)
{
	const struct task task = {.root = root, .path = path, .deadline = deadline};
	int r = ask_helper(&task, limit, "read ", ret, err);

	return r < 0 ? cj_fail(err, -r, "read %s of the target", path) : 0;
}

int container_file_read_as(int root, const char *path, size_t limit,
			   const struct file_reader *reader, struct bytes *ret,
			   struct cj_error *err)
{
	struct task task = {.root = root, .path = path, .reader = reader};
	int r = ask_as_user(&task, limit, "read ", ret, err);

	return r < 0 ? cj_fail(err, -r, "read %s", path) : 0;
}
