/* SPDX-License-Identifier: MIT
 *
 * Plans: which namespaces, places and cgroups are joined, and why.
 */
#include "plan.h"

#include <sched.h>

enum {
	ALL_BUT_USER = CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWPID |
		       0x80 | CLONE_NEWNS
};

static void all_namespaces_that_differ_are_joined(void **state)
{
	struct cj_plan *plan = make_plan(facts_of_container(), OPTIONS());

	(void)state;
	assert_int_equal(plan->join_flags, ALL_BUT_USER);
	assert_string_equal(assert_row(plan, "namespaces", "net", "join")->reason,
			    "204, ours is 104");
	assert_row(plan, "namespaces", "user", "nothing");
	cj_plan_free(plan);
}

static void a_list_of_namespaces_adds_and_takes_away(void **state)
{
	static const struct {
		const char *text;
		int flags;
	} lists[] = {{"all", ALL_BUT_USER},
		     {"net,pid", CLONE_NEWNET | CLONE_NEWPID},
		     {"all,-net", ALL_BUT_USER & ~CLONE_NEWNET},
		     {"mount", CLONE_NEWNS},
		     {"net,-net", 0},
		     {"user", 0}};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(lists); i++) {
		struct cj_plan *plan =
			make_plan(facts_of_container(), OPTIONS(.namespaces = lists[i].text));

		assert_int_equal(plan->join_flags, lists[i].flags);
		cj_plan_free(plan);
	}
	assert_no_plan(facts_of_container(), OPTIONS(.namespaces = "net,nope"), -EINVAL, "nope");
	assert_no_plan(facts_of_container(), OPTIONS(.namespaces = ""), -EINVAL, "namespace");
	assert_no_plan(facts_of_container(), OPTIONS(.namespaces = "net,"), -EINVAL, "namespace");
}

static void a_lacking_privilege_is_named_in_its_row(void **state)
{
	struct facts facts = facts_of_container();

	(void)state;
	drop_capabilities(&facts.ours);
	struct cj_plan *plan = make_plan(facts, OPTIONS());
	const struct cj_plan_row *row = assert_row(plan, "namespaces", "net", "join");
	assert_string_equal(row->needs, "CAP_SYS_ADMIN");
	assert_true(row->lacking);
	cj_plan_free(plan);
	plan = make_plan(facts_of_container(), OPTIONS());
	assert_false(assert_row(plan, "namespaces", "net", "join")->lacking);
	cj_plan_free(plan);
}

static void the_owner_of_a_user_namespace_needs_nothing(void **state)
{
	struct facts facts = facts_of_user_namespace();

	(void)state;
	drop_capabilities(&facts.ours);
	facts.ours.status.uid[1] = facts.ns_owner = 1000;
	struct cj_plan *plan = make_plan(facts, OPTIONS(.skip = "groups"));
	assert_int_equal(plan->join_flags, ALL_BUT_USER | CLONE_NEWUSER);
	for (size_t i = 0; i < plan->n_rows; i++)
		assert_false(plan->rows[i].lacking);
	cj_plan_free(plan);
}

static void places_follow_the_mount_namespace(void **state)
{
	struct cj_plan *plan = make_plan(facts_of_container(), OPTIONS());

	(void)state;
	assert_row(plan, "root", "/", "change");
	assert_row(plan, "cwd", "/srv", "change");
	cj_plan_free(plan);
	plan = make_plan(facts_of_container(), OPTIONS(.namespaces = "all,-mnt"));
	assert_false(plan_has_step(plan, PART_ROOT));
	assert_false(plan_has_step(plan, PART_CWD));
	cj_plan_free(plan);
	plan = make_plan(facts_of_container(), OPTIONS(.cwd = "/tmp"));
	assert_string_equal(plan->cwd, "/tmp");
	cj_plan_free(plan);
	assert_no_plan(facts_of_container(), OPTIONS(.cwd = ""), -EINVAL, "cwd");
}

