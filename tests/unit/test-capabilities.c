/* SPDX-License-Identifier: MIT
 *
 * Sets of capabilities as words and as bits, and taking them on.
 */
#include "unit.h"

#include <linux/capability.h>

#include "sys/capabilities.h"
#include "sys/proc.h"

static uint64_t parse(const char *text)
{
	struct cj_error err = CJ_ERROR_INIT;
	uint64_t set = 0;

	if (capabilities_parse(text, &set, &err) < 0)
		fail_msg("%s", err.text);
	return set;
}

static void names_are_read_in_either_case_with_or_without_cap(void **state)
{
	(void)state;
	assert_true(parse("NET_ADMIN") == CAPABILITY(CAP_NET_ADMIN));
	assert_true(parse("net_admin") == CAPABILITY(CAP_NET_ADMIN));
	assert_true(parse("CAP_NET_ADMIN") == CAPABILITY(CAP_NET_ADMIN));
	assert_true(parse("Cap_Net_Admin") == CAPABILITY(CAP_NET_ADMIN));
	assert_true(parse("chown,cap_sys_ptrace,CHOWN") ==
		    (CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_SYS_PTRACE)));
	assert_true(parse("all") == capabilities_all());
	assert_true(parse("kill,ALL") == capabilities_all());
	assert_true(parse("checkpoint_restore") == CAPABILITY(CAP_CHECKPOINT_RESTORE));
}

static void a_word_that_is_no_capability_is_named(void **state)
{
	static const struct {
		const char *text, *named;
	} wrong[] = {
		{"", "\"\""},
		{"kill,", "\"\""},
		{"kill,,chown", "\"\""},
		{"kill,nonsense", "\"nonsense\""},
		{"cap_", "\"cap_\""},
		{"cap_cap_kill", "\"cap_cap_kill\""},
		{"kill ", "\"kill \""},
		{"kill+ep", "\"kill+ep\""},
		{"CAP_all", "\"CAP_all\""},
		{"99", "\"99\""},
		{"-1", "\"-1\""},
		{"a_name_that_is_far_longer_than_any_capability_has_ever_been_called_by_anyone",
		 "far_longer"}};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++) {
		struct cj_error err = CJ_ERROR_INIT;
		uint64_t set = 77;

		if (capabilities_parse(wrong[i].text, &set, &err) != -EINVAL)
			fail_msg("\"%s\" was taken as capabilities", wrong[i].text);
		assert_int_equal(set, 77);
		assert_names(&err, wrong[i].named);
	}
}

static void a_set_is_written_in_words_that_can_be_read_again(void **state)
{
	char text[2048];

	(void)state;
	capabilities_format(0, text, sizeof(text));
	assert_string_equal(text, "none");
	capabilities_format(capabilities_all(), text, sizeof(text));
	assert_string_equal(text, "all");
	for (int i = 0; i <= CAP_LAST_CAP; i++) {
		uint64_t set = CAPABILITY(i) | CAPABILITY(CAP_CHOWN);

		capabilities_format(set, text, sizeof(text));
		assert_true(parse(text) == set);
	}
	capabilities_format(capabilities_all() & ~CAPABILITY(CAP_KILL), text, sizeof(text));
	assert_true(parse(text) == (capabilities_all() & ~CAPABILITY(CAP_KILL)));
}

static void a_capability_without_a_name_is_a_number(void **state)
{
	char text[32];

	(void)state;
	capability_name(CAP_SYS_ADMIN, text, sizeof(text));
	assert_string_equal(text, "CAP_SYS_ADMIN");
	capability_name(63, text, sizeof(text));
	assert_string_equal(text, "CAP_63");
	capabilities_format(CAPABILITY(0) | CAPABILITY(63), text, sizeof(text));
	assert_string_equal(text, "CHOWN,63");
}

static void a_set_is_cut_where_it_does_not_fit(void **state)
{
	char text[8];

	(void)state;
	capabilities_format(CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_KILL), text, sizeof(text));
	assert_int_equal(strlen(text), sizeof(text) - 1);
}

static void all_is_what_the_kernel_knows(void **state)
{
	char text[32];
	_cleanup_fd_ int fd = open("/proc/sys/kernel/cap_last_cap", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(io_read_small(fd, text, sizeof(text)) > 0);
	long last = strtol(text, NULL, 10);
	assert_true(capabilities_all() == (UINT64_C(2) << last) - 1);
}

static uint64_t take_on_and_look(const struct capability_sets *sets, struct proc_status *ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int proc = -EBADF;

	if (capabilities_bound(sets->bounding) < 0 ||
	    capabilities_set(sets->inheritable, sets->permitted, sets->effective) < 0 ||
	    capabilities_ambient(sets->ambient) < 0 || proc_open(0, &proc, NULL) < 0 ||
	    proc_read(proc, "status", 1 << 20, &text) < 0)
		return 1;
	return proc_parse_status(text.data, ret) < 0;
}

static void the_kernel_shows_the_sets_that_were_taken_on(void **state)
{
	const uint64_t some = CAPABILITY(CAP_KILL) | CAPABILITY(CAP_NET_RAW);
	const struct capability_sets sets = {
		.inheritable = CAPABILITY(CAP_KILL),
		.permitted = some,
		.effective = CAPABILITY(CAP_NET_RAW),
		.bounding = some | CAPABILITY(CAP_CHOWN),
		.ambient = CAPABILITY(CAP_KILL),
	};
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip(); /* nothing to give up */
	pid = fork();
	if (pid == 0) {
		struct proc_status is = PROC_STATUS_INIT;
		uint64_t r = take_on_and_look(&sets, &is);
		bool same = is.inheritable == sets.inheritable && is.permitted == sets.permitted &&
			    is.effective == sets.effective && is.bounding == sets.bounding &&
			    is.ambient == sets.ambient;

		proc_status_done(&is);
		_exit(r == 0 && same ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* What execve leaves: capabilities(7). The securebits of whoever runs the tests are the usual ones. */
static void rights_that_would_not_outlive_execve_are_known(void **state)
{
	const uint64_t all = CAPABILITY(5) - 1, some = CAPABILITY(3);
	struct capability_sets root = {.permitted = all, .bounding = all};
	struct capability_sets user = {.permitted = some, .bounding = all};

	(void)state;
	assert_true(capabilities_survive_execve(0, &root));
	root.bounding = all & ~some;
	assert_false(capabilities_survive_execve(0, &root));
	root.inheritable = some;
	assert_true(capabilities_survive_execve(0, &root));
	assert_false(capabilities_survive_execve(1000, &user));
	user.inheritable = user.ambient = some;
	assert_true(capabilities_survive_execve(1000, &user));
	user.permitted = user.ambient = 0;
	assert_true(capabilities_survive_execve(1000, &user));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read_in_either_case_with_or_without_cap),
		cmocka_unit_test(a_word_that_is_no_capability_is_named),
		cmocka_unit_test(a_set_is_written_in_words_that_can_be_read_again),
		cmocka_unit_test(a_capability_without_a_name_is_a_number),
		cmocka_unit_test(a_set_is_cut_where_it_does_not_fit),
		cmocka_unit_test(all_is_what_the_kernel_knows),
		cmocka_unit_test(the_kernel_shows_the_sets_that_were_taken_on),
		cmocka_unit_test(rights_that_would_not_outlive_execve_are_known),
	};

	return cmocka_run_group_tests_name("capabilities", tests, NULL, NULL);
}
