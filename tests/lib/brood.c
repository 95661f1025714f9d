/* SPDX-License-Identifier: MIT
 *
 * A command that leaves processes of every kind, for tests of what becomes of them:
 *
 *	brood KIND… [end]
 *
 *	child	does nothing; deaf	ignores what asks it to end
 *	group	leads a process group of its own; orphan	its parent has ended
 *	stopped	has stopped itself; daemon	orphan and deaf, in a session of its own
 *	headless	its first thread has ended, another lives
 *	bomb	makes more of its kind without end
 *
 * Says "ready" when they are what they are to be, and then waits; with "end" it ends at once.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready[2];

static void be_deaf(void)
{
	static const int asking[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE};

	for (size_t i = 0; i < sizeof(asking) / sizeof(asking[0]); i++)
		(void)signal(asking[i], SIG_IGN);
}

/* Whoever waits for the command's output mustn't wait for these. */
static void let_go_of_output(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int i = 0; i < 3 && null >= 0; i++)
		(void)dup2(null, i);
	if (null > 2)
		(void)close(null);
}

static void say(void)
{
	(void)!write(ready[1], "", 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

/* One that can't be made now is tried again a little later: the processor is others' as well. */
static void *live(void *unused)
{
	for (;;)
		(void)pause();
	return unused;
}

/* It says that it's ready when it's a zombie to whoever looks at the process, and not at its threads. */
static void *say_when_alone(void *unused)
{
	char stat[256] = "";

	while (!strstr(stat, ") Z ")) {
		int fd = open("/proc/self/stat", O_RDONLY);
		ssize_t n = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);

		stat[n < 0 ? 0 : n] = '\0';
		(void)close(fd);
	}
	say();
	return live(unused);
}

static _Noreturn void lose_head(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, say_when_alone, NULL) == 0)
		pthread_exit(NULL);
	_exit(1);
}

static _Noreturn void explode(void)
{
	for (;;)
		if (fork() < 0)
			(void)usleep(1000);
}

static _Noreturn void be(const char *kind)
{
	let_go_of_output();
	if (strcmp(kind, "daemon") == 0)
		(void)setsid();
	if (strcmp(kind, "group") == 0)
		(void)setpgid(0, 0);
	if ((strcmp(kind, "daemon") == 0 || strcmp(kind, "orphan") == 0) && fork() != 0)
		_exit(0);
	if (strcmp(kind, "daemon") == 0 || strcmp(kind, "deaf") == 0)
		be_deaf();
	if (strcmp(kind, "headless") == 0)
		lose_head();
	say();
	if (strcmp(kind, "bomb") == 0)
		explode();
	for (;;)
		if (strcmp(kind, "stopped") == 0)
			(void)raise(SIGSTOP);
		else
			(void)pause();
}

static bool make(const char *kind)
{
	bool passes = strcmp(kind, "daemon") == 0 || strcmp(kind, "orphan") == 0;
	pid_t pid = fork();
	char byte;

	if (pid == 0)
		be(kind);
	if (pid < 0 || read(ready[0], &byte, 1) != 1)
		return false;
	if (passes)
		return waitpid(pid, NULL, 0) == pid;
	return strcmp(kind, "stopped") != 0 || waitpid(pid, NULL, WUNTRACED) == pid;
}

int main(int argc, char **argv)
{
	if (pipe(ready) < 0)
		return 1;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "end") == 0)
			return 0;
		if (!make(argv[i]))
			return 1;
	}
	if (write(1, "ready\n", 6) != 6)
		return 1;
	for (;;)
		(void)pause();
}
