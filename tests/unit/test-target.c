/* SPDX-License-Identifier: MIT
 *
 * TARGET as a user writes it: every scheme, and what isn't one.
 */
#include "unit.h"

#include <conjoin/target.h>

#include "sys/cgroup.h"
#include "sys/proc.h"

static struct cj_target *open_target(const char *format, ...) __attribute__((format(printf, 1, 2)));

static struct cj_target *open_target(const char *format, ...)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_target *target = NULL;
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	assert_true(vasprintf(&text, format, args) >= 0);
	va_end(args);
	if (cj_target_open(text, &target, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	assert_string_equal(cj_target_text(target), text);
	assert_int_equal(cj_target_verify(target), 0);
	return target;
}

static void assert_opens(pid_t pid, const char *text)
{
	struct cj_target *target = open_target("%s", text);

	assert_int_equal(cj_target_pid(target), pid);
	cj_target_free(target);
}

static void assert_refused(const char *text, int error, const char *named)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_target *target = NULL;
	int r = cj_target_open(text, &target, &err);

	if (r != error)
		fail_msg("\"%s\": %d, not %d (%s)", text, r, error, err.text);
	assert_int_equal(err.code, -error);
	assert_null(target);
	if (named)
		assert_names(&err, named);
}

static void a_number_is_a_pid_with_or_without_its_scheme(void **state)
{
	pid_t pid = spawn_idle();
	char text[64];

	(void)state;
	(void)snprintf(text, sizeof(text), "%d", pid);
	assert_opens(pid, text);
	(void)snprintf(text, sizeof(text), "pid:%d", pid);
	assert_opens(pid, text);
	end(pid);
}

static void a_handle_is_taken_wherever_a_target_is(void **state)
{
	pid_t pid = spawn_idle();
	struct cj_target *target = open_target("%d", pid);
	char handle[48], text[64];

	(void)state;
	size_t length = cj_target_handle(target, handle, sizeof(handle));

	assert_int_equal(length, strlen(handle));
	cj_target_free(target);
	assert_opens(pid, handle);
	(void)snprintf(text, sizeof(text), "pid:%s", handle);
	assert_opens(pid, text);
	(void)snprintf(text, sizeof(text), "%d:s1", pid);
	assert_refused(text, -ESRCH, NULL);
	end(pid);
	assert_refused(handle, -ESRCH, NULL);
}

static void self_is_the_caller(void **state)
{
	(void)state;
	assert_opens(getpid(), "self");
	assert_refused("self:", -EINVAL, "self:");
	assert_refused("selfish", -ENOTNAM, "selfish");
}

static void what_is_no_target_is_refused_by_name(void **state)
{
	static const struct {
		const char *text;
		int error;
	} wrong[] = {
		{"", -EINVAL},	       {":", -EINVAL},		 {":1", -EINVAL},
		{"0", -EINVAL},	       {"99999999999", -EINVAL}, {"pid:", -EINVAL},
		{"pid:0", -EINVAL},    {"pid:-1", -EINVAL},	 {"pid:self", -EINVAL},
		{"pid: 1", -EINVAL},   {"pid:1:", -EINVAL},	 {"pid:1:x", -EINVAL},
		{"nope:1", -EINVAL},   {"PID:1", -EINVAL},	 {"pids:1", -EINVAL},
		{"1:x", -EINVAL},      {"1::", -EINVAL},	 {"comm:", -EINVAL},
		{"cgroup:", -EINVAL},  {"cgroup:x", -EINVAL},	 {"123abc", -ENOTNAM},
		{"-1", -ENOTNAM},      {" 1", -ENOTNAM},	 {"conjoin-unit-nobody", -ENOTNAM},
		{"/proc/1", -ENOTNAM}, {"pid:4194304", -ESRCH},	 {"4194304", -ESRCH},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++)
		assert_refused(wrong[i].text, wrong[i].error, NULL);
	assert_refused("pid:123abc", -EINVAL, "123abc");
	assert_refused("nope:1", -EINVAL, "nope:1");
}

static void a_process_that_has_ended_is_no_target_even_before_it_is_reaped(void **state)
{
	pid_t pid = spawn_idle();
	char text[16];

	(void)state;
	(void)snprintf(text, sizeof(text), "%d", pid);
	make_zombie(pid);
	assert_refused(text, -ESRCH, NULL);
	end(pid);
	assert_refused(text, -ESRCH, NULL);
}

static void a_target_knows_when_its_process_has_ended(void **state)
{
	pid_t pid = spawn_idle();
	struct cj_target *target = open_target("%d", pid);

	(void)state;
	assert_int_equal(fcntl(cj_target_pidfd(target), F_GETFD), FD_CLOEXEC);
	end(pid);
	assert_int_equal(cj_target_verify(target), -ESRCH);
	cj_target_free(target);
	cj_target_free(NULL);
}

/* --- pidfile --- */

