/* SPDX-License-Identifier: MIT
 *
 * Plans: ids, groups, capabilities and no_new_privs, also over a user namespace.
 */
#include "plan.h"

static void ids_are_translated_into_the_target_s_namespace(void **state)
{
	struct facts facts = facts_of_user_namespace();

	(void)state;
	facts.target.status.uid[1] = 100033;
	struct cj_plan *plan = make_plan(facts, OPTIONS());
	assert_int_equal(plan->uid[0], 0);
	assert_int_equal(plan->uid[1], 33);
	assert_int_equal(plan->gid[3], 0);
	assert_true(plan_has_step(plan, PART_IDS));
	cj_plan_free(plan);
}

static void an_id_that_is_not_mapped_is_an_error(void **state)
{
	struct facts facts = facts_of_user_namespace();

	(void)state;
	facts.target.status.uid[2] = 99999;
	assert_no_plan(facts, OPTIONS(), -EINVAL, "uid 99999");
}

static void groups_are_set_by_our_numbers_before_the_join_where_we_may(void **state)
{
	static const gid_t groups[] = {200005, 77}; /* 77 isn't mapped inside */
	struct facts facts = facts_of_user_namespace();

	(void)state;
	set_groups(&facts.target.status, groups, 2);
	struct cj_plan *plan = make_plan(facts, OPTIONS());
	assert_true(plan->groups_before_join);
	assert_int_equal(plan->n_groups, 2);
	assert_int_equal(plan->groups[0], 200005);
	cj_plan_free(plan);
}

static void without_the_right_groups_are_set_by_their_numbers_inside(void **state)
{
	static const gid_t groups[] = {200005};

	(void)state;
	for (int denied = 0; denied < 2; denied++) {
		struct facts facts = facts_of_user_namespace();

		drop_capabilities(&facts.ours);
		set_groups(&facts.target.status, groups, 1);
		facts.target.setgroups_denied = denied;
		if (denied) {
			assert_no_plan(facts, OPTIONS(), -EPERM, "setgroups");
			continue;
		}
		struct cj_plan *plan = make_plan(facts, OPTIONS());
		assert_false(plan->groups_before_join);
		assert_int_equal(plan->groups[0], 5);
		cj_plan_free(plan);
	}
}

static struct facts facts_with_accounts(void)
{
	struct facts facts = facts_of_container();

	facts.passwd = text_of("root:x:0:0::/root:/bin/bash\ntoor:x:0:0::/toor:/bin/ksh\n"
			       "app:x:1000:1001::/srv/app:/bin/ash\n");
	facts.group = text_of("wheel:x:10:app\napp:x:1001:\n");
	return facts;
}

static void a_user_that_was_asked_for_comes_with_his_groups(void **state)
{
	struct cj_plan *plan = make_plan(facts_with_accounts(), OPTIONS(.user = "app"));

	(void)state;
	assert_int_equal(plan->uid[0], 1000);
	assert_int_equal(plan->gid[0], 1001);
	assert_int_equal(plan->n_groups, 2);
	assert_int_equal(plan->groups[1], 10);
	cj_plan_free(plan);
	plan = make_plan(facts_with_accounts(), OPTIONS(.user = "4711:wheel"));
	assert_int_equal(plan->uid[3], 4711);
	assert_int_equal(plan->gid[3], 10);
	assert_int_equal(plan->n_groups, 0);
	cj_plan_free(plan);
}

static void a_user_that_does_not_exist_is_named(void **state)
{
	static const char *const wrong[] = {"nope",	    "",	    ":0",
					    "app:nope",	    "app:", "4294967295",
					    "0:4294967295", "-1",   "app:0:0"};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++)
		assert_no_plan(facts_with_accounts(), OPTIONS(.user = wrong[i]), -EINVAL, "\"");
	assert_no_plan(facts_with_accounts(), OPTIONS(.user = "app:nope"), -EINVAL, "nope");
}

static void a_root_that_gave_capabilities_up_does_not_regain_them(void **state)
{
	struct facts facts = facts_of_container();

	(void)state;
	facts.target.status.permitted = facts.target.status.effective = CAPABILITY(CAP_KILL);
	struct cj_plan *plan = make_plan(facts, OPTIONS());
	assert_true(plan->capabilities.bounding == CAPABILITY(CAP_KILL));
	cj_plan_free(plan);
}

static void capabilities_are_added_and_dropped_as_asked(void **state)
{
	struct cj_plan *plan = make_plan(facts_of_container(),
					 OPTIONS(.cap_add = "SYS_PTRACE", .cap_drop = "kill"));
	const uint64_t want = (DOCKER_CAPABILITIES | CAPABILITY(CAP_SYS_PTRACE)) &
			      ~CAPABILITY(CAP_KILL);

	(void)state;
	assert_true(plan->capabilities.permitted == want);
	assert_true(plan->capabilities.bounding == want);
	cj_plan_free(plan);
	plan = make_plan(facts_of_container(), OPTIONS(.privileged = true));
	assert_true(plan->capabilities.permitted == capabilities_all());
	assert_int_equal(plan->missing_capabilities, 0);
	cj_plan_free(plan);
	assert_no_plan(facts_of_container(), OPTIONS(.cap_add = "nope"), -EINVAL, "nope");
	assert_no_plan(facts_of_container(), OPTIONS(.cap_drop = "nope"), -EINVAL, "nope");
}

static void what_nobody_can_give_is_missing(void **state)
{
	struct facts facts = facts_of_container();

	(void)state;
	facts.ours.status.permitted &= ~CAPABILITY(CAP_CHOWN);
	struct cj_plan *plan = make_plan(facts, OPTIONS());
	assert_true(plan->missing_capabilities == CAPABILITY(CAP_CHOWN));
	cj_plan_free(plan);
}

static void no_new_privs_can_be_set_and_never_taken_back(void **state)
{
	struct facts facts = facts_of_container();

	(void)state;
	facts.target.status.no_new_privs = true;
	struct cj_plan *plan = make_plan(facts, OPTIONS());
	assert_true(plan->no_new_privs);
	cj_plan_free(plan);
	facts = facts_of_container();
	facts.ours.status.no_new_privs = true;
	plan = make_plan(facts, OPTIONS(.no_new_privs = "no"));
	assert_true(plan->no_new_privs);
	assert_row(plan, "no-new-privs", "", "warn");
	cj_plan_free(plan);
	assert_no_plan(facts_of_container(), OPTIONS(.no_new_privs = "maybe"), -EINVAL, "maybe");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_translated_into_the_target_s_namespace),
		cmocka_unit_test(an_id_that_is_not_mapped_is_an_error),
		cmocka_unit_test(groups_are_set_by_our_numbers_before_the_join_where_we_may),
		cmocka_unit_test(without_the_right_groups_are_set_by_their_numbers_inside),
		cmocka_unit_test(a_user_that_was_asked_for_comes_with_his_groups),
		cmocka_unit_test(a_user_that_does_not_exist_is_named),
		cmocka_unit_test(a_root_that_gave_capabilities_up_does_not_regain_them),
		cmocka_unit_test(capabilities_are_added_and_dropped_as_asked),
		cmocka_unit_test(what_nobody_can_give_is_missing),
		cmocka_unit_test(no_new_privs_can_be_set_and_never_taken_back),
	};

	return cmocka_run_group_tests_name("plan-credentials", tests, NULL, NULL);
}
