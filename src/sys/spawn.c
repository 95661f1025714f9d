/* SPDX-License-Identifier: MIT */
#include "sys/spawn.h"

#include <poll.h>

#include "base/cleanup.h"
#include "sys/raw.h"
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

#if HAVE_RAW_CALLS
/*
 * In the new process, which shares memory and errno with the caller: system calls only, and nothing
 * that a sanitizer would add.
 */
__attribute__((no_sanitize("address", "undefined", "thread"), noreturn)) static void
run_program(void *data)
{
	struct spawn_program *program = data;
	char *const no_environment[] = {NULL};
	long r;

	for (size_t i = 0; i < program->n_keep; i++)
		(void)raw_call(SYS_fcntl, program->keep[i], F_SETFD, 0, 0, 0, 0);
	/* Lets the caller go to sleep: as long as it's runnable execve moves us to another CPU. */
	(void)raw_call(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
	r = raw_call(SYS_execveat, program->fd, (long)"", (long)program->argv, (long)no_environment,
		     AT_EMPTY_PATH, 0);
	program->failure = (int)-r;
	for (;;)
		(void)raw_call(SYS_exit_group, 1, 0, 0, 0, 0, 0);
}

static pid_t clone_program(int cgroup, struct spawn_program *program, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_PIDFD | (cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.cgroup = cgroup >= 0 ? (uint64_t)cgroup : 0,
		.stack = (uint64_t)(uintptr_t)program->stack,
		.stack_size = program->stack_size,
	};
	long r = raw_clone(SYS_clone3, (long)&args, sizeof(args), 0, run_program, program);

	if (cgroup < 0 && (r == -ENOSYS || r == -EPERM)) /* as in clone_process() */
		r = raw_clone(SYS_clone, CLONE_VM | CLONE_PIDFD,
			      (long)(program->stack + program->stack_size), (long)ret_pidfd,
			      run_program, program);
	return (pid_t)r;
}
#else
static pid_t clone_program(int cgroup, struct spawn_program *program, int *ret_pidfd)
{
	(void)cgroup;
	(void)program;
	(void)ret_pidfd;
	return -ENOSYS;
}
#endif

/* `program`: NULL for a copy of the caller. */
static pid_t spawn(int cgroup, struct spawn_program *program, int *ret_pidfd)
{
	sigset_t all, before;
	int pidfd = -EBADF;
	pid_t pid;

	/* A handler of the caller's must not run in the copy. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &before);
	pid = program ? clone_program(cgroup, program, &pidfd) : clone_process(cgroup, &pidfd);
	if (pid == 0)
		return 0;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid > 0)
		*ret_pidfd = pidfd;
	return pid;
}

pid_t process_spawn(int cgroup, int *ret_pidfd)
{
	return spawn(cgroup, NULL, ret_pidfd);
}

pid_t process_spawn_program(int cgroup, struct spawn_program *program, int *ret_pidfd)
{
	return spawn(cgroup, program, ret_pidfd);
}

int process_is_child(int pidfd)
{
	siginfo_t info;

	return sys_waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT | __WALL);
}

void process_end_within(int *pidfd, int ms)
{
	struct pollfd ended = {.fd = *pidfd, .events = POLLIN};
	siginfo_t info;
	int r;

	if (*pidfd < 0)
		return;
	(void)sys_pidfd_send_signal(*pidfd, SIGKILL); /* it may have ended: no matter */
	do
		r = poll(&ended, 1, ms);
	while (r < 0 && errno == EINTR);
	(void)sys_waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED | WNOHANG | __WALL);
	close_fd(pidfd);
}

void process_end(int *pidfd)
{
	process_end_within(pidfd, END_MS);
}
