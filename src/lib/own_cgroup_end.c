/* SPDX-License-Identifier: MIT
 *
 * Who lives in a command's cgroups, killing them, removing them. Nothing here allocates: a watchdog calls
 * it, which may have been made from a caller with threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/io.h"
#include "lib/own_cgroup.h"
#include "sys/cgroup_below.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

enum { REMOVE_MS = 500, KILL_MS = 1000, FREEZE_MS = 100, MOVE_MS = 200, SETTLE_MS = 20 };

/* One of theirs: our own, or one that was made below it. */
static bool is_name_at(const char *at, size_t length)
{
	return at[-1] == '/' && (at[length] == '\n' || at[length] == '/' || !at[length]);
}

/*
 * "…/NAME" in a line of /proc/PID/cgroup. The name holds our handle: nobody else's is the same. How long the
 * lines are is up to whoever makes cgroups below: read piece by piece, the last bytes of one once more
 * before the next.
 */
static bool says(int dir, const char *file, const char *name)
{
	_cleanup_fd_ int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	size_t length = strlen(name), kept = 0;
	char text[2048];
	ssize_t n;

	while (fd >= 0 && (n = io_read(fd, text + kept, sizeof(text) - 1 - kept)) > 0) {
		size_t size = kept + (size_t)n;

		text[size] = '\0';
		for (const char *at = text; (at = strstr(at, name)); at += length)
			if (at > text && is_name_at(at, length) && at[length])
				return true;
		kept = size < length + 2 ? size : length + 2;
		memmove(text, text + size - kept, kept);
	}
	return false;
}

