/* SPDX-License-Identifier: MIT */
#include "lib/child.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "sys/pidref.h"
#include "sys/proc.h"
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

int child_poll_end(struct cj_child *child, int options, struct cj_error *err)
{
	siginfo_t info = {.si_pid = 0};
	int r;

	if (child->ended)
		return 1;
	do
		r = sys_waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | __WALL | options);
	while (r == -EINTR);
	if (r == -ECHILD)
		cj_hint(err, "was SIGCHLD ignored, or did somebody else wait for it?");
	if (r < 0)
		return cj_fail(err, -r, "wait for process %d", child->pid);
	if (info.si_pid == 0)
		return 0;
	take_end(child, &info);
	return 1;
}

int cj_child_wait(struct cj_child *child, struct cj_exit *ret, struct cj_error *err)
{
	int r = child_poll_end(child, 0, err);

	if (r < 0)
		return r;
	*ret = child->end;
	return 0;
}

static void forget(struct cj_child *child)
{
	process_end(&child->watchdog); /* first: the end of the pipe is its call to kill */
	close_fd(&child->pidfd);
	close_fd(&child->life);
	close_fd(&child->life_r);
	own_cgroups_done(&child->own);
	free(child);
}

void cj_child_free(struct cj_child *child)
{
	if (!child)
		return;
	if (!child->ended)
		process_end(&child->pidfd);
	forget(child);
}

void cj_child_release(struct cj_child *child)
{
	if (child && child->detached)
		forget(child);
	else
		cj_child_free(child);
}
