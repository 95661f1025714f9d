/* SPDX-License-Identifier: MIT
 *
 * Plans of debug: which view it is, whose identity, and what the guard's word means.
 */
#include "plan.h"

#include <sched.h>

static const struct view_base mnt = {"/mnt", "conjoin", "/mnt/conjoin"};

static struct facts facts_of_view(enum view kind)
{
	struct facts facts = facts_of_container();

	facts.view.kind = kind;
	facts.view.base = &mnt;
	return facts;
}

static struct cj_plan *make_debug(struct facts facts, struct cj_exec_options exec,
				  struct cj_debug_options debug, struct cj_error *err)
{
	static const char *const argv[] = {"true", NULL};
	struct cj_plan *plan = NULL;

	exec.size = sizeof(exec);
	exec.explain = true;
	exec.argv = argv;
	debug.size = sizeof(debug);
	(void)plan_make(NULL, &facts, &exec, &debug, &plan, err);
	return plan;
}

#define DEBUG(...) ((struct cj_debug_options){__VA_ARGS__})

static struct cj_plan *need_debug(struct facts facts, struct cj_exec_options exec,
				  struct cj_debug_options debug)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_plan *plan = make_debug(facts, exec, debug, &err);

	if (!plan)
		fail_msg("%s", err.text);
	return plan;
}

static void assert_no_debug(struct facts facts, struct cj_exec_options exec,
			    struct cj_debug_options debug, int code, const char *named)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_plan *plan = make_debug(facts, exec, debug, &err);

	assert_null(plan);
	assert_int_equal(err.code, code);
	assert_names(&err, named);
}

static void pid_and_net_are_joined_unless_a_list_says_otherwise(void **state)
{
	static const struct {
		const char *text;
		int flags;
	} lists[] = {{NULL, CLONE_NEWPID | CLONE_NEWNET},
		     {"+ipc,uts", CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS},
		     {"+-net", CLONE_NEWPID},
		     {"ipc", CLONE_NEWIPC},
		     {"all,-mnt", CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
					  CLONE_NEWPID | 0x80}};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(lists); i++) {
		struct cj_plan *plan = need_debug(facts_of_view(VIEW_HOST),
						  OPTIONS(.namespaces = lists[i].text), DEBUG());

		assert_int_equal(plan->join_flags, lists[i].flags);
		assert_int_equal(plan->view.sys, (lists[i].flags & CLONE_NEWNET) != 0);
		assert_int_equal(plan->view.proc, (lists[i].flags & CLONE_NEWPID) != 0);
		cj_plan_free(plan);
	}
}

static void the_view_of_the_target_is_a_copy_of_its_mounts(void **state)
{
	struct cj_plan *plan = need_debug(facts_of_view(VIEW_TARGET), OPTIONS(), DEBUG());

	(void)state;
	assert_int_equal(plan->join_flags, CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS);
	assert_row(plan, "view", "mnt", "copy");
	assert_row(plan, "root", "/", "change");
	assert_false(plan->view.show_root || plan->view.proc || plan->view.sys);
	cj_plan_free(plan);
	assert_no_debug(facts_of_view(VIEW_HOST), OPTIONS(.namespaces = "+mnt"), DEBUG(), EINVAL,
			"mnt");
}

static void what_belongs_to_one_view_isn_t_taken_by_the_other(void **state)
{
	static const char *const bring[] = {"bash", NULL};

	(void)state;
	assert_no_debug(facts_of_view(VIEW_HOST), OPTIONS(), DEBUG(.bring = bring), EINVAL,
			"bring");
	assert_no_debug(facts_of_view(VIEW_HOST), OPTIONS(), DEBUG(.bring_dirs = bring), EINVAL,
			"bring");
	assert_no_debug(facts_of_view(VIEW_TARGET), OPTIONS(), DEBUG(.writable = true), EINVAL,
			"writable");
}

static void the_identity_is_the_caller_s_or_the_target_s(void **state)
{
	struct cj_plan *plan = need_debug(facts_of_view(VIEW_HOST), OPTIONS(), DEBUG());

	(void)state;
	assert_row(plan, "capabilities", NULL, "nothing");
	assert_false(plan_has_step(plan, PART_CAPABILITIES) || plan_has_step(plan, PART_UMASK));
	cj_plan_free(plan);
	plan = need_debug(facts_of_view(VIEW_HOST), OPTIONS(), DEBUG(.as_target = true));
	assert_int_equal(plan->capabilities.bounding, DOCKER_CAPABILITIES);
	assert_true(plan_has_step(plan, PART_CAPABILITIES) && plan_has_step(plan, PART_UMASK));
	cj_plan_free(plan);
	plan = need_debug(facts_of_view(VIEW_HOST), OPTIONS(.cap_drop = "all"), DEBUG());
	assert_int_equal(plan->capabilities.permitted | plan->capabilities.bounding, 0);
	cj_plan_free(plan);
}