static void every_cgroup_is_joined_where_it_lies(void **state)
{
	struct cj_plan *plan = make_plan(facts_of_container(), OPTIONS());

	(void)state;
	assert_int_equal(plan->n_cgroups, 3);
	assert_string_equal(plan->cgroups[0].directory, "/cg/memory/docker/x");
	assert_string_equal(plan->cgroups[1].directory, "/cg/cpu/docker/x");
	assert_string_equal(plan->cgroups[2].directory, "/cg/unified/x");
	assert_true(plan->cgroups[2].unified);
	cj_plan_free(plan);
}

static void a_cgroup_out_of_reach_is_an_error_unless_it_is_only_tried(void **state)
{
	(void)state;
	for (int try = 0; try < 2; try++) {
		struct facts facts = facts_of_container();

		cgroup_list_done(&facts.target.cgroups);
		assert_int_equal(cgroup_list_parse("2:memory:/../x\n9:rdma:/x\n0::/\n",
						   &facts.target.cgroups),
				 0);
		if (!try) {
			assert_no_plan(facts, OPTIONS(), -ENOENT, "memory cgroup /../x");
			continue;
		}
		struct cj_plan *plan = make_plan(facts, OPTIONS(.cgroup = "try"));
		assert_row(plan, "cgroups", "memory", "warn");
		assert_row(plan, "cgroups", "rdma", "warn");	   /* mounted nowhere */
		assert_row(plan, "cgroups", "unified", "nothing"); /* we are there */
		assert_int_equal(plan->n_cgroups, 0);
		cj_plan_free(plan);
	}
}

static void a_paused_target_is_refused(void **state)
{
	struct facts facts = facts_of_container();

	(void)state;
	facts.frozen = true;
	assert_no_plan(facts, OPTIONS(), -EBUSY, "paused");
}

static void an_own_cgroup_has_the_limits_of_its_version(void **state)
{
	struct cj_plan *plan =
		make_plan(facts_of_container(), OPTIONS(.cgroup = "own", .memory = "64m",
							.cpus = "0.5", .pids_limit = "100"));

	(void)state;
	assert_int_equal(plan->n_cgroups, 3);
	assert_string_equal(plan->cgroups[0].directory, "/cg/memory/conjoin");
	assert_string_equal(plan->cgroups[0].limits[0], "memory.limit_in_bytes=67108864");
	assert_string_equal(plan->cgroups[1].limits[0], "cpu.cfs_period_us=100000");
	assert_string_equal(plan->cgroups[1].limits[1], "cpu.cfs_quota_us=50000");
	assert_string_equal(plan->cgroups[2].limits[0], "pids.max=100"); /* no v1 one here */
	for (size_t i = 0; i < plan->n_cgroups; i++)
		assert_true(plan->cgroups[i].own);
	cj_plan_free(plan);
}

static void a_tree_has_a_cgroup_below_the_one_that_is_joined(void **state)
{
	struct cj_plan *plan = make_plan(facts_of_container(), OPTIONS(.tree = true));

	(void)state;
	assert_int_equal(plan->n_cgroups, 3);
	assert_false(plan->cgroups[0].tree || plan->cgroups[1].tree);
	assert_true(plan->cgroups[2].tree);
	assert_string_equal(plan->cgroups[2].directory, "/cg/unified/x");
	cj_plan_free(plan);
	/* Ours are kept: below ours. */
	plan = make_plan(facts_of_container(), OPTIONS(.tree = true, .cgroup = "keep"));
	assert_int_equal(plan->n_cgroups, 1);
	assert_true(plan->cgroups[0].tree && plan->cgroups[0].unified);
	assert_string_equal(plan->cgroups[0].directory, "/cg/unified");
	cj_plan_free(plan);
	/* A fresh one is its command's alone. */
	plan = make_plan(facts_of_container(), OPTIONS(.tree = true, .cgroup = "own"));
	for (size_t i = 0; i < plan->n_cgroups; i++)
		assert_false(plan->cgroups[i].tree);
	cj_plan_free(plan);
}

