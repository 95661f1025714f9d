/* SPDX-License-Identifier: MIT */
#include "sys/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "sys/proc.h"

#define KERNEL_THREAD 0x00200000 /* include/linux/sched.h, PF_KTHREAD */

/* A path may have PATH_MAX bytes, and hierarchies of v1 are a dozen. */
enum { CGROUP_ROOM = 64 << 10, STAT_ROOM = 2048 };

struct scan {
	struct proc_list *list;
	int root; /* /proc */
	int proc; /* /proc/PID of the last one */
	char cgroup[CGROUP_ROOM];
};

int scan_new(struct scan **ret, struct cj_error *err)
{
	struct scan *scan;
	int r = proc_check_own(err);

	if (r < 0)
		return r;
	scan = malloc(sizeof(*scan));
	if (!scan)
		return cj_fail(err, ENOMEM, "list processes");
	scan->proc = -EBADF;
	scan->list = NULL;
	scan->root = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = scan->root < 0 ? cj_fail(err, errno, "open /proc") : proc_list_new(&scan->list, err);
	if (r < 0) {
		scan_free(scan);
		return r;
	}
	*ret = scan;
	return 0;
}

void scan_free(struct scan *scan)
{
	if (!scan)
		return;
	proc_list_free(scan->list);
	close_fd(&scan->proc);
	close_fd(&scan->root);
	free(scan);
}

struct fields {
	char state;
	bool kernel_thread;
	uint64_t threads; /* a zombie of 1 has no other that lives */
	pid_t parent;
	uint64_t start;
};

/* One pass over "PID (NAME) STATE PARENT …": this is read of every process. proc(5) */
static int parse_stat(const char *text, struct fields *ret)
{
	enum { STATE = 3, PARENT, FLAGS = 9, THREADS = 20, START = 22 };
	/* The name may hold blanks and parentheses: the last one closes it. */
	const char *at = strrchr(text, ')');
	struct fields fields = {.state = 0};

	if (!at || at[1] != ' ' || !at[2])
		return -EBADMSG;
	fields.state = at[2];
	at += 3;
	for (int field = PARENT; field <= START; field++) {
		uint64_t n = 0;

		if (*at++ != ' ')
			return -EBADMSG;
		at += *at == '-';
		for (; *at >= '0' && *at <= '9'; at++)
			n = 10 * n + (uint64_t)(*at - '0');
		if (field == PARENT)
			fields.parent = (pid_t)n;
		else if (field == FLAGS)
			fields.kernel_thread = n & KERNEL_THREAD;
		else if (field == THREADS)
			fields.threads = n;
		else if (field == START)
			fields.start = n;
	}
	*ret = fields;
	return 0;
}

static int read_fields(int proc, struct fields *ret)
{
	char text[STAT_ROOM];
	ssize_t n = proc_read_small(proc, "stat", text, sizeof(text));

	return n < 0 ? (int)n : parse_stat(text, ret);
}

static bool has_ended(const struct fields *fields)
{
	return fields->state == 'X' || (fields->state == 'Z' && fields->threads <= 1);
}

/* The kernel says EACCES, too, of one that has just ended: proc_ns_readlink() in fs/proc/namespaces.c. */
static bool is_alive(int proc)
{
	struct fields fields;

	return read_fields(proc, &fields) == 0 && !has_ended(&fields);
}

/*
 * 1: a process; 0: none, or one to be left out. A main thread that has ended before others has no
 * namespaces any more, so those of such a process can't be told.
 */
static int look_at(struct scan *scan, struct scan_process *process)
{
	struct fields fields;
	ssize_t n;
	int kind, r;

	if (read_fields(scan->proc, &fields) < 0 || fields.kernel_thread || has_ended(&fields))
		return 0;
	process->parent = fields.parent;
	process->start = fields.start;
	r = namespaces_read(scan->proc, &process->namespaces, &kind);
	if (r == 0 && !process->namespaces.inode[NAMESPACE_MNT])
		r = -ENOENT;
	if (r == 0) {
		n = proc_read_small(scan->proc, "cgroup", scan->cgroup, sizeof(scan->cgroup));
		if (n >= 0) {
			process->cgroup = scan->cgroup;
			process->cgroup_size = (size_t)n;
			return 1;
		}
		r = n == -ENOENT ? 0 : (int)n; /* a kernel without cgroups */
		if (r == 0) {
			process->cgroup = "";
			return 1;
		}
	}
	if (r == -ESRCH || !is_alive(scan->proc))
		return 0;
	process->unread = -r;
	return 1;
}

int scan_next(struct scan *scan, struct scan_process *ret)
{
	pid_t pid;

	while ((pid = proc_list_next(scan->list))) {
		struct scan_process process = {.pid = pid};
		char name[16];

		(void)format_safe(name, sizeof(name), "%d", pid);
		close_fd(&scan->proc);
		scan->proc = openat(scan->root, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (scan->proc >= 0 && look_at(scan, &process)) {
			*ret = process;
			return 1;
		}
	}
	return 0;
}

int scan_inside(const struct scan *scan, pid_t *ret)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	int r = proc_read_status(scan->proc, &status);

	if (r < 0)
		return r;
	*ret = status.inside;
	return 0;
}

int scan_directory(const struct scan *scan)
{
	return scan->proc;
}
