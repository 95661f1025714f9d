/* SPDX-License-Identifier: MIT */
#include "sys/spawn.h"

#include <poll.h>

#include "base/cleanup.h"
#include "sys/syscalls.h"

enum { END_MS = 2000 };

static pid_t clone_process(int cgroup, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | (cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.cgroup = cgroup >= 0 ? (uint64_t)cgroup : 0,
	};
	pid_t pid = sys_clone3(&args);

	/* Filters that can't look into clone3's struct deny it as a whole, and mean clone. */
	if (cgroup < 0 && (pid == -ENOSYS || pid == -EPERM))
		pid = (pid_t)sys_result(
			syscall(SYS_clone, CLONE_PIDFD, NULL, ret_pidfd, NULL, NULL));
	return pid;
}

pid_t process_spawn(int cgroup, int *ret_pidfd)
{
	sigset_t all, before;
	int pidfd = -EBADF;
	pid_t pid;

	/* A handler of the caller's must not run in the copy. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &before);
	pid = clone_process(cgroup, &pidfd);
	if (pid == 0)
		return 0;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid > 0)
		*ret_pidfd = pidfd;
	return pid;
}

void process_end(int *pidfd)
{
	struct pollfd ended = {.fd = *pidfd, .events = POLLIN};
	siginfo_t info;
	int r;

	if (*pidfd < 0)
		return;
	(void)sys_pidfd_send_signal(*pidfd, SIGKILL); /* it may have ended: no matter */
	do
		r = poll(&ended, 1, END_MS);
	while (r < 0 && errno == EINTR);
	(void)sys_waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED | WNOHANG | __WALL);
	close_fd(pidfd);
}
