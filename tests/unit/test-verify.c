/* SPDX-License-Identifier: MIT
 *
 * Whose process an engine may name. Processes are real ones, with made-up containers around them.
 */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/resource.h>

#include "unit.h"

#include "engine/verify.h"
#include "sys/proc.h"

static uint64_t start_of(pid_t pid)
{
	_cleanup_fd_ int proc = -EBADF;
	uint64_t start;

	assert_int_equal(proc_open(pid, &proc, NULL), 0);
	assert_int_equal(proc_read_start_time(proc, &start), 0);
	return start;
}

static void assert_opens(const struct container *container, int expected, const char *word)
{
	_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	int r = container_open(container, &ref, &err);

	if (r != expected)
		fail_msg("%d, not %d: %s", r, expected, err.text);
	if (r == 0)
		assert_int_equal(ref.pid, container->pid);
	else
		assert_int_equal(ref.fd, -EBADF);
	if (word)
		assert_names(&err, word);
}

static void a_start_time_tells_who_is_meant(void **state)
{
	pid_t pid = spawn_idle();
	struct container container = {.scheme = "x", .name = (char[]){"web"}, .pid = pid};

	(void)state;
	container.start = start_of(pid);
	assert_opens(&container, 0, NULL);
	container.start++;
	assert_opens(&container, -ESRCH, "web");
	end(pid);
	assert_opens(&container, -ESRCH, NULL);
}

static void a_zombie_is_no_container(void **state)
{
	pid_t pid = spawn_idle();
	struct container container = {.scheme = "x", .name = (char[]){"web"}, .pid = pid};

	(void)state;
	container.start = start_of(pid);
	make_zombie(pid);
	assert_opens(&container, -ESRCH, NULL);
	end(pid);
}

