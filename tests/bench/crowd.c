/* SPDX-License-Identifier: MIT
 *
 * usage: crowd PROCESSES CONTAINERS
 * Many processes that do nothing: half of them on the host, the rest in so many sets of namespaces (0:
 * all on the host). Writes a line once they are there; they end with their parent, at the end of
 * stdin.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMESPACES (CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS)

static pid_t start(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("crowd: fork");
		exit(1);
	}
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void sleepers(long n)
{
	for (long i = 0; i < n; i++)
		if (start() == 0)
			for (;;)
				pause();
}

/* The first process of the namespaces is the last one's parent: all end with it. */
static void container(long processes)
{
	char byte = 0;
	int ready[2];

	if (pipe(ready) < 0)
		exit(1);
	if (start() == 0) {
		if (unshare(NAMESPACES) < 0) {
			perror("crowd: unshare");
			exit(1);
		}
		if (start() == 0) {
			sleepers(processes - 2);
			if (write(ready[1], &byte, 1) != 1)
				exit(1);
			for (;;)
				pause();
		}
		(void)wait(NULL);
		exit(0);
	}
	(void)close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		exit(1);
	(void)close(ready[0]);
}

int main(int argc, char **argv)
{
	long processes = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
	long containers = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	long inside = containers > 0 ? processes / 2 / containers : 0;
	char byte;

	if (processes <= 0 || containers < 0 || (containers > 0 && inside < 3)) {
		(void)fputs("usage: crowd PROCESSES CONTAINERS\n", stderr);
		return 2;
	}
	for (long i = 0; i < containers; i++)
		container(inside);
	sleepers(processes - inside * containers - 1);
	(void)puts("ready");
	(void)fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}
