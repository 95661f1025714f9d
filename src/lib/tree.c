/* SPDX-License-Identifier: MIT */
#include "lib/tree.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "base/io.h"
#include "sys/syscalls.h"

enum { KILL_MS = 2000 };

/* Who has moved itself out of the cgroup may still be in the session. */
int tree_lives(const struct tree *tree)
{
	int r = own_cgroups_populated(tree->own);

	if (r > 0 || tree->leader.pid <= 0)
		return r;
	r = session_signal(&tree->leader, 0);
	return r < 0 ? r : r > 0;
}

void tree_kill(const struct tree *tree)
{
	int64_t end = clock_ms() + KILL_MS;
	int lives;

	do {
		own_cgroups_kill(tree->own);
		if (tree->leader.pid > 0) /* session 0 is the kernel's */
			(void)session_signal(&tree->leader, SIGKILL);
		if (tree->pidfd >= 0)
			(void)sys_pidfd_send_signal(tree->pidfd, SIGKILL);
		(void)poll(NULL, 0, 1);
		lives = tree_lives(tree);
	} while ((lives > 0 || lives == -ELOOP || lives == -ETIMEDOUT) && clock_ms() < end);
}