static void without_a_start_time_the_cgroup_must_name_the_container(void **state)
{
	pid_t pid = spawn_idle();
	struct container container = {
		.scheme = "x",
		.pid = pid,
		.id = (char[]){"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}};

	(void)state;
	assert_opens(&container, -ESRCH, "0123456789abcdef");
	container.id = NULL;
	container.name = (char[]){"web"};
	assert_opens(&container, -ESRCH, "web");
	container.id = (char[]){""};
	assert_opens(&container, -ESRCH, "web");
	container.id = (char[]){"../../etc"};
	assert_opens(&container, -ESRCH, "web");
	end(pid);
}

#define LONG_ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void a_cgroup_names_a_container_by_whole_words(void **state)
{
	(void)state;
	assert_true(cgroups_name("4:memory:/docker/" LONG_ID "\n0::/\n", LONG_ID));
	assert_true(cgroups_name("0::/system.slice/docker-" LONG_ID ".scope\n", LONG_ID));
	assert_true(cgroups_name("0::/machine.slice/libpod-" LONG_ID ".scope/container", LONG_ID));
	assert_true(cgroups_name("0::/a:cri-containerd:" LONG_ID, LONG_ID));
	assert_true(cgroups_name("0::/../" LONG_ID "/init.scope\n", LONG_ID));
	assert_true(cgroups_name("0::/default/web\n", "web"));
	assert_true(cgroups_name("0::/lxc.payload.box\n", "lxc.payload.box"));
	assert_false(cgroups_name("0::/docker/" LONG_ID "0\n", LONG_ID));
	assert_false(cgroups_name("0::/docker/0" LONG_ID "\n", LONG_ID));
	assert_false(cgroups_name("0::/docker/" LONG_ID ".scoped\n", LONG_ID));
	assert_false(cgroups_name("0::/my-web\n", "web"));
	assert_false(cgroups_name("0::/web2\n", "web"));
	assert_false(cgroups_name("4:web:/x\n", "web"));
	assert_false(cgroups_name("0::/\n", ""));
	assert_false(cgroups_name("", "web"));
}

enum { USER = 54321 };

/* A process with these ids, by then (for a pipe tells) in a user namespace of its own, if that is wanted. */
static pid_t spawn_of(uid_t real, uid_t others, gid_t gid, bool alone)
{
	pid_t pid;
	int ready[2];
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setgroups(0, NULL) < 0 || setresgid(USER, gid, gid) < 0 ||
		    setresuid(real, others, others) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0 ||
		    (alone && unshare(CLONE_NEWUSER) < 0) || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	assert_int_equal(close(ready[1]), 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(close(ready[0]), 0);
	return pid;
}

static struct container users_container(pid_t pid)
{
	static char name[] = "web";

	return (struct container){.scheme = "x",
				  .name = name,
				  .pid = pid,
				  .owner = USER,
				  .start = start_of(pid)};
}

static void a_users_engine_is_believed_of_that_users_namespaces_only(void **state)
{
	static const struct {
		uid_t real, others;
		bool alone;
		int expected;
	} cases[] = {
		{0, 0, false, -EPERM},
		{0, 0, true, -EPERM}, /* root's own */
		{USER, 0, false, -EPERM},
		{USER, USER, false, -EPERM}, /* so may a process of root's container be */
		{USER + 1, USER + 1, true, -EPERM},
		{USER, USER, true, 0},
		{0, USER, true, -EPERM}, /* it may become root again */
	};

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		pid_t pid = spawn_of(cases[i].real, cases[i].others, USER, cases[i].alone);
		struct container container = users_container(pid);

		assert_opens(&container, cases[i].expected, cases[i].expected ? "54321" : NULL);
		end(pid);
	}
}

/* A component of one of our own cgroups' paths; false: all are at the top. */
static bool own_cgroup(char *buf, size_t size)
{
	_cleanup_file_ FILE *file = fopen("/proc/self/cgroup", "re");
	char line[4096];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		const char *slash = strrchr(line, '/');

		line[strcspn(line, "\n")] = '\0';
		if (slash && slash[1]) {
			(void)snprintf(buf, size, "%s", slash + 1);
			return true;
		}
	}
	return false;
}

static void in_a_users_cgroup_the_user_must_be_able_to_trace_it(void **state)
{
	char word[4096];
	struct container container;
	pid_t pid;

	(void)state;
	if (geteuid() != 0 || !own_cgroup(word, sizeof(word)))
		skip();
	pid = spawn_of(USER, USER, USER, false);
	container = users_container(pid);
	container.cgroup_word = word;
	assert_opens(&container, -EPERM, "54321"); /* a start time is what a record tells */
	container.start = 0;
	assert_opens(&container, 0, NULL);
	container.cgroup_word = NULL;
	container.id = word;
	assert_opens(&container, -EPERM, "54321");
	end(pid);
	pid = spawn_of(USER, 0, USER, false);
	container = users_container(pid);
	container.cgroup_word = word;
	container.start = 0;
	assert_opens(&container, -EPERM, "54321");
	end(pid);
	pid = spawn_of(USER, USER, USER + 1, false); /* setgid */
	container = users_container(pid);
	container.cgroup_word = word;
	container.start = 0;
	assert_opens(&container, -EPERM, "54321");
	end(pid);
}

static void what_cannot_be_found_out_is_not_told_to_be_another_one(void **state)
{
	pid_t pid = spawn_idle();
	struct container container = {.scheme = "x", .name = (char[]){"web"}, .pid = pid};
	struct rlimit old, low = {.rlim_cur = 0};
	int fds[2], r = 0, tried = 0;

	(void)state;
	container.start = start_of(pid);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	/* One more may be opened, two, …: each of the steps gets its turn. */
	low.rlim_max = old.rlim_max;
	for (low.rlim_cur = (rlim_t)fds[1] + 1; tried < 16; low.rlim_cur++, tried++) {
		_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;

		assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
		r = container_open(&container, &ref, NULL);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		if (r == 0)
			break;
		assert_int_equal(r, -EMFILE);
	}
	assert_int_equal(r, 0);
	assert_true(tried > 2); /* the pidfd, /proc/PID, a file of it */
	close_fd(&fds[0]);
	close_fd(&fds[1]);
	end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_time_tells_who_is_meant),
		cmocka_unit_test(a_zombie_is_no_container),
		cmocka_unit_test(without_a_start_time_the_cgroup_must_name_the_container),
		cmocka_unit_test(a_cgroup_names_a_container_by_whole_words),
		cmocka_unit_test(a_users_engine_is_believed_of_that_users_namespaces_only),
		cmocka_unit_test(in_a_users_cgroup_the_user_must_be_able_to_trace_it),
		cmocka_unit_test(what_cannot_be_found_out_is_not_told_to_be_another_one),
	};

	if (!knows_call(SYS_pidfd_open))
		return run_none("verify");
	return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
