/* SPDX-License-Identifier: MIT
 *
 * What is read of /proc/PID: files as kernels wrote them, and files that none did.
 */
#include "unit.h"

#include <sys/prctl.h>

#include "sys/proc.h"
#include "sys/process.h"

static void read_status(const char *name, struct proc_status *ret)
{
	_cleanup_(bytes_done) struct bytes text = read_data(name);

	assert_int_equal(proc_parse_status(text.data, ret), 0);
}

static void a_status_is_taken_as_the_kernel_wrote_it(void **state)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;

	(void)state;
	read_status("proc/status-docker", &status);
	assert_string_equal(status.comm, "nginx");
	assert_int_equal(status.state, 'S');
	assert_true(status.has_memory);
	assert_true(status.has_umask);
	assert_int_equal(status.umask, 027);
	assert_int_equal(status.tgid, 48213);
	assert_int_equal(status.inside, 1);
	assert_int_equal(status.uid[3], 101);
	assert_int_equal(status.n_groups, 3);
	assert_int_equal(status.groups[0], 101);
	assert_true(status.groups[2] == 4294967294U);
	assert_true(status.permitted == 0xa80425fb && status.bounding == 0xa80425fb);
	assert_true(status.inheritable == 0 && status.effective == 0x400);
	assert_true(status.ambient == 0x400);
	assert_true(status.no_new_privs);
	assert_int_equal(status.seccomp, 2);
	assert_int_equal(status.seccomp_filters, 1);
}

static void fields_that_a_kernel_does_not_have_are_left_unknown(void **state)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;

	(void)state;
	read_status("proc/status-no-pid-ns", &status);
	assert_int_equal(status.inside, 0);
	assert_int_equal(status.seccomp_filters, -1);
	assert_int_equal(status.n_groups, 0);
	assert_int_equal(status.uid[0], 1000);
	assert_int_equal(status.uid[1], 0);
	assert_true(status.bounding == 0x3fffffffff);
}

static void a_zombie_and_a_kernel_thread_have_no_memory(void **state)
{
	_cleanup_(proc_status_done) struct proc_status zombie = PROC_STATUS_INIT;
	_cleanup_(proc_status_done) struct proc_status thread = PROC_STATUS_INIT;

	(void)state;
	read_status("proc/status-zombie", &zombie);
	assert_int_equal(zombie.state, 'Z');
	assert_false(zombie.has_memory);
	assert_false(zombie.has_umask);
	assert_int_equal(zombie.inside, 3);
	read_status("proc/status-kernel-thread", &thread);
	assert_false(thread.has_memory);
	assert_string_equal(thread.comm, "kworker/u16:3-events_unbound");
}

/* The file with one line replaced, or cut off there (`with` of NULL). */
static int parse_with(const char *key, const char *with, struct proc_status *ret)
{
	_cleanup_(bytes_done) struct bytes text = read_data("proc/status-docker");
	_cleanup_free_ char *changed = NULL;
	char *line = strstr(text.data, key);
	const char *rest;

	assert_non_null(line);
	rest = strchr(line, '\n') + 1;
	line[0] = '\0';
	assert_true(asprintf(&changed, "%s%s%s", text.data, with ? with : "", with ? rest : "") >=
		    0);
	return proc_parse_status(changed, ret);
}

static void a_name_can_not_pass_for_another_field(void **state)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;

	(void)state;
	assert_int_equal(parse_with("Name:", "Name:\tUid:\t0\\n0\nX:\n", &status), 0);
	assert_string_equal(status.comm, "Uid:\t0\\n0");
	assert_int_equal(status.uid[0], 101);
}

static void what_is_not_a_status_file_is_refused(void **state)
{
	static const char *const required[] = {
		"Name:",   "State:",  "Tgid:",	 "Uid:",    "Gid:",	   "Groups:", "CapInh:",
		"CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:"};
	struct proc_status status = PROC_STATUS_INIT;

	(void)state;
	assert_int_equal(proc_parse_status("", &status), -EBADMSG);
	assert_int_equal(proc_parse_status("\n\n\n", &status), -EBADMSG);
	for (size_t i = 0; i < ELEMENTS(required); i++) {
		if (parse_with(required[i], "", &status) != -EBADMSG)
			fail_msg("%s may be missing", required[i]);
		if (parse_with(required[i], NULL, &status) != -EBADMSG)
			fail_msg("the file may end before %s", required[i]);
	}
	assert_int_equal(parse_with("Uid:", "Uid:\t1\t2\t3\n", &status), -EBADMSG);
	assert_int_equal(parse_with("CapEff:", "CapEff:\tnone\n", &status), -EBADMSG);
	assert_int_equal(status.state, 0);
	assert_null(status.groups);
}

