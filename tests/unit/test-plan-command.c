/* SPDX-License-Identifier: MIT
 *
 * Plans: the environment, and what is executed.
 */
#include "plan.h"

#include "lib/elsewhere.h"

#define ENVIRON "PATH=/a:/b\0A=1\0broken\0\0A=2\0B=\xff\n=\0HOME=/old"

static struct facts facts_with_environ(void)
{
	struct facts facts = facts_of_container();

	facts.target.environ = bytes_of(ENVIRON, sizeof(ENVIRON));
	facts.passwd = text_of("root:x:0:0::/root:/bin/bash\ntoor:x:0:0::/toor:/bin/ksh\n"
			       "app:x:1000:1001:::/usr/sbin/nologin\n");
	return facts;
}

static void assert_env(const struct cj_plan *plan, const char *const *want)
{
	size_t i = 0;

	for (; want[i]; i++) {
		assert_non_null(plan->env[i]);
		assert_string_equal(plan->env[i], want[i]);
	}
	assert_null(plan->env[i]);
}

static void the_environment_is_kept_byte_for_byte(void **state)
{
	static const char *const want[] = {"PATH=/a:/b", "A=1",	      "broken",	   "",
					   "A=2",	 "B=\xff\n=", "HOME=/old", NULL};
	struct cj_plan *plan = make_plan(facts_with_environ(), OPTIONS());

	(void)state;
	assert_env(plan, want);
	cj_plan_free(plan);
}

static void variables_are_set_once_and_taken_away(void **state)
{
	static const char *const change[] = {"A=3", "B", "NEW=", "broken", NULL};
	static const char *const want[] = {"PATH=/a:/b", "A=3",	 "broken", "",
					   "HOME=/old",	 "NEW=", NULL};
	struct cj_plan *plan = make_plan(facts_with_environ(), OPTIONS(.env = change));

	(void)state;
	assert_env(plan, want);
	cj_plan_free(plan);
	assert_no_plan(facts_with_environ(), OPTIONS(.env = (const char *[]){"=x", NULL}), -EINVAL,
		       "=x");
}

static void a_cleared_environment_holds_what_was_asked_for(void **state)
{
	static const char *const change[] = {"A=3", NULL};
	static const char *const want[] = {"TERM=xterm", "A=3", NULL};
	struct cj_plan *plan =
		make_plan(facts_with_environ(),
			  OPTIONS(.clear_env = true, .env = change, .terminal = "xterm"));

	(void)state;
	assert_env(plan, want);
	cj_plan_free(plan);
}

static void a_user_brings_his_home_unless_asked_otherwise(void **state)
{
	static const char *const change[] = {"HOME=/mine", NULL};
	static const char *const want[] = {"HOME=/", "USER=app", "LOGNAME=app", NULL};
	static const char *const mine[] = {"HOME=/mine", NULL};
	struct cj_plan *plan =
		make_plan(facts_with_environ(), OPTIONS(.user = "app", .clear_env = true));

	(void)state;
	assert_env(plan, want);
	cj_plan_free(plan);
	plan = make_plan(facts_with_environ(),
			 OPTIONS(.user = "4711", .clear_env = true, .env = change));
	assert_env(plan, mine);
	cj_plan_free(plan);
}

static void a_user_who_shares_his_number_keeps_his_own_name(void **state)
{
	static const char *const want[] = {"HOME=/toor", "USER=toor", "LOGNAME=toor", NULL};
	struct cj_plan *plan =
		make_plan(facts_with_environ(), OPTIONS(.user = "toor", .clear_env = true));

	(void)state;
	assert_env(plan, want);
	cj_plan_free(plan);
}

static void a_name_is_looked_for_in_the_final_path(void **state)
{
	static const char *const change[] = {"PATH=/x::/y", NULL};
	struct cj_plan *plan = make_plan(facts_with_environ(), OPTIONS(.env = change));

	(void)state;
	assert_int_equal(plan->n_candidates, 3);
	assert_string_equal(plan->candidates[0].path, "/x/true");
	assert_string_equal(plan->candidates[1].path, "./true");
	assert_string_equal(plan->candidates[2].path, "/y/true");
	cj_plan_free(plan);
	plan = make_plan(facts_with_environ(),
			 OPTIONS(.argv = (const char *[]){"./x", "", "-a", NULL}));
	assert_int_equal(plan->n_candidates, 1);
	assert_string_equal(plan->candidates[0].path, "./x");
	assert_string_equal(cj_plan_argv(plan)[2], "-a");
	assert_null(cj_plan_argv(plan)[3]);
	cj_plan_free(plan);
}

