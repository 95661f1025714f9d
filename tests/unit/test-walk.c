/* SPDX-License-Identifier: MIT
 *
 * The walk past which no process slips, in a pid namespace of its own with a /proc of its own, where
 * numbers can be chosen. As root only.
 */
#include "box.h"

#include <grp.h>
#include <pthread.h>
#include <sys/mount.h>

#include "base/format.h"
#include "sys/proc.h"
#include "sys/walk.h"

enum { PROCESSES = 300, THREADS_MANY = 40 };

/* What follows runs in the box, whose first process says that all is well by being ready. */

static void mount_proc(void)
{
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	need(mount("proc", "/proc", "proc", 0, NULL) == 0);
}

static void give_out_from(int last)
{
	char text[16];

	(void)format_safe(text, sizeof(text), "%d", last);
	write_file("/proc/sys/kernel/ns_last_pid", text);
}

static struct walk *new_walk(void)
{
	struct walk *walk = NULL;

	need(walk_new(&walk, NULL) == 0);
	return walk;
}

static pid_t begin_idle(void)
{
	pid_t pid = fork();

	need(pid >= 0);
	if (pid == 0) {
		die_with_parent();
		sleep_for_ever();
	}
	return pid;
}

/* Counts how often each number up to `n` has a status; the result of the walk. */
static int tell_all(struct walk *walk, unsigned int told[], pid_t n)
{
	struct walk_task task;
	int r;

	while ((r = walk_next(walk, &task)) > 0) {
		const char *text;

		if (walk_status(walk, &text) == 0 && task.pid < n)
			told[task.pid] += !task.again;
	}
	return r;
}

static void tell_each_once(void)
{
	unsigned int told[PROCESSES + 2] = {0};
	struct walk *walk;

	mount_proc();
	for (int i = 0; i < PROCESSES; i++)
		(void)begin_idle();
	walk = new_walk();
	need(tell_all(walk, told, PROCESSES + 2) == 0);
	for (int i = 1; i < PROCESSES + 2; i++)
		need(told[i] == 1);
	need(!walk_missed(walk) && !walk_is_blind(walk));
	walk_free(walk);
	tell_ready();
}

static void each_process_is_told_once(void **state)
{
	(void)state;
	stop(start(CLONE_NEWPID | CLONE_NEWNS, tell_each_once));
}

/* Numbers were given out up to 5000 and began again at 300: who is new comes before who is old. */
static void be_born_behind(void)
{
	struct walk_task task;
	bool told = false;
	struct walk *walk;
	pid_t pid;
	int r;

	mount_proc();
	give_out_from(5000);
	(void)begin_idle();
	give_out_from(400);
	walk = new_walk();
	do
		need(walk_next(walk, &task) == 1);
	while (task.pid < 5000);
	pid = begin_idle();
	need(pid < 5000);
	while ((r = walk_next(walk, &task)) > 0)
		told |= task.pid == pid && task.again;
	need(r == 0 && told);
	walk_free(walk);
	tell_ready();
}

static void one_that_is_born_where_the_walk_has_been_is_told(void **state)
{
	(void)state;
	stop(start(CLONE_NEWPID | CLONE_NEWNS, be_born_behind));
}

static void begin_again(void)
{
	unsigned int told[1];
	struct walk_task task;
	struct walk *walk;

	mount_proc();
	give_out_from(5000);
	walk = new_walk();
	need(walk_next(walk, &task) == 1);
	give_out_from(400);
	need(tell_all(walk, told, 0) == -EAGAIN);
	walk_free(walk);
	walk = new_walk();
	need(tell_all(walk, told, 0) == 0);
	walk_free(walk);
	tell_ready();
}

static void numbers_that_begin_again_end_it(void **state)
{
	(void)state;
	stop(start(CLONE_NEWPID | CLONE_NEWNS, begin_again));
}

static void leave_before_turn(void)
{
	pid_t pid = 0;
	struct walk_task task;
	const char *text;
	struct walk *walk;

	mount_proc();
	(void)signal(SIGCHLD, SIG_DFL);
	pid = begin_idle();
	walk = new_walk();
	do
		need(walk_next(walk, &task) == 1);
	while (task.pid != pid);
	need(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	need(walk_status(walk, &text) == -ESRCH && walk_missed(walk));
	need(walk_directory(walk) == -ESRCH);
	walk_free(walk);
	tell_ready();
}

static void one_that_ends_before_its_turn_is_noted(void **state)
{
	(void)state;
	stop(start(CLONE_NEWPID | CLONE_NEWNS, leave_before_turn));
}

static void *idle(void *data)
{
	sleep_for_ever();
	return data;
}

static void have_threads(void)
{
	struct walk_task task;
	struct walk *walk;
	const char *text;
	pthread_t id;
	int n = 0;

	mount_proc();
	for (int i = 0; i < THREADS_MANY; i++)
		need(pthread_create(&id, NULL, idle, NULL) == 0);
	walk = new_walk();
	do
		need(walk_next(walk, &task) == 1);
	while (task.pid != 1);
	while (walk_next_thread(walk, &task, &text) > 0) {
		struct proc_status status = PROC_STATUS_INIT;

		need(proc_parse_status(text, &status) == 0 && status.tgid == 1 && task.pid > 1);
		proc_status_done(&status);
		n++;
	}
	need(n == THREADS_MANY);
	walk_free(walk);
	tell_ready();
}

static void threads_are_told_but_for_the_main_one(void **state)
{
	(void)state;
	stop(start(CLONE_NEWPID | CLONE_NEWNS, have_threads));
}

/* A status of more than a page: read whole. */
static void have_groups(void)
{
	static gid_t groups[20000];
	struct proc_status status = PROC_STATUS_INIT;
	struct walk_task task;
	struct walk *walk;
	const char *text;

	mount_proc();
	for (size_t i = 0; i < ELEMENTS(groups); i++)
		groups[i] = 1000000 + (gid_t)i;
	need(syscall(SYS_setgroups, ELEMENTS(groups), groups) == 0);
	walk = new_walk();
	need(walk_next(walk, &task) == 1 && walk_status(walk, &text) == 0);
	need(proc_parse_status(text, &status) == 0 && status.n_groups == ELEMENTS(groups));
	proc_status_done(&status);
	walk_free(walk);
	tell_ready();
}

static void a_long_status_is_read_whole(void **state)
{
	(void)state;
	stop(start(CLONE_NEWPID | CLONE_NEWNS, have_groups));
}

static void be_hidden_from(void)
{
	struct walk *walk;

	mount_proc();
	need(mount("proc", "/proc", "proc", 0, "hidepid=invisible") == 0);
	if (fork() == 0) {
		need(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 &&
		     setresuid(65534, 65534, 65534) == 0);
		walk = new_walk();
		need(walk_is_blind(walk));
		walk_free(walk);
		tell_ready();
		_exit(0);
	}
}

static void a_proc_that_hides_processes_is_noticed(void **state)
{
	(void)state;
	stop(start(CLONE_NEWPID | CLONE_NEWNS, be_hidden_from));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_process_is_told_once),
		cmocka_unit_test(one_that_is_born_where_the_walk_has_been_is_told),
		cmocka_unit_test(numbers_that_begin_again_end_it),
		cmocka_unit_test(one_that_ends_before_its_turn_is_noted),
		cmocka_unit_test(threads_are_told_but_for_the_main_one),
		cmocka_unit_test(a_long_status_is_read_whole),
		cmocka_unit_test(a_proc_that_hides_processes_is_noticed),
	};

	if (!knows_call(SYS_pidfd_open) || geteuid() != 0)
		return run_none("walk");
	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