static void a_member_of_65536_groups_keeps_all_of_them(void **state)
{
	enum { GROUPS = 65536 };
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	_cleanup_free_ char *line = malloc(12 * GROUPS + 16);
	size_t n = 0;

	(void)state;
	assert_non_null(line);
	n += (size_t)snprintf(line, 16, "Groups:\t");
	for (unsigned int i = 0; i < GROUPS; i++)
		n += (size_t)snprintf(line + n, 12, "%u ", 100000 + i);
	(void)snprintf(line + n, 2, "\n");
	assert_int_equal(parse_with("Groups:", line, &status), 0);
	assert_int_equal(status.n_groups, GROUPS);
	assert_int_equal(status.groups[GROUPS - 1], 100000 + GROUPS - 1);
}

static void our_own_status_agrees_with_the_calls_that_tell_the_same(void **state)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int proc = -EBADF;
	mode_t mask = umask(0124);

	(void)state;
	assert_int_equal(proc_open(getpid(), &proc, NULL), 0);
	assert_int_equal(proc_read(proc, "status", 1 << 20, &text), 0);
	(void)umask(mask);
	assert_int_equal(proc_parse_status(text.data, &status), 0);
	assert_int_equal(status.umask, 0124);
	assert_int_equal(status.tgid, getpid());
	assert_int_equal(status.uid[0], getuid());
	assert_int_equal(status.uid[1], geteuid());
	assert_int_equal(status.gid[0], getgid());
	assert_int_equal(status.n_groups, getgroups(0, NULL));
	assert_int_equal(status.no_new_privs, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

/* --- stat --- */

static void a_start_time_is_found_behind_any_name(void **state)
{
	uint64_t time = 77;

	(void)state;
	assert_int_equal(
		proc_parse_start_time("31 (a) S 2) R 1 31 31 0 -1 4194304 9 0 0 0 0 0 0 0 20 0 1 0 "
				      "90210 2678784 210 18446744073709551615 1\n",
				      &time),
		0);
	assert_int_equal(time, 90210);
	assert_int_equal(proc_parse_start_time("31 (a) R 1 31 31 0 -1 4194304 9\n", &time),
			 -EBADMSG);
	assert_int_equal(proc_parse_start_time("", &time), -EBADMSG);
	assert_int_equal(time, 90210);
}

/* --- limits --- */

static void limits_are_those_of_prlimit(void **state)
{
	_cleanup_(bytes_done) struct bytes text = read_data("proc/limits");
	struct limits limits;

	(void)state;
	assert_int_equal(limits_parse(text.data, &limits), 0);
	assert_true(limits.of[RLIMIT_CPU].rlim_cur == RLIM64_INFINITY);
	assert_int_equal(limits.of[RLIMIT_NOFILE].rlim_cur, 1024);
	assert_int_equal(limits.of[RLIMIT_NOFILE].rlim_max, 524288);
	assert_int_equal(limits.of[RLIMIT_FSIZE].rlim_cur, 1048576);
	assert_true(limits.of[RLIMIT_AS].rlim_max == UINT64_C(18446744073709551614));
	assert_int_equal(limits.of[RLIMIT_RTPRIO].rlim_max, 99);
}

static void our_own_limits_read_the_same_both_ways(void **state)
{
	struct limits by_file, by_call;
	_cleanup_fd_ int proc = -EBADF;

	(void)state;
	assert_int_equal(proc_open(0, &proc, NULL), 0);
	assert_int_equal(limits_read_file(proc, &by_file), 0);
	assert_int_equal(limits_read(0, -EBADF, &by_call), 0);
	for (int i = 0; i < LIMITS; i++)
		if (i != RLIMIT_NOFILE) /* valgrind keeps some for itself */
			assert_memory_equal(&by_file.of[i], &by_call.of[i], sizeof(by_file.of[i]));
}

static void a_limits_file_with_a_hole_is_refused(void **state)
{
	_cleanup_(bytes_done) struct bytes text = read_data("proc/limits");
	struct limits limits = {.of = {{77, 77}}};
	char *line = strstr(text.data, "Max open files");

	(void)state;
	line[4] = 'x';
	assert_int_equal(limits_parse(text.data, &limits), -EBADMSG);
	line[4] = 'o';
	memset(line + 20, ' ', 20);
	memcpy(line + 26, "some", 4);
	assert_int_equal(limits_parse(text.data, &limits), -EBADMSG);
	assert_int_equal(limits_parse("", &limits), -EBADMSG);
	assert_int_equal(limits.of[0].rlim_cur, 77);
}

static void every_limit_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < LIMITS; i++)
		assert_int_equal(limit_index(limit_kinds[i].name), i);
	assert_int_equal(limit_index("nofiles"), -EINVAL);
	assert_int_equal(limit_index(""), -EINVAL);
}

