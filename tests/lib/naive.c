/* SPDX-License-Identifier: MIT
 *
 * Enters a container the way that must not be: the process is born in the pid namespace first, and
 * gives up what it has of the host afterwards. With it the attack tests prove that they can fail.
 *
 *	naive PID COMMAND [ARG…]
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static int enter(int target, int root, char **argv)
{
	static const struct timespec moment = {.tv_nsec = 2000000}; /* as if it had much to do */

	(void)nanosleep(&moment, NULL);
	if (setns(target,
		  CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP) < 0 ||
	    fchdir(root) < 0 || chroot(".") < 0)
		return 1;
	(void)execvp(argv[0], argv);
	return 127;
}

int main(int argc, char **argv)
{
	char path[64];
	int target, root, status;
	pid_t pid;

	if (argc < 3)
		return 2;
	target = (int)syscall(SYS_pidfd_open, strtol(argv[1], NULL, 10), 0);
	(void)snprintf(path, sizeof(path), "/proc/%s/root", argv[1]);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (target < 0 || root < 0 || setns(target, CLONE_NEWPID) < 0)
		return 1;
	pid = fork();
	if (pid == 0)
		_exit(enter(target, root, argv + 2));
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