static void without_a_command_it_is_the_login_shell_else_sh(void **state)
{
	static const char *const nothing[] = {NULL};
	struct cj_plan *plan = make_plan(facts_with_environ(), OPTIONS(.argv = nothing));

	(void)state;
	assert_string_equal(plan->argv[0], "/bin/bash");
	assert_string_equal(plan->candidates[0].path, "/bin/bash");
	assert_string_equal(plan->candidates[1].path, "/a/sh");
	cj_plan_free(plan);
	plan = make_plan(facts_with_environ(), OPTIONS(.argv = nothing, .user = "app"));
	assert_string_equal(plan->argv[0], "sh"); /* nologin isn't one */
	cj_plan_free(plan);
}

/* Files beneath `tree`, which is the target's root; all but "plain" may be executed. */
static void make_files(const struct tree *tree)
{
	static const char *const directories[] = {"bin", "usr", "usr/bin", "usr/sbin", "a"};
	static const char *const files[] = {"usr/bin/in-usr", "a/in-path", "bin/in-bin",
					    "usr/bin/both",   "bin/both",  "usr/bin/plain"};

	for (size_t i = 0; i < ELEMENTS(directories); i++)
		make_directory(tree, directories[i]);
	for (size_t i = 0; i < ELEMENTS(files); i++) {
		write_text(tree, files[i], "#!/bin/sh\n");
		assert_int_equal(fchmodat(tree->fd, files[i],
					  strstr(files[i], "plain") ? 0644 : 0755, 0),
				 0);
	}
}

/* What is tried last for `command`, which wasn't found as given; NULL: that's all there is. */
static void assert_elsewhere(const struct tree *tree, const char *command, const char *want)
{
	const char *const argv[] = {command, NULL};
	struct cj_exec_options options = OPTIONS(.argv = argv, .rootfs = true, .explain = true);
	struct facts facts = facts_with_environ();
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_plan *plan;
	size_t n;

	facts.root_fd = fcntl(tree->fd, F_DUPFD_CLOEXEC, 3);
	plan = make_plan(facts, options);
	n = plan->n_candidates;
	elsewhere_hint(plan, &err);
	if (want)
		assert_non_null(strstr(err.hint, want));
	else
		assert_string_equal(err.hint, "");
	if (elsewhere_plan(plan, &options, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(plan->n_candidates, n + !!want);
	if (want) {
		assert_string_equal(plan->candidates[n].path, want);
		assert_null(plan->candidates[n].argv0);
		assert_string_equal(cj_plan_argv(plan)[0], command);
	}
	cj_plan_free(plan);
}

static void a_command_that_isnt_there_is_looked_for_in_twins_and_the_targets_path(void **state)
{
	struct tree *tree = *state;

	if (!knows_call(SYS_openat2))
		skip(); /* valgrind 3.19 */
	make_files(tree);
	assert_elsewhere(tree, "/bin/in-usr", "/usr/bin/in-usr");
	assert_elsewhere(tree, "/usr/bin/in-bin", "/bin/in-bin");
	assert_elsewhere(tree, "/sbin/in-path", "/a/in-path");
	assert_elsewhere(tree, "in-path", NULL); /* it's there: PATH=/a:/b */
	assert_elsewhere(tree, "/bin/both", NULL);
	assert_elsewhere(tree, "/bin/plain", NULL);
	assert_elsewhere(tree, "/bin/nope", NULL);
	assert_elsewhere(tree, "/opt/in-usr", NULL);
	assert_elsewhere(tree, "./in-usr", NULL);
	assert_elsewhere(tree, "/bin/x/in-usr", NULL);
	assert_elsewhere(tree, "/bin/", NULL);
	assert_elsewhere(tree, "", NULL);
}

static void nothing_is_looked_for_in_a_root_that_we_have_no_way_to(void **state)
{
	const char *const argv[] = {"/bin/in-usr", NULL};
	struct cj_exec_options options = OPTIONS(.argv = argv, .rootfs = true, .skip = "root,cwd");
	struct facts facts = facts_with_environ();
	struct tree *tree = *state;
	struct cj_plan *plan;

	make_files(tree);
	facts.root_fd = fcntl(tree->fd, F_DUPFD_CLOEXEC, 3);
	plan = make_plan(facts, options);
	assert_int_equal(elsewhere_plan(plan, &options, NULL), 0);
	assert_int_equal(plan->n_candidates, 1);
	cj_plan_free(plan);
}

#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_environment_is_kept_byte_for_byte),
		cmocka_unit_test(variables_are_set_once_and_taken_away),
		cmocka_unit_test(a_cleared_environment_holds_what_was_asked_for),
		cmocka_unit_test(a_user_brings_his_home_unless_asked_otherwise),
		cmocka_unit_test(a_user_who_shares_his_number_keeps_his_own_name),
		cmocka_unit_test(a_name_is_looked_for_in_the_final_path),
		cmocka_unit_test(without_a_command_it_is_the_login_shell_else_sh),
		WITH_TREE(a_command_that_isnt_there_is_looked_for_in_twins_and_the_targets_path),
		WITH_TREE(nothing_is_looked_for_in_a_root_that_we_have_no_way_to),
	};

	return cmocka_run_group_tests_name("plan-command", tests, NULL, NULL);
}
