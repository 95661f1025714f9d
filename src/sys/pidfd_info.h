/* SPDX-License-Identifier: MIT
 *
 * How a process ended that isn't ours to wait for.
 * Not here: children (waitid(2), lib/child.c).
 */
#pragma once

/*
 * Writes the wait status (see wait(2): WIFEXITED and its like) of a process whose pidfd has become
 * readable. Two places tell, in turn:
 *
 *	while it's a zombie	field 52 of /proc/PID/stat, to those who may trace it
 *	when it was reaped	PIDFD_GET_INFO of a pidfd that was opened before (6.15)
 *
 * `proc` is its /proc/PID, opened while it lived.
 *
 *	EAGAIN		not known yet: ask again when it has been reaped (POLLHUP, 6.15)
 *	ENODATA		nobody will tell
 */
int pidfd_exit_status(int pidfd, int proc, int *ret_status);
