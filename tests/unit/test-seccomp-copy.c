/* SPDX-License-Identifier: MIT
 *
 * Loading filters, and copying them from live processes without harm to those.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "sys/seccomp.h"

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RET(action) BPF_STMT(BPF_RET | BPF_K, action)

/* valgrind makes system calls of its own in our process: a filter would hit it. */
static bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

/* Copying wants CAP_SYS_ADMIN and a reader that has no filter itself. */
static bool may_copy(void)
{
	return geteuid() == 0 && !under_valgrind() && prctl(PR_GET_SECCOMP) == 0 &&
	       prctl(PR_CAPBSET_READ, 21 /* CAP_SYS_ADMIN */) == 1;
}

static struct sock_filter first_filter[] = {LOAD(nr), RET(SECCOMP_RET_ALLOW),
					    RET(SECCOMP_RET_ALLOW)};
static struct sock_filter second_filter[] = {LOAD(args[3]), RET(SECCOMP_RET_ALLOW)};

static volatile sig_atomic_t usr1_count;

static void count_usr1(int sig)
{
	(void)sig;
	usr1_count++;
}

static void stop_for_ever(void)
{
	for (;;)
		pause();
}

/* Exits with the number of SIGUSR1 it got when SIGTERM comes. */
static void tell_count(int sig)
{
	(void)sig;
	_exit(usr1_count);
}

static void stay_in_vfork(void)
{
	if (vfork() == 0) { /* this child must not return; its parent is in state D until it ends */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		stop_for_ever();
	}
}

/* A child with `n_filters` filters over it (second_filter has the LOG flag), which then lives on. */
static pid_t spawn_target(int n_filters, void (*live)(void), int *ret_pidfd)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		(void)signal(SIGUSR1, count_usr1);
		(void)signal(SIGTERM, tell_count);
		if (n_filters > 0 && seccomp_install(first_filter, ELEMENTS(first_filter), 0) < 0)
			_exit(1);
		if (n_filters > 1 && seccomp_install(second_filter, ELEMENTS(second_filter),
						     SECCOMP_FILTER_FLAG_LOG) < 0)
			_exit(1);
		(void)!write(ready[1], "", 1);
		live();
		_exit(2);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	*ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(*ret_pidfd >= 0);
	return pid;
}

static int end_target(pid_t pid, int sig)
{
	int status;

	assert_int_equal(kill(pid, sig), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* The state letter of a process; polls until it is one of `wanted`. */
static void wait_for_state(pid_t pid, const char *wanted)
{
	for (int i = 0; i < 5000; i++) {
		char path[64], buf[512], *at;
		_cleanup_file_ FILE *f = NULL;
		size_t n;

		(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		f = fopen(path, "re");
		assert_non_null(f);
		n = fread(buf, 1, sizeof(buf) - 1, f);
		buf[n] = '\0';
		at = strrchr(buf, ')');
		if (at && strchr(wanted, at[2]))
			return;
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000},
				NULL); /* polling, with a bound */
	}
	fail_msg("process %d never came into state %s", pid, wanted);
}

static void assert_program(const struct seccomp_program *program, const struct sock_filter *insns,
			   size_t count, unsigned int flags)
{
	assert_int_equal(program->count, count);
	assert_memory_equal(program->insns, insns, count * sizeof(*insns));
	assert_int_equal(program->flags, flags);
}

static void live_filters_are_copied_oldest_first_with_the_flag_that_the_kernel_tells(void **state)
{
	(void)state;
	_cleanup_(seccomp_programs_done) struct seccomp_programs copy = SECCOMP_PROGRAMS_INIT;
	_cleanup_fd_ int fd = -EBADF;
	struct cj_error err = CJ_ERROR_INIT;
	sigset_t chld, pending;
	pid_t pid;

	if (!may_copy())
		skip();
	pid = spawn_target(2, stop_for_ever, &fd);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	assert_int_equal(sigprocmask(SIG_BLOCK, &chld, NULL), 0);
	if (seccomp_copy(pid, fd, &copy, &err) < 0)
		fail_msg("%s: %s", err.text, strerror(err.code));
	assert_int_equal(sigpending(&pending), 0);
	assert_false(sigismember(&pending, SIGCHLD));
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &chld, NULL), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* the target, and it lives */

	assert_int_equal(copy.count, 2);
	assert_program(&copy.list[0], first_filter, ELEMENTS(first_filter), 0);
	assert_program(&copy.list[1], second_filter, ELEMENTS(second_filter),
		       SECCOMP_FILTER_FLAG_LOG);
	(void)end_target(pid, SIGKILL);
}