/* --- files of one number --- */

static void a_number_file_holds_one_number(void **state)
{
	struct tree *tree = *state;
	int64_t n = 77;

	write_text(tree, "oom", "-1000\n");
	write_text(tree, "mask", "00000033\n");
	write_text(tree, "two", "1 2\n");
	write_text(tree, "empty", "");
	assert_int_equal(proc_read_number(tree->fd, "oom", 10, &n), 0);
	assert_int_equal(n, -1000);
	assert_int_equal(proc_read_number(tree->fd, "mask", 16, &n), 0);
	assert_int_equal(n, 0x33);
	assert_int_equal(proc_read_number(tree->fd, "two", 10, &n), -EBADMSG);
	assert_int_equal(proc_read_number(tree->fd, "empty", 10, &n), -ESRCH);
	assert_int_equal(proc_read_number(tree->fd, "missing", 10, &n), -ENOENT);
	assert_int_equal(n, 0x33);
}

static void a_number_file_never_wraps(void **state)
{
	struct tree *tree = *state;
	int64_t n = 77;

	write_text(tree, "large", "9223372036854775808\n");
	write_text(tree, "most", "9223372036854775807\n");
	assert_int_equal(proc_read_number(tree->fd, "large", 10, &n), -EBADMSG);
	assert_int_equal(n, 77);
	assert_int_equal(proc_read_number(tree->fd, "most", 10, &n), 0);
	assert_true(n == INT64_MAX);
}

/* --- affinity --- */

static void an_affinity_is_a_list_of_ranges(void **state)
{
	static const char *const right[] = {"0", "0-3,7", "63-64", "5,8191", "0-8191"};
	struct affinity affinity;
	char text[64];

	(void)state;
	for (size_t i = 0; i < ELEMENTS(right); i++) {
		assert_int_equal(affinity_parse(right[i], &affinity), 0);
		affinity_format(&affinity, text, sizeof(text));
		assert_string_equal(text, right[i]);
	}
	assert_int_equal(affinity.size, sizeof(affinity.mask));
	assert_int_equal(affinity_parse("3,1,2,2-3", &affinity), 0);
	affinity_format(&affinity, text, sizeof(text));
	assert_string_equal(text, "1-3");
	assert_int_equal(affinity.size, sizeof(affinity.mask[0]));
}

static void what_is_no_affinity_is_refused(void **state)
{
	static const char *const wrong[] = {"",
					    ",",
					    "0,",
					    ",0",
					    "-1",
					    "0-",
					    "3-1",
					    "a",
					    "0-b",
					    "0 1",
					    "+1",
					    " 1",
					    "8192",
					    "0-8192",
					    "0-1-2",
					    "0x1",
					    "4294967296",
					    "0-4294967297",
					    "18446744073709551616",
					    "99999999999999999999999"};
	struct affinity affinity = {.size = 77};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++)
		if (affinity_parse(wrong[i], &affinity) >= 0)
			fail_msg("\"%s\" was taken as an affinity", wrong[i]);
	assert_int_equal(affinity.size, 77);
}

