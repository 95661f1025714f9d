/* SPDX-License-Identifier: MIT
 *
 * A target that isn't the same from one moment to the next: while somebody looks at it in order to
 * enter, it changes its root, its directory, its namespaces, its program, its privileges, or dies.
 * The first process makes one such child after the other; the test takes its pid from outside.
 */
#include "attacker.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static void pause_at_random(void)
{
	struct timespec moment = {.tv_nsec = rand() % 4000000};

	(void)nanosleep(&moment, NULL);
}

static void swap_root(void)
{
	int outer = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)mkdir("/srv/jail", 0755);
	for (;;) {
		(void)!chroot("/srv/jail");
		(void)!chdir("/");
		(void)!fchdir(outer);
		(void)!chroot(".");
	}
}

/* No change at all: its root is below its directory, as with chroot(2) and nothing more. */
static void stay_outside(void)
{
	(void)mkdir("/srv/jail", 0755);
	(void)!chroot("/srv/jail");
	for (;;)
		(void)pause();
}

/* Also into a directory that is gone the next moment. */
static void swap_cwd(void)
{
	for (;;) {
		(void)mkdir("/tmp/gone", 0755);
		(void)!chdir("/tmp/gone");
		(void)rmdir("/tmp/gone");
		(void)!chdir("/proc/self/fd");
		(void)!chdir("/");
	}
}

static void swap_mounts(void)
{
	for (;;)
		(void)unshare(CLONE_NEWNS);
}

static void swap_namespaces(void)
{
	static const char *const names[] = {"uts", "ipc", "net", "cgroup", "mnt"};
	enum { KINDS = sizeof(names) / sizeof(names[0]) };
	int fds[2][KINDS];

	for (int side = 0; side < 2; side++) {
		for (int i = 0; i < KINDS; i++) {
			char path[32];

			(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
			fds[side][i] = open(path, O_RDONLY | O_CLOEXEC);
		}
		(void)unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP |
			      CLONE_NEWNS);
	}
	for (unsigned int n = 0;; n++)
		(void)setns(fds[n / KINDS % 2][n % KINDS], 0);
}

static void swap_program(void)
{
	char *const again[] = {"/bin/attacker", "--swap", "program-again", NULL};
	char *const env[] = {"A=b", NULL};

	(void)execve("/bin/attacker", again, env);
	_exit(1);
}

/* A user namespace gives every capability, but not there where the enterer would be. */
static void swap_users(void)
{
	pause_at_random();
	(void)unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET);
	pause_at_random();
	_exit(0);
}

static void swap_lives(void)
{
	pause_at_random();
	_exit(0);
}

static const struct swap {
	const char *name;
	void (*run)(void);
} swaps[] = {
	{"root", swap_root},
	{"cwd", swap_cwd},
	{"mounts", swap_mounts},
	{"program", swap_program},
	{"program-again", swap_program},
	{"users", swap_users},
	{"namespaces", swap_namespaces},
	{"lives", swap_lives},
	{"outside", stay_outside},
};

static void (*find_swap(const char *name))(void)
{
	for (size_t i = 0; i < ELEMENTS(swaps); i++)
		if (strcmp(swaps[i].name, name) == 0)
			return swaps[i].run;
	return NULL;
}

int swap_main(const char *name)
{
	void (*run)(void) = find_swap(name);

	if (!run)
		return 2;
	if (getpid() != 1)
		run();
	(void)signal(SIGUSR1, SIG_IGN);
	dprintf(2, "READY\n");
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			srand((unsigned int)getpid());
			run();
		}
		(void)waitpid(pid, NULL, 0);
	}
}
