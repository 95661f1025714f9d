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

/*
 * Kills what was spawned and waits for it, at most two seconds: one that sits in an uninterruptible
 * call or in a frozen cgroup stays, and would keep us with it. Closes the pidfd. Takes -EBADF.
 */
void process_end(int *pidfd);
