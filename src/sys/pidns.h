/* SPDX-License-Identifier: MIT
 *
 * Pid namespaces: which numbers a process has, from ours down to its own, and which processes have a
 * number in a given namespace. pid_namespaces(7)
 * Not here: trees of processes (lib/pids.c).
 *
 * Numbers are told for processes, not for threads. "Host" is our own pid namespace, to which the
 * namespace that is asked about belongs or of which it is a descendant.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/error.h>

enum {
	PIDNS_LEVELS = 33
}; /* include/linux/pid_namespace.h, MAX_PID_NS_LEVEL, and the initial one */

/*
 * What /proc/PID/status tells of a process's numbers, with what a list shows of it. It's one read of
 * one file through a directory fd of the process, so that all of it is about the same one.
 */
struct pid_status {
	char name[64];	 /* the bytes as they are */
	char state;	 /* R S D T t Z X I */
	bool has_memory; /* false: a kernel thread, or a zombie; it has no command line */
	pid_t tgid;	 /* another number than the first level: it's a thread */
	pid_t parent;	 /* 0: outside of our namespace */
	pid_t levels[PIDNS_LEVELS]; /* NSpid: ours first, its own last */
	size_t n_levels;
};

/* EBADMSG: not a status file with NSpid (4.1). */
int pid_status_parse(const char *text, struct pid_status *ret);

/* ESRCH: the process has ended and was reaped, or is about to be. */
int pid_status_read(int proc, struct pid_status *ret);

/*
 * The command line's bytes, at most `size`, in one read(2), so that nothing is put together from two
 * command lines. Returns how many. Text in memory of files the kernel doesn't tell since 4.17: a FUSE
 * server could hold us there for ever (CVE-2018-1120).
 */
ssize_t pid_command_read(int proc, char *buf, size_t size);

/* The number of the parent process, of field 4 of stat, by PID: what is the cheapest to ask. */
int pid_parent_read(pid_t pid, pid_t *ret);

/*
 * Can a procfs of an open pid namespace be made by who isn't in it? Its option pidns=, 6.18; proc(5). No
 * right to mount anything is a no, too.
 */
bool pidns_can_mount_proc(int fd);

/* A pid namespace, held so that its inode number can't become another's. */
struct pidns {
	int fd;	      /* -EBADF: it's our own */
	size_t depth; /* where its numbers are in pid_status.levels; 0 for our own */
	uint64_t device, inode;
	bool asks; /* the kernel answers NS_GET_PID_IN_PIDNS and its like: 6.11 */
};

#define PIDNS_INIT {.fd = -EBADF}

/*
 * The one that process `pid` is in, by its open /proc/PID.
 *
 *	ESRCH	it has ended
 *	EACCES	no right to look; our own can be opened all the same
 */
int pidns_open(pid_t pid, int proc, struct pidns *ret, struct cj_error *err);
void pidns_done(struct pidns *ns);

/*
 * Has the process a number in the namespace, being in it or in one nested in it? 1 or 0. The kernel
 * is asked by number where it answers, so it's about the process behind `proc` only if a read through
 * `proc` succeeds *after* it: then it had the number all the while. `proc` of -EBADF: whoever has the
 * number, and 1 where the kernel doesn't answer.
 *
 *	EACCES	it doesn't answer, and there is no right to look at the process's namespaces
 *	ESRCH	the process has ended
 */
int pidns_holds(const struct pidns *ns, pid_t pid, int proc);

/*
 * One number into the other, at once: the process that has it when the kernel looks.
 *
 *	ESRCH		nobody has it, or a thread
 *	EOPNOTSUPP	the kernel doesn't answer: all processes are to be looked at
 */
int pidns_to_host(const struct pidns *ns, pid_t inside, pid_t *ret);
int pidns_to_inside(const struct pidns *ns, pid_t host, pid_t *ret);