/* Of a process whose first thread has ended v1 says that it's in the root. So one of the others is asked. */
static bool is_in(pid_t pid, const char *name)
{
	_cleanup_fd_ int proc = -EBADF, tasks = -EBADF;
	char buf[256] __attribute__((aligned(8))), file[64];
	int n;

	if (proc_open(pid, &proc, NULL) < 0)
		return false;
	if (says(proc, "cgroup", name))
		return true;
	tasks = openat(proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	n = tasks < 0 ? 0 : sys_getdents(tasks, buf, sizeof(buf));
	for (int at = 0; at < n;) {
		const struct directory_entry *entry = (const void *)(buf + at);

		at += entry->length;
		(void)format_safe(file, sizeof(file), "%s/cgroup", entry->name);
		if (entry->name[0] != '.' && says(tasks, file, name))
			return true;
	}
	return false;
}

/* Opened first and then looked at once more: so it's one that is in there, whoever had the number. */
static bool kill_if_in(const struct own_cgroup *own, pid_t pid)
{
	_cleanup_fd_ int pidfd = sys_pidfd_open(pid, 0);

	if (pidfd >= 0 && is_in(pid, own->name))
		(void)sys_pidfd_send_signal(pidfd, SIGKILL);
	return true; /* there was one, who may have forked */
}

typedef bool each_function(const struct own_cgroup *own, pid_t pid);

/* What is done with each process that is listed, and for how many it said true. */
struct each {
	const struct own_cgroup *own;
	each_function *function;
	int count;
};

static int do_each(int dir, void *data)
{
	_cleanup_fd_ int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	struct each *each = data;
	char buf[2048];
	pid_t pid = 0;
	ssize_t n;

	while (fd >= 0 && (n = io_read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				pid = pid * 10 + (buf[i] - '0');
				continue;
			}
			each->count += pid > 0 && each->function(each->own, pid);
			pid = 0;
		}
	return 0;
}

static int kill_all_listed(const struct own_cgroup *own)
{
	struct each killing = {own, kill_if_in, 0};

	(void)cgroup_visit_below(own->base, own->name, do_each, &killing);
	return killing.count;
}

static bool write_file(const struct own_cgroup *own, const char *file, const char *text)
{
	char path[128];

	(void)format_safe(path, sizeof(path), "%s/%s", own->name, file);
	return proc_write(own->base, path, text) == 0;
}

static bool is_frozen(const struct own_cgroup *own)
{
	char path[128], text[16];

	(void)format_safe(path, sizeof(path), "%s/freezer.state", own->name);
	return proc_read_small(own->base, path, text, sizeof(text)) > 0 &&
	       strncmp(text, "FROZEN", 6) == 0;
}

/*
 * Frozen they can't fork. In v1 one that sits in an uninterruptible call won't freeze, and doesn't fork
 * either. freezer(7), cgroup-v1/freezer-subsystem; cgroup.freeze has been there since 5.2
 */
static bool freeze(const struct own_cgroup *own)
{
	if (!own->tree) /* whose limits are ours to set: nobody is born there any more */
		(void)write_file(own, "pids.max", "0");
	return write_file(own, own->freezes ? "freezer.state" : "cgroup.freeze",
			  own->freezes ? "FROZEN" : "1");
}

/* In v2 nobody forks any more by then. */
static void await_frozen(const struct own_cgroup *own)
{
	for (int i = 0; i < FREEZE_MS && own->freezes && !is_frozen(own); i++)
		(void)poll(NULL, 0, 1);
}

/* In v1 SIGKILL takes effect then. Those below may have been frozen by who lives there. */
static int thaw(int dir, void *data)
{
	const struct own_cgroup *own = data;

	(void)proc_write(dir, own->freezes ? "freezer.state" : "cgroup.freeze",
			 own->freezes ? "THAWED" : "0");
	return 0;
}

/* Those that fork meanwhile, where there is nothing to freeze them by, are found in the next round. */
static void kill_each(struct own_cgroup *own)
{
	int64_t end = clock_ms() + KILL_MS;

	for (int i = 0; clock_ms() < end; i++) {
		int n;

		if (freeze(own))
			await_frozen(own);
		n = kill_all_listed(own);
		(void)cgroup_visit_below(own->base, own->name, thaw, own);
		if (n == 0)
			break;
		(void)poll(NULL, 0, i > 2); /* to be gone */
	}
}

/* Who isn't frozen yet may fork: that one is for the next call. */
static void kill_once(struct own_cgroup *own)
{
	(void)freeze(own);
	(void)kill_all_listed(own);
	(void)cgroup_visit_below(own->base, own->name, thaw, own);
}

/* Those first in which nobody forks meanwhile: mostly they leave nobody to the others. */
static void kill_by(struct own_cgroups *own, void (*kill_listed)(struct own_cgroup *own))
{
	own->killed = true;
	for (int freezes = 1; freezes >= 0; freezes--)
		for (size_t i = 0; i < own->n; i++) {
			struct own_cgroup *one = &own->list[i];

			if (one->name && one->freezes == (freezes == 1) &&
			    !write_file(one, "cgroup.kill", "1"))
				kill_listed(one);
		}
}

void own_cgroups_kill(struct own_cgroups *own)
{
	kill_by(own, kill_each);
}

void own_cgroups_kill_once(struct own_cgroups *own)
{
	kill_by(own, kill_once);
}

/* v1 has a list, in which who ended and wasn't waited for is missing. */
static int has_processes(int dir, void *data)
{
	char text[64];
	ssize_t n = proc_read_small(dir, "cgroup.procs", text, sizeof(text));

	(void)data;
	return n == -ENODEV || n == -ENOENT ? 0 : n == -EFBIG ? 1 : n < 0 ? (int)n : n > 0;
}

/* v2 tells by itself, with those below it. */
static int is_populated(int base, const char *name)
{
	char path[160], text[256];
	ssize_t n;
	int r;

	(void)format_safe(path, sizeof(path), "%s/cgroup.events", name);
	n = proc_read_small(base, path, text, sizeof(text));
	if (n >= 0)
		return strstr(text, "populated 1") != NULL;
	r = n == -ENODEV ? 0 : cgroup_visit_below(base, name, has_processes, NULL);
	return r == -ENOENT || r == -ENODEV ? 0 : r;
}

int own_cgroups_populated(const struct own_cgroups *own)
{
	int r = 0;

	for (size_t i = 0; i < own->n && r == 0; i++)
		if (own->list[i].name)
			r = is_populated(own->list[i].base, own->list[i].name);
	return r;
}

/* What was made below it goes with it, unless somebody lives there. */
int own_cgroup_remove(int base, const char *name, int64_t end)
{
	int r;

	if (unlinkat(base, name, AT_REMOVEDIR) == 0) /* the common case */
		return 0;
	r = is_populated(base, name);
	return r == 0 ? cgroup_remove_below(base, name, end) : r < 0 ? r : -EBUSY;
}

/*
 * cgroupfs knows processes by number alone. It's open and in there, so the number is its own until somebody waits for it;
 * in these two calls nobody else can have got it, all other numbers come first. pid_namespaces(7), alloc_pid()
 */
static bool move_up(const struct own_cgroup *own, pid_t pid)
{
	_cleanup_fd_ int pidfd = sys_pidfd_open(pid, 0);
	char text[16];

	(void)format_safe(text, sizeof(text), "%d", pid);
	return pidfd >= 0 && is_in(pid, own->name) && sys_pidfd_send_signal(pidfd, 0) == 0 &&
	       proc_write(own->base, "cgroup.procs", text) == 0;
}

/* Those that fork meanwhile are found in the next round; who has a cgroup below this one keeps that. */
static void move_survivors(const struct own_cgroup *own)
{
	_cleanup_fd_ int dir =
		openat(own->base, own->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int64_t end = clock_ms() + MOVE_MS;
	struct each moving = {own, move_up, 0};

	if (dir < 0)
		return;
	do {
		moving.count = 0;
		(void)do_each(dir, &moving);
	} while (moving.count > 0 && clock_ms() < end);
}

/* Who lives there goes, one way or the other. */
static void clear_out(struct own_cgroups *all, const struct own_cgroup *own)
{
	if (all->killed) /* came after the rest was killed */
		own_cgroups_kill(all);
	else
		move_survivors(own);
}

/*
 * A process that was waited for can still count for a moment (its css is released later), so EBUSY
 * isn't yet the answer that somebody lives in there.
 */
static void remove_one(struct own_cgroups *all, const struct own_cgroup *own)
{
	int64_t end = clock_ms() + REMOVE_MS;
	bool moved = false;

	while (own->name && own_cgroup_remove(own->base, own->name, end) == -EBUSY) {
		bool lives = is_populated(own->base, own->name) != 0;

		if (lives && !all->killed && (moved || !own->tree))
			return; /* survivors stay, and it with them */
		if (clock_ms() > end)
			break;
		if (lives)
			clear_out(all, own);
		moved |= lives;
		(void)poll(NULL, 0, 1);
	}
	if (own->base_path)
		(void)rmdir(
			own->base_path); /* ENOTEMPTY or EBUSY: other commands have theirs in it */
}

void own_cgroups_remove(struct own_cgroups *own)
{
	for (size_t i = 0; i < own->n; i++)
		if (own->list[i].base >= 0)
			remove_one(own, &own->list[i]);
}

/* Its time is short: a command may have made more of them below than can be removed in one call. */
static bool is_gone(const struct own_cgroup *own)
{
	int r = own_cgroup_remove(own->base, own->name, clock_ms() + SETTLE_MS);

	return r != -EBUSY && r != -ETIMEDOUT;
}

bool own_cgroups_settle(struct own_cgroups *own)
{
	bool all = true;

	for (size_t i = 0; i < own->n; i++) {
		struct own_cgroup *one = &own->list[i];

		if (!one->name)
			continue;
		if (!is_gone(one)) {
			all = false;
			continue;
		}
		if (one->base_path)
			(void)rmdir(one->base_path); /* others have theirs in it */
		free(one->name);
		one->name = NULL;
	}
	return all;
}

void own_cgroups_vacate(struct own_cgroups *own)
{
	for (size_t i = 0; i < own->n; i++)
		if (own->list[i].name && is_populated(own->list[i].base, own->list[i].name) > 0)
			clear_out(own, &own->list[i]);
}

void own_cgroups_reopen(struct own_cgroups *own)
{
	for (size_t i = 0; i < own->n; i++) {
		struct own_cgroup *one = &own->list[i];
		int base = one->base_path ? cgroup_open(one->base_path) : -EBADF;

		if (base < 0)
			continue;
		close_fd(&one->base);
		one->base = base;
	}
}

void own_cgroups_done(struct own_cgroups *own)
{
	own_cgroups_remove(own);
	for (size_t i = 0; i < own->n; i++) {
		close_fd(&own->list[i].base);
		free(own->list[i].name);
		free(own->list[i].base_path);
	}
	free(own->list);
	*own = (struct own_cgroups)OWN_CGROUPS_INIT;
}