static void in_a_user_namespace_the_caller_is_its_root(void **state)
{
	struct facts facts = facts_of_user_namespace();

	(void)state;
	facts.view.kind = VIEW_HOST;
	facts.view.base = &mnt;
	struct cj_plan *plan = need_debug(facts, OPTIONS(.namespaces = "+user"), DEBUG());

	assert_int_equal(plan->uid[1], 0);
	assert_row(plan, "ids", NULL, "set");
	assert_true(plan->view.user_last);
	cj_plan_free(plan);
}

static void its_cgroup_is_its_own_unless_another_is_asked_for(void **state)
{
	struct cj_plan *plan = need_debug(facts_of_view(VIEW_HOST), OPTIONS(), DEBUG());

	(void)state;
	assert_int_equal(plan->n_cgroups, 1);
	assert_true(plan->cgroups[0].own && plan->cgroups[0].try_only);
	cj_plan_free(plan);
	plan = need_debug(facts_of_view(VIEW_HOST), OPTIONS(.cgroup = "own"), DEBUG());
	assert_true(plan->cgroups[0].own && !plan->cgroups[0].try_only);
	cj_plan_free(plan);
	plan = need_debug(facts_of_view(VIEW_HOST), OPTIONS(.cgroup = "target"), DEBUG());
	assert_int_equal(plan->n_cgroups, 3);
	assert_false(plan->cgroups[0].own);
	cj_plan_free(plan);
}

static void a_paused_target_pauses_only_who_joins_its_cgroups(void **state)
{
	struct facts facts = facts_of_view(VIEW_HOST), again = facts_of_view(VIEW_HOST);

	(void)state;
	facts.frozen = again.frozen = true;
	cj_plan_free(need_debug(facts, OPTIONS(), DEBUG()));
	assert_no_debug(again, OPTIONS(.cgroup = "target"), DEBUG(), EBUSY, "paused");
}

static void a_target_without_a_pid_namespace_keeps_proc_and_that_is_said(void **state)
{
	struct facts facts = facts_of_view(VIEW_HOST);

	(void)state;
	facts.target.namespaces.inode[NAMESPACE_PID] = facts.ours.namespaces.inode[NAMESPACE_PID];
	struct cj_plan *plan = need_debug(facts, OPTIONS(), DEBUG());

	assert_row(plan, "view", "/proc", "warn");
	assert_false(plan->view.proc);
	cj_plan_free(plan);
}

static struct facts facts_of_tracer(void)
{
	struct facts facts = facts_of_view(VIEW_HOST);
	struct guard_process *tracer = calloc(1, sizeof(*tracer));

	assert_non_null(tracer);
	tracer->permitted = CAPABILITY(CAP_SYS_PTRACE);
	tracer->count = 1;
	facts.view.guard.list = tracer;
	facts.view.guard.n = 1;
	return facts;
}

static void the_guard_refuses_unless_it_is_overridden(void **state)
{
	struct cj_plan *plan;

	(void)state;
	assert_no_debug(facts_of_tracer(), OPTIONS(), DEBUG(), ECANCELED, "CAP_SYS_PTRACE");
	plan = need_debug(facts_of_tracer(), OPTIONS(), DEBUG(.expose_host = true));
	assert_row(plan, "guard", NULL, "warn");
	cj_plan_free(plan);
	plan = need_debug(facts_of_view(VIEW_HOST), OPTIONS(), DEBUG());
	assert_row(plan, "guard", NULL, "nothing");
	cj_plan_free(plan);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pid_and_net_are_joined_unless_a_list_says_otherwise),
		cmocka_unit_test(the_view_of_the_target_is_a_copy_of_its_mounts),
		cmocka_unit_test(what_belongs_to_one_view_isn_t_taken_by_the_other),
		cmocka_unit_test(the_identity_is_the_caller_s_or_the_target_s),
		cmocka_unit_test(in_a_user_namespace_the_caller_is_its_root),
		cmocka_unit_test(its_cgroup_is_its_own_unless_another_is_asked_for),
		cmocka_unit_test(a_paused_target_pauses_only_who_joins_its_cgroups),
		cmocka_unit_test(a_target_without_a_pid_namespace_keeps_proc_and_that_is_said),
		cmocka_unit_test(the_guard_refuses_unless_it_is_overridden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