static void an_affinity_is_cut_where_it_does_not_fit(void **state)
{
	struct affinity affinity, ours;
	char text[8];

	(void)state;
	assert_int_equal(affinity_parse("0,2,4,6,8,10,12", &affinity), 0);
	affinity_format(&affinity, text, sizeof(text));
	assert_string_equal(text, "0,2,4,6");
	assert_int_equal(affinity_read(0, &ours), 0);
	assert_true(ours.size > 0);
	assert_true(affinity_equal(&ours, &ours));
}

/* --- labels --- */

static void make_attr(const struct tree *tree, const char *file, const char *text)
{
	make_directory(tree, "attr");
	make_directory(tree, "attr/apparmor");
	write_text(tree, "attr/current", text); /* every kernel with labels has it */
	write_text(tree, file, text);
}

static void an_apparmor_label_comes_without_its_mode(void **state)
{
	struct tree *tree = *state;
	struct label label;

	make_attr(tree, "attr/apparmor/current", "docker-default (enforce)\n");
	assert_int_equal(label_read(tree->fd, &label), 0);
	assert_int_equal(label.module, LABEL_APPARMOR);
	assert_string_equal(label.text, "docker-default");
	write_text(tree, "attr/apparmor/current", "unconfined\n");
	assert_int_equal(label_read(tree->fd, &label), 0);
	assert_string_equal(label.text, "unconfined");
}

static void the_older_file_tells_apparmor_from_selinux(void **state)
{
	struct tree *tree = *state;
	struct label label;

	make_attr(tree, "attr/current", "docker-default (enforce)\n");
	assert_int_equal(label_read(tree->fd, &label), 0);
	assert_int_equal(label.module, LABEL_APPARMOR);
	assert_string_equal(label.text, "docker-default");
	write_bytes(tree, "attr/current", "system_u:system_r:container_t:s0:c1,c2", 39);
	assert_int_equal(label_read(tree->fd, &label), 0);
	assert_int_equal(label.module, LABEL_SELINUX);
	assert_string_equal(label.text, "system_u:system_r:container_t:s0:c1,c2");
}

static void a_label_that_is_not_there_is_none_and_a_long_one_an_error(void **state)
{
	struct tree *tree = *state;
	struct label label = {.module = LABEL_SELINUX};
	char text[1024];

	assert_int_equal(label_read(tree->fd, &label), 0);
	assert_int_equal(label.module, LABEL_NONE);
	assert_string_equal(label.text, "");
	memset(text, 'l', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	make_attr(tree, "attr/apparmor/current", text);
	assert_int_equal(label_read(tree->fd, &label), -ERANGE);
	assert_int_equal(label.module, LABEL_NONE);
}

#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_status_is_taken_as_the_kernel_wrote_it),
		cmocka_unit_test(fields_that_a_kernel_does_not_have_are_left_unknown),
		cmocka_unit_test(a_zombie_and_a_kernel_thread_have_no_memory),
		cmocka_unit_test(a_name_can_not_pass_for_another_field),
		cmocka_unit_test(what_is_not_a_status_file_is_refused),
		cmocka_unit_test(a_member_of_65536_groups_keeps_all_of_them),
		cmocka_unit_test(our_own_status_agrees_with_the_calls_that_tell_the_same),
		cmocka_unit_test(a_start_time_is_found_behind_any_name),
		cmocka_unit_test(limits_are_those_of_prlimit),
		cmocka_unit_test(our_own_limits_read_the_same_both_ways),
		cmocka_unit_test(a_limits_file_with_a_hole_is_refused),
		cmocka_unit_test(every_limit_has_a_name_of_its_own),
		WITH_TREE(a_number_file_holds_one_number),
		WITH_TREE(a_number_file_never_wraps),
		cmocka_unit_test(an_affinity_is_a_list_of_ranges),
		cmocka_unit_test(what_is_no_affinity_is_refused),
		cmocka_unit_test(an_affinity_is_cut_where_it_does_not_fit),
		WITH_TREE(an_apparmor_label_comes_without_its_mode),
		WITH_TREE(the_older_file_tells_apparmor_from_selinux),
		WITH_TREE(a_label_that_is_not_there_is_none_and_a_long_one_an_error),
	};

	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
