/* SPDX-License-Identifier: MIT */
#include "lib/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "lib/spawner.h"
#include "lib/tree.h"
#include "sys/cgroup.h"
#include "sys/pidref.h"
#include "sys/proc.h"
#include "sys/session.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"

pid_t cj_child_pid(const struct cj_child *child)
{
	return child->pid;
}

pid_t cj_child_pid_inside(const struct cj_child *child)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	_cleanup_fd_ int proc = -EBADF;

	/* Unreaped, so the number is still its own. */
	if (child->ended || proc_open(child->pid, &proc, NULL) < 0 ||
	    proc_read_status(proc, &status) < 0)
		return 0;
	return status.inside;
}

int cj_child_handle(const struct cj_child *child, char *buf, size_t size)
{
	_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;
	int r = child->ended ? -ESRCH : pidref_open(child->pid, &ref, NULL);

	/* Opened by number: it's still the command's as long as nobody has waited for it. */
	if (r == 0)
		r = process_is_child(child->pidfd);
	return r < 0 ? r : (int)pidref_format(&ref, buf, size);
}

int cj_child_pidfd(const struct cj_child *child)
{
	return child->pidfd;
}

int cj_child_signal(struct cj_child *child, int signal)
{
	return child->ended ? -ESRCH : sys_pidfd_send_signal(child->pidfd, signal);
}

static void take_end(struct cj_child *child, const siginfo_t *info)
{
	bool exited = info->si_code == CLD_EXITED;

	child->ended = true;
	child->end = (struct cj_exit){
		.code = exited ? info->si_status : -1,
		.signal = exited ? 0 : info->si_status,
		.core = info->si_code == CLD_DUMPED,
	};
}

/* Who isn't its parent sees it end, and not how. */
static int see_end(struct cj_child *child, int timeout, struct cj_error *err)
{
	struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};
	int r;

	do
		r = poll(&ended, 1, timeout);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r < 0 ? cj_fail(err, errno, "wait for process %d", child->pid) : 0;
	child->ended = true;
	child->end = (struct cj_exit){.code = -1};
	return 1;
}

int child_poll_end(struct cj_child *child, int options, struct cj_error *err)
{
	siginfo_t info = {.si_pid = 0};
	struct rusage usage;
	int r;

	if (child->ended)
		return 1;
	if (child->inherited)
		return see_end(child, options & WNOHANG ? 0 : -1, err);
	do
		r = sys_waitid_usage(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | __WALL | options,
				     &usage);
	while (r == -EINTR);
	if (r == -ECHILD)
		cj_hint(err, "was SIGCHLD ignored, or did somebody else wait for it?");
	if (r < 0)
		return cj_fail(err, -r, "wait for process %d", child->pid);
	if (info.si_pid == 0)
		return 0;
	take_end(child, &info);
	child->usage = usage;
	return 1;
}

int cj_child_has_tree(const struct cj_child *child)
{
	return own_cgroups_any(&child->own);
}

int cj_child_cgroups(const struct cj_child *child, cj_cgroup_function *each, void *data)
{
	_cleanup_(cgroup_list_done) struct cgroup_list list = CGROUP_LIST_INIT;
	_cleanup_fd_ int proc = -EBADF;
	struct proc_stat stat;
	int r = child->ended ? -ESRCH : proc_open(child->pid, &proc, NULL);

	if (r == 0)
		r = cgroup_list_read(proc, &list);
	/* Asked last: of who is on its way out v1 says that it's in the root. cgroups(7) */
	if (r == 0)
		r = proc_read_stat(proc, &stat);
	if (r == 0 && stat.exiting)
		r = -ESRCH;
	for (size_t i = 0; i < list.n && r == 0; i++)
		each(data, list.entries[i].controllers, list.entries[i].path);
	return r;
}

int cj_child_usage(const struct cj_child *child, struct rusage *ret)
{
	if (!child->ended)
		return -EBUSY;
	*ret = child->usage;
	return 0;
}

int cj_child_wait(struct cj_child *child, struct cj_exit *ret, struct cj_error *err)
{
	int r = child_poll_end(child, 0, err);

	if (r < 0)
		return r;
	*ret = child->end;
	return 0;
}

void child_read_start(struct cj_child *child)
{
	if (child->start == 0 && !child->ended)
		(void)proc_start_time_of(child->pid, &child->start);
}

static struct session_leader leader_of(const struct cj_child *child)
{
	return (struct session_leader){child->pid, child->start};
}

void child_signal_session(const struct cj_child *child, int signal)
{
	const struct session_leader leader = leader_of(child);

	(void)session_signal(&leader, signal); /* nobody is left, or not ours to signal */
}

static struct tree tree_of(struct cj_child *child)
{
	return (struct tree){&child->own, leader_of(child), child->ended ? -EBADF : child->pidfd};
}

int child_tree_lives(struct cj_child *child)
{
	const struct tree tree = tree_of(child);

	return tree_lives(&tree);
}

void child_kill_tree(struct cj_child *child)
{
	struct tree tree;

	child_read_start(child);
	tree = tree_of(child);
	tree_kill(&tree);
}

void cj_child_kill(struct cj_child *child)
{
	child_read_start(child);
	own_cgroups_kill_once(&child->own);
	child_signal_session(child, SIGKILL);
	if (!child->ended)
		(void)sys_pidfd_send_signal(child->pidfd, SIGKILL);
}

int cj_child_settle(struct cj_child *child)
{
	if (!child->ended)
		return 0;
	if (child->slot)
		return spawner_settle(child);
	if (own_cgroups_any(&child->own))
		return own_cgroups_settle(&child->own);
	return child_tree_lives(child) <= 0;
}

int cj_child_guard_terminal(struct cj_child *child, const struct termios *before)
{
	struct watch_board *board = child->board;

	if (!board)
		return -EINVAL;
	__atomic_store_n(&board->guards, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* before `before` changes */
	if (before) {
		board->before = *before;
		__atomic_store_n(&board->guards, 1, __ATOMIC_RELEASE);
	}
	return 0;
}

int cj_child_inherit(struct cj_child *child, struct cj_error *err)
{
	_cleanup_fd_ int before = take_fd(&child->watchdog);
	int r;

	child_read_start(child);
	child->inherited = true;
	r = watchdog_start(child, err); /* first: there is always one */
	if (before >= 0)
		(void)sys_pidfd_send_signal(before, SIGKILL); /* its supervisor is about to end */
	return r;
}

static void forget(struct cj_child *child)
{
	own_cgroups_done(&child->own);
	process_end(&child->watchdog); /* before the pipe's end, which is its call to kill */
	if (child->board)
		(void)munmap(child->board, sizeof(*child->board));
	close_fd(&child->pidfd);
	close_fd(&child->life);
	close_fd(&child->life_r);
	free(child);
}

void cj_child_free(struct cj_child *child)
{
	if (!child)
		return;
	if (!child->ended && !child->given_up) {
		if (own_cgroups_any(&child->own) || child->spawner)
			child_kill_tree(child);
		process_end(&child->pidfd);
	}
	if (child->spawner)
		spawner_take_back(child);
	forget(child);
}

void cj_child_release(struct cj_child *child)
{
	if (child && child->detached)
		forget(child);
	else
		cj_child_free(child);
}
