/* SPDX-License-Identifier: MIT
 *
 * Processes of a unit test in namespaces of their own: a small container without files. As root.
 * Not here: real containers (tests/lib/sandbox.c).
 */
#pragma once

#include <poll.h>
#include <sched.h>

#include "unit.h"

enum { READY_MS = 20000 };

/* `init` is the first process of the namespaces; `maker` our child, which waits for it. */
struct box {
	pid_t maker, init;
};

static int ready_fd; /* in the container */

/* Not an assertion: those jump back into the test, which a child of it must not. */
static inline void need(bool fine)
{
	if (!fine)
		_exit(1);
}

static inline void tell_ready(void)
{
	need(write(ready_fd, "", 1) == 1);
}

static inline void die_with_parent(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static inline void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static inline void write_file(const char *path, const char *text)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	need(fd >= 0 && io_write_all(fd, text, strlen(text)) == 0);
}

/* Root alone, so that more user namespaces can be made within. */
static inline void map_root(void)
{
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", "0 0 1");
	write_file("/proc/self/gid_map", "0 0 1");
}

static inline void make(int flags, void (*run)(void), int report)
{
	pid_t init;

	die_with_parent();
	need(unshare(flags) == 0);
	if (flags & CLONE_NEWUSER)
		map_root();
	init = fork();
	if (init == 0) {
		die_with_parent();
		(void)signal(SIGCHLD, SIG_IGN);
		close_fd(&report);
		run();
		sleep_for_ever();
	}
	close_fd(&ready_fd);
	need(write(report, &init, sizeof(init)) == sizeof(init));
	close_fd(&report);
	(void)waitpid(init, NULL, 0);
	_exit(0);
}

/* Returns when `run` has said that it's ready. */
static inline struct box start(int flags, void (*run)(void))
{
	struct pollfd wait = {.events = POLLIN};
	struct box box = {.maker = 0};
	int report[2], ready[2];
	char byte;

	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	ready_fd = ready[1];
	wait.fd = ready[0];
	box.maker = fork();
	if (box.maker == 0)
		make(flags, run, report[1]);
	close_fd(&report[1]);
	close_fd(&ready[1]);
	assert_int_equal(read(report[0], &box.init, sizeof(box.init)), sizeof(box.init));
	assert_int_equal(poll(&wait, 1, READY_MS), 1);
	assert_int_equal(read(ready[0], &byte, 1), 1); /* 0: something isn't allowed here */
	close_fd(&report[0]);
	close_fd(&ready[0]);
	return box;
}

static inline void stop(struct box box)
{
	assert_int_equal(kill(box.init, SIGKILL), 0);
	assert_int_equal(waitpid(box.maker, NULL, 0), box.maker);
}

/* Returns when it will die with us: killed before that, we'd leave it behind, where no pid namespace ends it. */
static inline void begin_child(void (*run)(void))
{
	int bound[2];
	char byte;
	pid_t pid;

	need(pipe2(bound, O_CLOEXEC) == 0);
	pid = fork();
	need(pid >= 0);
	close_fd(&bound[pid > 0]); /* the parent reads, the child holds the other end */
	if (pid > 0) {
		need(read(bound[0], &byte, 1) == 0); /* its end is closed */
		close_fd(&bound[0]);
		return;
	}
	die_with_parent();
	close_fd(&bound[1]);
	run();
	sleep_for_ever();
}