static void a_pidfile_holds_a_pid_and_perhaps_more_lines(void **state)
{
	static const char *const endings[] = {"", "\n", "\r\n", " \n", "\nsecond line\n"};
	struct tree *tree = *state;
	pid_t pid = spawn_idle();

	for (size_t i = 0; i < ELEMENTS(endings); i++) {
		char content[64];

		(void)snprintf(content, sizeof(content), "%d%s", pid, endings[i]);
		write_text(tree, "pid", content);
		struct cj_target *target = open_target("pidfile:%s/pid", tree->path);
		assert_int_equal(cj_target_pid(target), pid);
		cj_target_free(target);
	}
	end(pid);
}

static void a_pidfile_without_a_pid_is_refused(void **state)
{
	static const char *const contents[] = {
		"",
		"\n",
		"x",
		"0\n",
		"-1\n",
		"12x\n",
		"4294967297\n",
		"1.5",
		"0x10",
		"00000000000000000000000000000000000000000000000001"};
	struct tree *tree = *state;
	char text[128];

	(void)snprintf(text, sizeof(text), "pidfile:%s/pid", tree->path);
	assert_refused(text, -ENOENT, "pid");
	for (size_t i = 0; i < ELEMENTS(contents); i++) {
		write_text(tree, "pid", contents[i]);
		assert_refused(text, -EINVAL, tree->path);
	}
	write_text(tree, "pid", "4194304\n");
	assert_refused(text, -ESRCH, NULL);
	assert_refused("pidfile:", -ENOENT, NULL);
	(void)snprintf(text, sizeof(text), "pidfile:%s", tree->path);
	assert_refused(text, -EISDIR, tree->path);
}

static void a_pidfile_that_is_a_fifo_keeps_nobody_waiting(void **state)
{
	struct tree *tree = *state;
	char text[128];

	assert_int_equal(mkfifoat(tree->fd, "pid", 0600), 0);
	(void)snprintf(text, sizeof(text), "pidfile:%s/pid", tree->path);
	assert_refused(text, -EINVAL, tree->path);
}

/* --- comm --- */

static pid_t spawn_named(const char *name)
{
	int fds[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NAME, name, 0, 0, 0);
		(void)io_write_all(fds[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(io_read(fds[0], &c, 1), 1);
	close_fd(&fds[0]);
	close_fd(&fds[1]);
	return pid;
}

static void the_only_process_of_a_name_is_found(void **state)
{
	pid_t pid = spawn_named("cj) S 1 (u\n"), other = spawn_named("cj-unit-longer-name");

	(void)state;
	assert_opens(pid, "comm:cj) S 1 (u\n");
	/* the kernel keeps 15 bytes */
	assert_opens(other, "comm:cj-unit-longer-name");
	assert_opens(other, "comm:cj-unit-longer-");
	assert_refused("comm:cj-unit-longer", -ESRCH, "cj-unit-longer");
	end(pid);
	end(other);
	assert_refused("comm:cj) S 1 (u", -ESRCH, NULL);
}

static void several_of_a_name_are_listed_and_none_is_picked(void **state)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_target *target = NULL;
	pid_t pids[20];
	char number[16];

	(void)state;
	for (size_t i = 0; i < ELEMENTS(pids); i++)
		pids[i] = spawn_named("cj-unit-many");
	assert_int_equal(cj_target_open("comm:cj-unit-many", &target, &err), -ENOTUNIQ);
	for (size_t i = 0; i < ELEMENTS(pids); i++)
		end(pids[i]);
	assert_null(target);
	(void)snprintf(number, sizeof(number), " %d", pids[0]);
	assert_names(&err, number);
	assert_names(&err, "more");
	assert_string_not_equal(err.hint, "");
}

/* --- cgroup --- */

static void a_cgroup_without_a_process_names_nobody(void **state)
{
	struct tree *tree = *state;
	char text[128];

	assert_refused("cgroup:/no/such/cgroup", -ESRCH, "/no/such/cgroup");
	(void)snprintf(text, sizeof(text), "cgroup:%s", tree->path); /* no cgroup at all */
	write_text(tree, "cgroup.procs", "1\n");
	assert_refused(text, -ESRCH, tree->path);
}

#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_a_pid_with_or_without_its_scheme),
		cmocka_unit_test(a_handle_is_taken_wherever_a_target_is),
		cmocka_unit_test(self_is_the_caller),
		cmocka_unit_test(what_is_no_target_is_refused_by_name),
		cmocka_unit_test(a_process_that_has_ended_is_no_target_even_before_it_is_reaped),
		cmocka_unit_test(a_target_knows_when_its_process_has_ended),
		WITH_TREE(a_pidfile_holds_a_pid_and_perhaps_more_lines),
		WITH_TREE(a_pidfile_without_a_pid_is_refused),
		WITH_TREE(a_pidfile_that_is_a_fifo_keeps_nobody_waiting),
		cmocka_unit_test(the_only_process_of_a_name_is_found),
		cmocka_unit_test(several_of_a_name_are_listed_and_none_is_picked),
		WITH_TREE(a_cgroup_without_a_process_names_nobody),
	};

	if (!knows_call(SYS_pidfd_open))
		return run_none("target");
	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