static void without_v2_the_freezer_has_the_tree(void **state)
{
	struct facts facts = facts_of_container();
	struct cj_plan *plan;

	(void)state;
	cgroup_list_done(&facts.target.cgroups);
	cgroup_mounts_done(&facts.mounts);
	assert_int_equal(cgroup_list_parse("3:freezer:/x\n2:memory:/x\n", &facts.target.cgroups),
			 0);
	assert_int_equal(cgroup_mounts_parse("1 0 0:1 / /cg/memory rw - cgroup c rw,memory\n"
					     "2 0 0:2 / /cg/freezer rw - cgroup c rw,freezer\n",
					     &facts.mounts),
			 0);
	plan = make_plan(facts, OPTIONS(.tree = true));
	assert_int_equal(plan->n_cgroups, 2);
	assert_true(plan->cgroups[0].tree && !plan->cgroups[0].unified);
	assert_string_equal(plan->cgroups[0].directory, "/cg/freezer/x");
	assert_false(plan->cgroups[1].tree);
	cj_plan_free(plan);
}

static void a_bad_text_of_a_cgroup_option_names_itself(void **state)
{
	(void)state;
	assert_no_plan(facts_of_container(), OPTIONS(.cgroup = "mine"), -EINVAL, "mine");
	assert_no_plan(facts_of_container(), OPTIONS(.memory = "64m"), -EINVAL, "limits");
	assert_no_plan(facts_of_container(), OPTIONS(.cgroup = "own", .memory = "lots"), -EINVAL,
		       "lots");
	assert_no_plan(facts_of_container(), OPTIONS(.cgroup = "own", .memory = "0"), -EINVAL,
		       "\"0\"");
	assert_no_plan(facts_of_container(), OPTIONS(.cgroup = "own", .cpus = "0.001"), -EINVAL,
		       "0.001");
	assert_no_plan(facts_of_container(), OPTIONS(.cgroup = "own", .pids_limit = "-1"), -EINVAL,
		       "-1");
}

static void what_is_skipped_is_not_done_and_says_so(void **state)
{
	(void)state;
	for (int i = 0; i < PART_COMMAND; i++) {
		const char *name = part_name((enum part)i);
		struct cj_plan *plan = make_plan(facts_of_container(), OPTIONS(.skip = name));

		assert_row(plan, name, NULL, "skip");
		if (i != PART_CWD) /* then it's "/" */
			assert_false(plan_has_step(plan, (enum part)i));
		cj_plan_free(plan);
	}
	assert_no_plan(facts_of_container(), OPTIONS(.skip = "nope"), -EINVAL, "nope");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_namespaces_that_differ_are_joined),
		cmocka_unit_test(a_list_of_namespaces_adds_and_takes_away),
		cmocka_unit_test(a_lacking_privilege_is_named_in_its_row),
		cmocka_unit_test(the_owner_of_a_user_namespace_needs_nothing),
		cmocka_unit_test(places_follow_the_mount_namespace),
		cmocka_unit_test(every_cgroup_is_joined_where_it_lies),
		cmocka_unit_test(a_cgroup_out_of_reach_is_an_error_unless_it_is_only_tried),
		cmocka_unit_test(a_paused_target_is_refused),
		cmocka_unit_test(an_own_cgroup_has_the_limits_of_its_version),
		cmocka_unit_test(a_tree_has_a_cgroup_below_the_one_that_is_joined),
		cmocka_unit_test(without_v2_the_freezer_has_the_tree),
		cmocka_unit_test(a_bad_text_of_a_cgroup_option_names_itself),
		cmocka_unit_test(what_is_skipped_is_not_done_and_says_so),
	};

	return cmocka_run_group_tests_name("plan-join", tests, NULL, NULL);
}
