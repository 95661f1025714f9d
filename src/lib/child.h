/* SPDX-License-Identifier: MIT
 *
 * What is behind the public struct cj_child.
 */
#pragma once

#include <sys/resource.h>

#include <conjoin/child.h>

#include "lib/own_cgroup.h"
#include "lib/watchdog.h"

struct cj_child {
	pid_t pid;
	int pidfd;
	int life;	/* our end of the life pipe; open as long as the command may live */
	int life_r;	/* the other one, for a watchdog */
	int watchdog;	/* its pidfd; -EBADF: none */
	uint64_t start; /* field 22 of stat; 0: not read */
	struct watch_board *board; /* shared with a watchdog from the start; NULL */
	uint64_t pending;	   /* SIGNAL_BITs: came while it was started, to be sent on */
	bool detached;		   /* it goes on without us */
	bool given_up;		   /* it was killed, and the kernel can't end it yet */
	bool inherited;		   /* not our child, but that of who gave it to us */
	bool ended;
	struct cj_exit end;
	struct rusage usage; /* when it has ended */
	struct own_cgroups own;

	/* Of cj_spawn(). */
	struct cj_spawner *spawner;   /* NULL: not so */
	struct spawn_slot *slot;      /* what `own` lists, the spawner's; NULL */
	struct session_leader *place; /* in its watchdog's roll; NULL */
};

/*
 * Has it ended? 1 and its end is taken, 0 not yet (with WNOHANG). The pidfd of a process that somebody
 * inside traces is readable while that tracer still keeps its end from us.
 */
int child_poll_end(struct cj_child *child, int options, struct cj_error *err);

/* Reads child->start, while it's ours and nobody has waited for it. */
void child_read_start(struct cj_child *child);

/*
 * All that the command started, as far as it can be found: who lives in cgroups that were made for it, and who is in
 * its session. Sends SIGKILL until nobody is left, two seconds at most.
 */
void child_kill_tree(struct cj_child *child);
/* Does anybody of it live? 1, 0, -errno */
int child_tree_lives(struct cj_child *child);
/* Sends a signal to those of its session. */
void child_signal_session(const struct cj_child *child, int signal);
