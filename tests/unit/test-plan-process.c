/* SPDX-License-Identifier: MIT
 *
 * Plans: limits, scheduling, umask and whatever else is one number or one word.
 */
#include "plan.h"

static void a_hard_limit_above_ours_is_clamped_with_one_warning(void **state)
{
	struct facts facts = facts_of_container();

	(void)state;
	facts.ours.status.effective &= ~CAPABILITY(CAP_SYS_RESOURCE);
	facts.target.limits.of[RLIMIT_NOFILE] = (struct rlimit64){5000, RLIM64_INFINITY};
	facts.target.limits.of[RLIMIT_NPROC] = (struct rlimit64){10, 9999};
	struct cj_plan *plan = make_plan(facts, OPTIONS());
	assert_int_equal(plan->limits.of[RLIMIT_NOFILE].rlim_cur, 2000);
	assert_int_equal(plan->limits.of[RLIMIT_NOFILE].rlim_max, 2000);
	assert_int_equal(plan->limits.of[RLIMIT_NPROC].rlim_cur, 10);
	assert_row(plan, "rlimits", "nproc,nofile", "warn");
	cj_plan_free(plan);
}

static void a_hard_limit_that_was_asked_for_is_never_clamped(void **state)
{
	static const char *const limits[] = {"nofile=1:unlimited", "core=0", NULL};
	struct facts facts = facts_of_container();

	(void)state;
	facts.ours.status.effective &= ~CAPABILITY(CAP_SYS_RESOURCE);
	struct cj_plan *plan = make_plan(facts, OPTIONS(.rlimits = limits));
	assert_true(assert_row(plan, "rlimits", "nofile", "set")->lacking);
	assert_int_equal(plan->limits.of[RLIMIT_CORE].rlim_max, 0);
	assert_int_equal(plan->set_limits, 1U << RLIMIT_NOFILE | 1U << RLIMIT_CORE);
	cj_plan_free(plan);
}

static void numbers_are_the_target_s_unless_asked_for(void **state)
{
	struct facts facts = facts_of_container();

	(void)state;
	facts.target.oom_score_adj = 500;
	facts.target.status.umask = 077;
	struct cj_plan *plan = make_plan(facts, OPTIONS(.nice = "-5", .timer_slack = "1"));
	assert_int_equal(plan->oom_score_adj, 500);
	assert_int_equal(plan->umask, 077);
	assert_int_equal(plan->sched.sched_nice, -5);
	assert_string_equal(assert_row(plan, "nice", "-5", "set")->needs, "CAP_SYS_NICE");
	assert_int_equal(plan->timer_slack, 1);
	assert_row(plan, "umask", "0077", "set");
	cj_plan_free(plan);
}

static void a_part_that_could_not_be_read_is_an_error_unless_skipped(void **state)
{
	struct facts facts = facts_of_container();

	(void)state;
	facts.target.unread[PART_OOM] = EACCES;
	assert_no_plan(facts, OPTIONS(), -EACCES, "oom-score-adj");
	facts = facts_of_container();
	facts.target.unread[PART_OOM] = EACCES;
	cj_plan_free(make_plan(facts, OPTIONS(.skip = "oom-score-adj")));
}

static void bad_texts_are_refused_and_named(void **state)
{
	static const char *const limits[][2] = {{"nofile", NULL},      {"nope=1", NULL},
						{"nofile=", NULL},     {"nofile=1:", NULL},
						{"nofile=2:1", NULL},  {"nofile=-2", NULL},
						{"nofile=1:2:3", NULL}};
	const struct {
		struct cj_exec_options options;
		const char *named;
	} wrong[] = {
		{OPTIONS(.oom_score_adj = "1001"), "1001"},
		{OPTIONS(.nice = "20"), "20"},
		{OPTIONS(.nice = "5x"), "5x"},
		{OPTIONS(.umask = "1000"), "1000"},
		{OPTIONS(.umask = "08"), "08"},
		{OPTIONS(.personality = "100000000"), "100000000"},
		{OPTIONS(.timer_slack = "0"), "\"0\""},
		{OPTIONS(.core_filter = "xyz"), "xyz"},
		{OPTIONS(.scheduler = "fifo"), "fifo"},
		{OPTIONS(.scheduler = "other:1"), "other:1"},
		{OPTIONS(.scheduler = "rr:100"), "rr:100"},
		{OPTIONS(.scheduler = "deadline"), "deadline"},
		{OPTIONS(.ioprio = "best-effort:8"), "best-effort:8"},
		{OPTIONS(.ioprio = "nope"), "nope"},
		{OPTIONS(.ioprio = "none:4"), "none:4"},
		{OPTIONS(.ioprio = "idle:3"), "idle:3"},
		{OPTIONS(.affinity = "0-"), "0-"},
		{OPTIONS(.label = "x"), "\"x\""},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(limits); i++)
		assert_no_plan(facts_of_container(), OPTIONS(.rlimits = limits[i]), -EINVAL,
			       limits[i][0]);
	for (size_t i = 0; i < ELEMENTS(wrong); i++)
		assert_no_plan(facts_of_container(), wrong[i].options,
			       wrong[i].options.label ? -EOPNOTSUPP : -EINVAL, wrong[i].named);
}

static void a_label_that_does_not_fit_is_refused_not_cut(void **state)
{
	struct facts facts = facts_of_container();
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_plan *plan = NULL;
	char label[sizeof(facts.ours.label.text) + 1];

	(void)state;
	memset(label, 'l', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	facts.ours.label.module = facts.target.label.module = LABEL_APPARMOR;
	struct cj_exec_options options = {.size = sizeof(options), .label = label};
	int r = plan_make(NULL, &facts, &options, NULL, &plan, &err);
	cj_plan_free(plan);
	assert_true(r < 0);
}

static void a_scheduler_and_an_io_priority_are_taken_apart(void **state)
{
	struct cj_plan *plan = make_plan(facts_of_container(),
					 OPTIONS(.scheduler = "fifo:7", .ioprio = "best-effort:3"));

	(void)state;
	assert_int_equal(plan->sched.sched_policy, 1);
	assert_int_equal(plan->sched.sched_priority, 7);
	assert_int_equal(plan->ioprio, IOPRIO_MAKE(2, 3));
	cj_plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hard_limit_above_ours_is_clamped_with_one_warning),
		cmocka_unit_test(a_hard_limit_that_was_asked_for_is_never_clamped),
		cmocka_unit_test(numbers_are_the_target_s_unless_asked_for),
		cmocka_unit_test(a_part_that_could_not_be_read_is_an_error_unless_skipped),
		cmocka_unit_test(bad_texts_are_refused_and_named),
		cmocka_unit_test(a_label_that_does_not_fit_is_refused_not_cut),
		cmocka_unit_test(a_scheduler_and_an_io_priority_are_taken_apart),
	};

	return cmocka_run_group_tests_name("plan-process", tests, NULL, NULL);
}
