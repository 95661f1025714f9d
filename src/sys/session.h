/* SPDX-License-Identifier: MIT
 *
 * The processes of a session, setsid(2), all over the machine. Everything here is async-signal-safe and
 * without memory of its own: for processes that were made from a caller with threads.
 * Not here: a cgroup's (lib/own_cgroup.h), which nobody leaves by setsid(2).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Who began it. Its number stays the session's as long as the leader wasn't waited for or somebody is in it;
 * `start` tells whether who has that number now is still the leader. 0: that is unknown, and nobody is signalled.
 */
struct session_leader {
	pid_t pid;
	uint64_t start; /* field 22 of stat */
};

/*
 * Sends a signal (0: none) to each process of the session, the leader too: found by number, opened, looked at
 * again, and signalled by the pidfd. How many live were found; those that are made meanwhile may be missed: call it until
 * there is none. -errno if /proc can't be read; EACCES, EPERM: one of them may not be signalled.
 */
int session_signal(const struct session_leader *leader, int signal);

/*
 * The same for those of one process group of the session. By the pidfd of the group's leader, once that is seen to be in
 * the session (6.9), since a group is in one session alone; else one by one.
 */
int session_signal_group(const struct session_leader *leader, pid_t group, int signal);

/* SIGSTOP to each, until none is left that runs: a hundred times at most. */
void session_stop(const struct session_leader *leader);

/* Of the leader alone. The first one allocates. */
bool session_leader_handles(const struct session_leader *leader, int signal);
bool session_leader_is_stopped(const struct session_leader *leader);
