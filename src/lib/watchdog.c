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

/* Whoever has this number, if it began after us; all other numbers come before that one is given again. */
static struct session_leader leader_after_us(const pid_t *told)
{
	struct session_leader leader = {__atomic_load_n(told, __ATOMIC_ACQUIRE), 0};
	uint64_t ours;

	if (leader.pid > 0 &&
	    (proc_start_time_of(getpid(), &ours) < 0 ||
	     proc_start_time_of(leader.pid, &leader.start) < 0 || leader.start < ours))
		leader.pid = 0;
	return leader;
}

/* The command. Its supervisor may have been killed before it could tell: then the kernel has. */
static struct session_leader find_leader(const struct watch *watch)
{
	struct session_leader leader = {0, 0};

	if (watch->board) {
		leader.pid = __atomic_load_n(&watch->board->command, __ATOMIC_ACQUIRE);
		leader.start = watch->board->start;
	}
	return leader.pid > 0 || !watch->child ? leader : leader_after_us(watch->child);
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

static void kill_session(const struct session_leader *leader)
{
	struct own_cgroups none = OWN_CGROUPS_INIT;
	struct tree tree = {.own = &none, .leader = *leader};

	tree.pidfd = open_leader(leader);
	if (tree.pidfd >= 0 || leader->pid > 0)
		tree_kill(&tree);
	close_fd(&tree.pidfd);
}

/*
 * As above. If it has ended and was waited for, by whoever inherited it, its number is its session's still, and nobody else's
 * as long as somebody is in that.
 */
static struct session_leader leader_of_starting(const pid_t *told)
{
	struct session_leader leader = leader_after_us(told);
	pid_t pid = __atomic_load_n(told, __ATOMIC_ACQUIRE);
	uint64_t start;

	if (leader.pid == 0 && pid > 0 && proc_start_time_of(pid, &start) == -ESRCH &&
	    proc_start_time_of(getpid(), &leader.start) == 0)
		leader.pid = pid;
	return leader;
}

/* First all that have numbers, so that nobody gets away while the sessions of others are looked for. */
static void kill_roll(const struct watch_roll *roll)
{
	const struct session_leader starting = leader_of_starting(&roll->starting.pid);

	for (size_t i = 0; i < ROLL_PLACES; i++) {
		_cleanup_fd_ int pidfd = open_leader(&roll->places[i]);

		if (pidfd >= 0)
			(void)sys_pidfd_send_signal(pidfd, SIGKILL);
	}
	if (starting.pid > 0)
		kill_session(&starting);
	for (size_t i = 0; i < ROLL_PLACES; i++)
		if (roll->places[i].pid > 0)
			kill_session(&roll->places[i]);
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
	if (watch->roll) {
		kill_roll(watch->roll);
		own_cgroups_kill(&watch->own); /* who came in meanwhile */
	}
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
