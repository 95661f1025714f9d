/* SPDX-License-Identifier: MIT
 *
 * What is behind the public struct cj_child.
 */
#pragma once

#include <conjoin/child.h>

#include "lib/own_cgroup.h"

struct cj_child {
	pid_t pid;
	int pidfd;
	int life;	  /* our end of the life pipe; open as long as the command may live */
	int life_r;	  /* the other one, for a watchdog */
	int watchdog;	  /* its pidfd; -EBADF: none */
	uint64_t pending; /* SIGNAL_BITs: came while it was started, to be sent on */
	bool detached;	  /* it goes on without us */
	bool ended;
	struct cj_exit end;
	struct own_cgroups own;
};

/*
 * Has it ended? 1 and its end is taken, 0 not yet (with WNOHANG). The pidfd of a process that somebody
 * inside traces is readable while that tracer still keeps its end from us.
 */
int child_poll_end(struct cj_child *child, int options, struct cj_error *err);
