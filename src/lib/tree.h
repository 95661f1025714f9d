/* SPDX-License-Identifier: MIT
 *
 * All that a command has started, as far as it can be found: who lives in cgroups that were made for it, and who is in
 * its session. One that has left both stays. Nothing here allocates: a watchdog calls it, too.
 */
#pragma once

#include "lib/own_cgroup.h"
#include "sys/session.h"

struct tree {
	struct own_cgroups *own;
	struct session_leader leader; /* the command; its number 0: there is none yet */
	int pidfd;		      /* the command's, or -EBADF */
};

/* Does anybody of it live? 1, 0; -errno: it can't be told. A zombie doesn't. */
int tree_lives(const struct tree *tree);

/* Sends SIGKILL until nobody is left, for two seconds, and in v1 a second more for each cgroup. Whoever can't or may not be killed isn't. */
void tree_kill(const struct tree *tree);
