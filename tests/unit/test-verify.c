/* SPDX-License-Identifier: MIT
 *
 * Whose process an engine may name. Processes are real ones, with made-up containers around them.
 */
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

static void a_users_engine_is_believed_of_that_users_processes_only(void **state)
{
	pid_t pid = spawn_idle();
	struct container container = {.scheme = "x", .name = (char[]){"web"}, .pid = pid};

	(void)state;
	container.start = start_of(pid);
	container.owner = 54321;
	assert_opens(&container, -EPERM, "54321");
	end(pid);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setresuid(54321, 54321, 54321) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	for (int i = 0; i < 10000; i++) { /* until it has changed its ids */
		_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;

		container.pid = pid;
		container.start = start_of(pid);
		if (container_open(&container, &ref, NULL) == 0)
			break;
	}
	assert_opens(&container, 0, NULL);
	end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_time_tells_who_is_meant),
		cmocka_unit_test(a_zombie_is_no_container),
		cmocka_unit_test(without_a_start_time_the_cgroup_must_name_the_container),
		cmocka_unit_test(a_cgroup_names_a_container_by_whole_words),
		cmocka_unit_test(a_users_engine_is_believed_of_that_users_processes_only),
	};

	if (!knows_call(SYS_pidfd_open))
		return run_none("verify");
	return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
