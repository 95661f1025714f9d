/* SPDX-License-Identifier: MIT
 *
 * A new process as a copy of this one, with a pidfd from the first moment on.
 */
#pragma once

#include <sys/types.h>

/*
 * Like fork(2): returns 0 in the new process, its PID here, or -errno. `cgroup`, if not negative, is
 * the directory of a v2 cgroup that it is born in (CLONE_INTO_CGROUP, 5.7). It tells its end to
 * nobody but who waits with __WALL: a caller's own SIGCHLD handling isn't disturbed.
 *
 * The new process runs with every signal blocked and dispositions as they were. In a caller with
 * threads only async-signal-safe calls are allowed there.
 *
 *	ENOSYS, EPERM, EINVAL	with a cgroup: the kernel can't (or a filter of ours denies clone3):
 *				try without, and write to cgroup.procs
 *	EBUSY, EOPNOTSUPP	the cgroup takes no processes (cgroups(7), "no internal processes")
 */
pid_t process_spawn(int cgroup, int *ret_pidfd);

/* A program that a new process executes at once. */
struct spawn_program {
	int fd;		   /* of its file */
	char *const *argv; /* its environment is empty */
	const int *keep;   /* files that stay open, close-on-exec or not */
	size_t n_keep;
	volatile int failure; /* set by the new process: errno of an execveat that failed */
	char *stack;	      /* for it to run on until then, aligned to 16 bytes */
	size_t stack_size;
};

/*
 * As process_spawn(), but for a process that executes `program`. Until it does it shares the caller's
 * memory, so nothing is copied, however big the caller is; `program` must stay as long as that: until
 * the process has closed one of its close-on-exec files, or has ended. execveat(2)
 * Unlike that of a copy its end raises SIGCHLD: execve sets that.
 *
 *	ENOSYS	not on this architecture
 */
pid_t process_spawn_program(int cgroup, struct spawn_program *program, int *ret_pidfd);

/*
 * 0 while it is a child of ours that nobody has waited for, so that its number is nobody else's; -ECHILD
 * after. It needn't have been made here.
 */
int process_is_child(int pidfd);

/*
 * Kills what was spawned and waits for it, at most two seconds: one that sits in an uninterruptible
 * call or in a frozen cgroup stays, and would keep us with it. Closes the pidfd. Takes -EBADF.
 */
void process_end(int *pidfd);

/* The same with other patience. */
void process_end_within(int *pidfd, int ms);
