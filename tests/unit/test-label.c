/* SPDX-License-Identifier: MIT
 *
 * What is written for a label, and where: into a made-up attr directory, since no machine has both
 * AppArmor and SELinux. Not here: reading labels (test-proc.c).
 */
#include "unit.h"

#include "sys/process.h"

static void check_file(const struct tree *tree, const char *name, const char *wanted)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int fd = openat(tree->fd, name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(io_read_all(fd, 4096, &text), 0);
	assert_string_equal(text.data ? text.data : "", wanted);
}

static void a_selinux_context_is_written_as_it_is(void **state)
{
	const struct label label = {LABEL_SELINUX, "system_u:system_r:container_t:s0:c1,c2"};
	struct tree *tree = *state;

	write_text(tree, "exec", "");
	write_text(tree, "current", "");
	assert_int_equal(label_set_exec(tree->fd, &label), 0);
	check_file(tree, "exec", label.text);
	check_file(tree, "current", ""); /* of this moment, not of execve: never touched */
}

static void an_apparmor_profile_is_written_behind_the_word_exec(void **state)
{
	const struct label label = {LABEL_APPARMOR, "docker-default"};
	struct tree *tree = *state;

	make_directory(tree, "apparmor");
	write_text(tree, "apparmor/exec", "");
	write_text(tree, "exec", "");
	assert_int_equal(label_set_exec(tree->fd, &label), 0);
	check_file(tree, "apparmor/exec", "exec docker-default");
	check_file(tree, "exec", ""); /* with both modules stacked this one may be SELinux's */
}

static void an_older_kernel_has_apparmor_s_file_above(void **state)
{
	const struct label label = {LABEL_APPARMOR, "docker-default"};
	struct tree *tree = *state;

	write_text(tree, "exec", "");
	assert_int_equal(label_set_exec(tree->fd, &label), 0);
	check_file(tree, "exec", "exec docker-default");
}

static void a_label_that_can_not_be_written_is_an_error(void **state)
{
	const struct label label = {LABEL_SELINUX, "system_u:system_r:container_t:s0"};
	struct tree *tree = *state;

	assert_int_equal(label_set_exec(tree->fd, &label), -ENOENT);
}

#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TREE(a_selinux_context_is_written_as_it_is),
		WITH_TREE(an_apparmor_profile_is_written_behind_the_word_exec),
		WITH_TREE(an_older_kernel_has_apparmor_s_file_above),
		WITH_TREE(a_label_that_can_not_be_written_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
