/* SPDX-License-Identifier: MIT */
#include "lib/watchdog.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/terminal.h"
#include "lib/child.h"
#include "lib/tree.h"
#include "sys/proc.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"

enum { KEPT_MAX = 32 };

/* The caller's pipes must end when the caller ends them. */
static void close_others(const struct watch *watch)
{
	int fds[KEPT_MAX] = {watch->life, watch->supervisor, watch->pidfd, watch->terminal};
	size_t n = 4;

	for (size_t i = 0; i < watch->own.n && n < KEPT_MAX; i++)
		fds[n++] = watch->own.list[i].base;
	sys_close_all_but_these(fds, n);
}

/*
 * The command. Its supervisor may have been killed before it could tell: then it's whoever has the number that the kernel has
 * told, and began after us; all other numbers come before that one is given again.
 */
static struct session_leader find_leader(const struct watch *watch)
{
	pid_t command = __atomic_load_n(&watch->board->command, __ATOMIC_ACQUIRE);
	struct session_leader leader = {command, watch->board->start};
	uint64_t ours;

	if (command > 0 || !watch->child)
		return leader;
	leader.pid = __atomic_load_n(watch->child, __ATOMIC_ACQUIRE);
	if (leader.pid > 0 &&
	    (proc_start_time_of(getpid(), &ours) < 0 ||
	     proc_start_time_of(leader.pid, &leader.start) < 0 || leader.start < ours))
		leader.pid = 0;
	return leader;
}

/* Opened, then looked at: it's the one. Before it leads a session it isn't found by that. */
static int open_leader(const struct session_leader *leader)
{
	int pidfd = leader->pid > 0 ? sys_pidfd_open(leader->pid, 0) : -EBADF;
	uint64_t start;

	if (pidfd >= 0 && (proc_start_time_of(leader->pid, &start) < 0 || start != leader->start))
		close_fd(&pidfd);
	return pidfd;
}

static void put_in_order(struct watch *watch)
{
	struct tree tree = {.own = &watch->own, .pidfd = watch->pidfd};

	/* Not raw: it's somebody else's by now, of a shell when the supervisor was stopped. */
	if (watch->terminal >= 0 && __atomic_load_n(&watch->board->guards, __ATOMIC_ACQUIRE) &&
	    terminal_is_raw(watch->terminal))
		(void)tcsetattr(watch->terminal, TCSANOW, &watch->board->before);
	tree.leader = find_leader(watch);
	if (tree.pidfd < 0)
		tree.pidfd = open_leader(&tree.leader);
	own_cgroups_reopen(&watch->own);
	tree_kill(&tree);
	own_cgroups_remove(&watch->own);
}

/* Every signal is blocked, as process_spawn() leaves them: only SIGKILL ends us. */
static _Noreturn void run(struct watch *watch)
{
	struct pollfd ends[2] = {{.fd = watch->life, .events = 0},
				 {.fd = watch->supervisor, .events = POLLIN}};

	(void)setsid(); /* the caller's job control isn't about us */
	(void)sys_prctl(PR_SET_NAME, (unsigned long)"conjoin-watch", 0);
	(void)close(watch->life_w); /* held here as well the pipe would never end */
	close_others(watch);
	for (;;) {
		if (poll(ends, 2, -1) < 0)
			continue; /* EINTR, after a stop */
		put_in_order(watch);
		_exit(0);
	}
}

int watchdog_spawn(const struct watch *watch)
{
	_cleanup_fd_ int supervisor = sys_pidfd_open(getpid(), 0);
	struct watch own = *watch;
	int pidfd = -EBADF;
	pid_t pid;

	if (supervisor < 0)
		return supervisor;
	own.supervisor = supervisor;
	pid = process_spawn(-1, &pidfd);
	if (pid == 0)
		run(&own);
	return pid < 0 ? (int)pid : pidfd;
}

int watchdog_start(struct cj_child *child, struct cj_error *err)
{
	struct watch_board board = {.command = child->pid};
	struct watch watch = {
		.life = child->life_r,
		.life_w = child->life,
		.pidfd = child->pidfd,
		.board = &board,
		.own = child->own,
		.terminal = -EBADF,
	};
	int r;

	if (child->watchdog >= 0 || child->ended)
		return 0;
	child_read_start(child);
	board.start = child->start;
	r = watchdog_spawn(&watch);
	if (r < 0)
		return cj_fail(err, -r, "make the watchdog process");
	child->watchdog = r;
	return 0;
}