static void a_copied_target_loses_no_signal(void **state)
{
	(void)state;
	_cleanup_fd_ int fd = -EBADF;
	int sent = 0, status;
	pid_t pid;

	if (!may_copy())
		skip();
	pid = spawn_target(1, stop_for_ever, &fd);
	for (int i = 0; i < 100; i++) {
		_cleanup_(seccomp_programs_done) struct seccomp_programs copy =
			SECCOMP_PROGRAMS_INIT;

		assert_int_equal(kill(pid, SIGUSR1), 0);
		sent++;
		assert_int_equal(seccomp_copy(pid, fd, &copy, NULL), 0);
		wait_for_state(pid, "S"); /* it has handled it: two at once would count as one */
	}
	status = end_target(pid, SIGTERM);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), sent);
}

static void a_stopped_target_stays_stopped(void **state)
{
	(void)state;
	_cleanup_(seccomp_programs_done) struct seccomp_programs copy = SECCOMP_PROGRAMS_INIT;
	_cleanup_fd_ int fd = -EBADF;
	int status;
	pid_t pid;

	if (!may_copy())
		skip();
	pid = spawn_target(1, stop_for_ever, &fd);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	wait_for_state(pid, "T");
	assert_int_equal(seccomp_copy(pid, fd, &copy, NULL), 0);
	assert_int_equal(copy.count, 1);
	wait_for_state(pid, "T");
	assert_int_equal(kill(pid, SIGCONT), 0);
	wait_for_state(pid, "S");
	status = end_target(pid, SIGTERM);
	assert_true(WIFEXITED(status));
}

static void a_target_that_cannot_be_stopped_is_let_go_of(void **state)
{
	(void)state;
	struct seccomp_programs copy = SECCOMP_PROGRAMS_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	_cleanup_fd_ int fd = -EBADF;
	char path[64], buf[4096];
	_cleanup_file_ FILE *f = NULL;
	size_t n;
	pid_t pid;

	if (!may_copy())
		skip();
	pid = spawn_target(1, stay_in_vfork, &fd);
	wait_for_state(pid, "D");
	assert_int_equal(seccomp_copy(pid, fd, &copy, &err), -ETIMEDOUT);
	assert_string_not_equal(err.hint, "");
	assert_null(copy.list);
	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = '\0';
	assert_non_null(strstr(buf, "TracerPid:\t0\n"));
	(void)end_target(pid, SIGKILL); /* its child goes with it */
}

static void no_filter_no_process_and_a_wrong_pidfd_are_told_apart(void **state)
{
	(void)state;
	struct seccomp_programs copy = SECCOMP_PROGRAMS_INIT;
	_cleanup_fd_ int plain = -EBADF, dead = -EBADF;
	pid_t pid, gone;

	if (!may_copy())
		skip();
	pid = spawn_target(0, stop_for_ever, &plain);
	gone = spawn_target(1, stop_for_ever, &dead);
	assert_int_equal(seccomp_copy(pid, plain, &copy, NULL), -ENODATA);
	(void)end_target(gone, SIGKILL);
	assert_int_equal(seccomp_copy(gone, dead, &copy, NULL), -ESRCH);
	assert_int_equal(seccomp_copy(pid, dead, &copy, NULL), -ESRCH); /* recycled */
	assert_null(copy.list);
	(void)end_target(pid, SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			live_filters_are_copied_oldest_first_with_the_flag_that_the_kernel_tells),
		cmocka_unit_test(a_copied_target_loses_no_signal),
		cmocka_unit_test(a_stopped_target_stays_stopped),
		cmocka_unit_test(a_target_that_cannot_be_stopped_is_let_go_of),
		cmocka_unit_test(no_filter_no_process_and_a_wrong_pidfd_are_told_apart),
	};

	return cmocka_run_group_tests_name("seccomp copy", tests, NULL, NULL);
}
