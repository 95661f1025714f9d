/* SPDX-License-Identifier: MIT
 *
 * A pair of terminals in somebody's devpts: pty(7), ioctl_tty(2).
 */
#pragma once

/*
 * Makes one in the devpts whose ptmx is at `path` beneath `root`, in a process of its own, which is killed if it hasn't
 * answered within `ms` milliseconds. Both fds are close-on-exec; the slave is opened by TIOCGPTPEER, never by its
 * path, which is the container's to make up.
 *
 *	ENOENT	there is no devpts
 *	ENOTSUP	what is there isn't one
 *	ETIMEDOUT	the file system doesn't answer
 */
int pty_open_beneath(int root, const char *path, int ms, int *ret_master, int *ret_slave);

/* The same in ours. */
int pty_open_own(int *ret_master, int *ret_slave);
