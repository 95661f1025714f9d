/* SPDX-License-Identifier: MIT
 *
 * The leak guard's decision: each rule and its opposite, with made-up processes.
 * Not here: which processes are looked at (test-guard-look.c), the kernel's own word on it
 * (tests/integration/test_debug_guard.py).
 */
#include "unit.h"

#include <linux/capability.h>

#include "lib/guard.h"
#include "sys/capabilities.h"

#define ALL ((UINT64_C(1) << 41) - 1)
#define PTRACE CAPABILITY(CAP_SYS_PTRACE)
#define DOCKER                                                                                     \
	UINT64_C(                                                                                  \
		0xa80425fb) /* what Docker gives by default: CAP_SETUID, CAP_SETGID; no CAP_SYS_PTRACE */
#define IDS(id)                                                                                    \
	{                                                                                          \
		id, id, id, id                                                                     \
	}

/* A process like a container's by default. */
static struct guard_process docker_like(void)
{
	return (struct guard_process){
		.pid = 4711,
		.tid = 4711,
		.comm = "nginx",
		.relation = GUARD_SAME,
		.permitted = DOCKER,
		.bounding = DOCKER,
		.count = 1,
	};
}

/* One that can do nothing, and regain nothing. */
static struct guard_process powerless(uid_t id)
{
	return (struct guard_process){
		.pid = 4711,
		.tid = 4711,
		.comm = "app",
		.relation = GUARD_SAME,
		.uid = IDS(id),
		.gid = IDS(id),
		.no_new_privs = true,
		.count = 1,
	};
}

static struct guard_child root_of_the_host(void)
{
	return (struct guard_child){.permitted = ALL, .host_view = true};
}

static struct guard_child user_of_the_host(uid_t id)
{
	return (struct guard_child){.uid = id, .gid = id, .host_view = true};
}

static enum guard_verdict judge(struct guard_process *list, size_t n,
				const struct guard_child *child, struct guard_finding *ret)
{
	struct guard_facts facts = {.list = list, .n = n, .most = ALL};

	return guard_judge(&facts, child, ret);
}

static void assert_safe(struct guard_process p, struct guard_child child)
{
	struct guard_finding finding = {.text = "untouched"};

	assert_int_equal(judge(&p, 1, &child, &finding), GUARD_SAFE);
	assert_string_equal(finding.text, "untouched");
}

static void assert_open(struct guard_process p, struct guard_child child, const char *why)
{
	struct guard_finding finding = {.text = ""};

	assert_int_equal(judge(&p, 1, &child, &finding), GUARD_OPEN);
	if (!strstr(finding.text, why))
		fail_msg("\"%s\" doesn't say \"%s\"", finding.text, why);
	if (!strstr(finding.hint, "--expose-host runs it anyway"))
		fail_msg("the hint is cut: \"%s\"", finding.hint);
}

static void nobody_can_do_anything(void **state)
{
	struct guard_child child = root_of_the_host();
	struct guard_finding finding;

	(void)state;
	assert_int_equal(judge(NULL, 0, &child, &finding), GUARD_SAFE);
}

static void a_container_with_fewer_capabilities_cant_open_the_root_of_the_host(void **state)
{
	(void)state;
	assert_safe(docker_like(), root_of_the_host());
	assert_safe(powerless(0), root_of_the_host());
}

static void who_has_cap_sys_ptrace_opens_everybody(void **state)
{
	struct guard_process p = powerless(1234);

	(void)state;
	p.permitted = PTRACE;
	assert_open(p, root_of_the_host(), "process 4711 (app) of the target could open what");
	assert_open(p, root_of_the_host(), "it has CAP_SYS_PTRACE");
	assert_open(p, user_of_the_host(1), "it has CAP_SYS_PTRACE");
}

static void cap_sys_ptrace_can_be_gained_from_the_bounding_or_inheritable_set(void **state)
{
	struct guard_process p = docker_like();

	(void)state;
	p.bounding |= PTRACE;
	assert_open(p, root_of_the_host(), "it can gain CAP_SYS_PTRACE");
	p.bounding = DOCKER;
	p.inheritable = PTRACE;
	assert_open(p, root_of_the_host(), "it can gain CAP_SYS_PTRACE");
}

static void with_no_new_privs_nothing_is_gained(void **state)
{
	struct guard_process p = powerless(0);

	(void)state;
	p.bounding = p.inheritable = ALL;
	assert_safe(p, root_of_the_host());
}

static void the_same_ids_and_no_capability_less_open(void **state)
{
	(void)state;
	assert_open(powerless(1234), user_of_the_host(1234), "uid 1234 and gid 1234");
	assert_safe(powerless(1234), user_of_the_host(1235));
}

static void each_of_four_ids_can_be_taken_on(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct guard_process p = powerless(99);

		p.uid[i] = 1234;
		assert_safe(p, user_of_the_host(1234)); /* the gid isn't the command's */
		p.gid[3 - i] = 1234;
		assert_open(p, user_of_the_host(1234), "uid 1234");
	}
}

static void the_gid_counts_as_the_uid_does(void **state)
{
	struct guard_process p = powerless(1234);
	struct guard_child child = user_of_the_host(1234);

	(void)state;
	child.gid = 5;
	assert_safe(p, child);
	p.permitted = CAPABILITY(CAP_SETGID);
	assert_open(p, child, "gid 5");
	p.permitted = CAPABILITY(CAP_SETUID);
	assert_safe(p, child);
}

static void cap_setuid_and_cap_setgid_make_anybody(void **state)
{
	struct guard_process p = powerless(99);

	(void)state;
	p.permitted = CAPABILITY(CAP_SETUID);
	assert_safe(p, user_of_the_host(1234));
	p.permitted |= CAPABILITY(CAP_SETGID);
	assert_open(p, user_of_the_host(1234), "uid 1234");
}

static void without_no_new_privs_a_set_user_id_program_makes_anybody(void **state)
{
	struct guard_process p = powerless(99);

	(void)state;
	p.no_new_privs = false;
	assert_open(p, user_of_the_host(1234), "uid 1234");
}

static void a_single_capability_more_is_enough_for_safety(void **state)
{
	struct guard_process p = docker_like();
	struct guard_child child = root_of_the_host();

	(void)state;
	child.permitted = DOCKER;
	assert_open(p, child, "all its capabilities");
	child.permitted |= CAPABILITY(CAP_SYS_ADMIN);
	assert_safe(p, child);
	p.inheritable = CAPABILITY(CAP_SYS_ADMIN);
	assert_open(p, child, "all its capabilities");
}

static void what_is_permitted_counts_with_no_new_privs_too(void **state)
{
	struct guard_process p = docker_like();
	struct guard_child child = root_of_the_host();

	(void)state;
	child.permitted = DOCKER;
	p.no_new_privs = true;
	assert_open(p, child, "all its capabilities");
	p.permitted = DOCKER & ~CAPABILITY(CAP_CHOWN);
	assert_safe(p, child);
}

static void from_above_the_owner_of_the_namespace_may_all(void **state)
{
	struct guard_process p = powerless(1000);

	(void)state;
	p.relation = GUARD_ABOVE;
	p.owner = 1000;
	assert_open(p, root_of_the_host(), "uid 1000, who owns");
	p.owner = 1001;
	assert_safe(p, root_of_the_host());
	p.permitted = CAPABILITY(CAP_SETUID);
	assert_open(p, root_of_the_host(), "uid 1001, who owns");
}

static void from_above_cap_sys_admin_enters_the_namespace(void **state)
{
	struct guard_process p = powerless(1000);

	(void)state;
	p.relation = GUARD_ABOVE;
	p.owner = 1001;
	p.permitted = CAPABILITY(CAP_SYS_ADMIN);
	assert_open(p, root_of_the_host(), "CAP_SYS_ADMIN");
	p.relation = GUARD_SAME;
	assert_safe(p, root_of_the_host());
}

static void profiling_opens_to_the_initial_user_namespace_alone(void **state)
{
	static const int numbers[] = {CAP_SYS_ADMIN, CAP_PERFMON};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(numbers); i++) {
		struct guard_process p = docker_like();

		p.bounding |= CAPABILITY(numbers[i]);
		assert_safe(p, root_of_the_host());
		p.initial = true;
		assert_open(p, root_of_the_host(), "the environment");
		p.no_new_privs = true;
		assert_safe(p, root_of_the_host());
		p.permitted |= CAPABILITY(numbers[i]);
		assert_open(p, root_of_the_host(), i ? "CAP_PERFMON" : "CAP_SYS_ADMIN");
	}
}

static void only_an_environment_of_the_caller_s_is_worth_profiling(void **state)
{
	struct guard_process p = docker_like();
	struct guard_child child = root_of_the_host();

	(void)state;
	p.initial = true;
	p.bounding |= CAPABILITY(CAP_SYS_ADMIN);
	child.bare = true;
	assert_safe(p, child);
	child.bare = false;
	assert_open(p, child, "the environment");
	child.host_view = false;
	assert_safe(p, child);
	p.bounding |= PTRACE;
	child.bare = child.host_view = true;
	assert_open(p, child, "CAP_SYS_PTRACE");
}

static void from_above_the_same_ids_are_not_enough(void **state)
{
	struct guard_process p = powerless(1234);

	(void)state;
	p.relation = GUARD_ABOVE;
	p.owner = 1;
	assert_safe(p, user_of_the_host(1234));
}

static void whoever_cant_be_looked_at_counts_as_able(void **state)
{
	struct guard_process p = powerless(99);
	struct guard_child child = root_of_the_host();

	(void)state;
	p.relation = GUARD_UNKNOWN;
	p.unread = EACCES;
	assert_open(p, child, "it can't be looked at: EACCES");
	child.host_view = false;
	assert_open(p, child, "EACCES");
}

static void in_the_view_of_the_target_only_capabilities_are_to_be_won(void **state)
{
	struct guard_process p = docker_like();
	struct guard_child child = root_of_the_host();

	(void)state;
	child.host_view = false;
	p.bounding |= PTRACE;
	assert_open(p, child, "could take on what the command may do: it can gain CAP_SYS_PTRACE");
	p.bounding = ALL;
	assert_safe(p, child);
	assert_safe(powerless(1234), user_of_the_host(1235));
	child = user_of_the_host(1234);
	child.host_view = false;
	assert_safe(powerless(1234), child);
}

/* Less than all is a container whose root is a bind mount of the host's, perhaps a read-only one. */
static void who_has_the_host_s_root_and_all_capabilities_is_the_host_s(void **state)
{
	struct guard_process p = docker_like();

	(void)state;
	p.at_home = true;
	assert_open(p, user_of_the_host(1234), "it can be uid 1234");
	p.permitted = p.bounding = ALL & ~CAPABILITY(CAP_SYS_ADMIN);
	assert_open(p, root_of_the_host(), "it has CAP_SYS_PTRACE");
	p.permitted = p.bounding = ALL;
	assert_safe(p, root_of_the_host());
	assert_safe(p, user_of_the_host(1234));
	p.relation = GUARD_UNKNOWN;
	assert_open(p, root_of_the_host(), "it can't be looked at");
}

static void what_is_brought_can_be_changed_by_who_may_mount(void **state)
{
	struct guard_process p = docker_like();
	struct guard_child child = root_of_the_host();

	(void)state;
	child.host_view = false;
	child.brings = true;
	p.permitted = p.bounding = ALL;
	assert_open(p, child,
		    "could change the host's files that are brought: it may have "
		    "CAP_SYS_ADMIN");
	child.brings = false;
	assert_safe(p, child);
	child.brings = true;
	child.permitted = 0;
	p.permitted = p.bounding = ALL & ~CAPABILITY(CAP_SYS_ADMIN);
	assert_safe(p, child);
}

static void one_of_many_is_enough_and_is_named(void **state)
{
	struct guard_process list[3] = {docker_like(), docker_like(), docker_like()};
	struct guard_child child = root_of_the_host();
	struct guard_finding finding;

	(void)state;
	list[1].permitted |= PTRACE;
	list[1].tid = 4712;
	list[1].count = 12;
	assert_int_equal(judge(list, 3, &child, &finding), GUARD_OPEN);
	assert_non_null(
		strstr(finding.text, "thread 4712 of process 4711 (nginx) and 11 more like it"));
}

static void what_could_not_be_looked_at_is_not_safe(void **state)
{
	struct guard_child child = root_of_the_host();
	struct guard_facts facts = {.restless = true, .most = ALL};
	struct guard_finding finding;

	(void)state;
	assert_int_equal(guard_judge(&facts, &child, &finding), GUARD_OPEN);
	assert_non_null(strstr(finding.text, "come and go too fast"));
	assert_string_equal(finding.hint, "--expose-host runs it anyway");
	facts.restless = false;
	facts.blind = true;
	assert_int_equal(guard_judge(&facts, &child, &finding), GUARD_OPEN);
	assert_non_null(strstr(finding.text, "hidepid"));
	assert_string_equal(finding.hint, "--expose-host runs it anyway");
	facts.blind = false;
	assert_int_equal(guard_judge(&facts, &child, &finding), GUARD_SAFE);
}

static void yama_makes_nothing_safe_and_is_mentioned(void **state)
{
	struct guard_process p = powerless(1234);
	struct guard_child child = user_of_the_host(1234);
	struct guard_facts facts = {.list = &p, .n = 1, .ptrace_scope = 3, .most = ALL};
	struct guard_finding finding;

	(void)state;
	assert_int_equal(guard_judge(&facts, &child, &finding), GUARD_OPEN);
	assert_non_null(strstr(finding.text, "ptrace_scope 3 keeps nobody from reading"));
}

static void assert_hint(struct guard_process p, struct guard_child child, const char *hint)
{
	struct guard_finding finding = {.text = ""};

	assert_int_equal(judge(&p, 1, &child, &finding), GUARD_OPEN);
	assert_string_equal(finding.hint, hint);
}

static void the_hint_names_what_would_help_in_this_case(void **state)
{
	struct guard_process p = docker_like();
	struct guard_child child = root_of_the_host();

	(void)state;
	p.bounding |= PTRACE;
	assert_hint(p, child, "a container without SYS_PTRACE; --expose-host runs it anyway");
	p.bounding = ALL;
	assert_hint(p, child,
		    "a container without SYS_PTRACE; --view target; "
		    "--expose-host runs it anyway");
	p.initial = true;
	assert_hint(p, child,
		    "a container without SYS_PTRACE,SYS_ADMIN,PERFMON; --view target; "
		    "--expose-host runs it anyway");
	p.bounding = DOCKER | CAPABILITY(CAP_SYS_ADMIN);
	assert_hint(p, child,
		    "a container without SYS_ADMIN; --clear-env; --view target; "
		    "--expose-host runs it anyway");
	p = powerless(1234);
	assert_hint(p, user_of_the_host(1234),
		    "without -u, --cap-drop, --as-target; -u another user; --view target; "
		    "--expose-host runs it anyway");
	p.no_new_privs = false;
	assert_hint(p, user_of_the_host(1234),
		    "without -u, --cap-drop, --as-target; --view target; "
		    "--expose-host runs it anyway");
	p.relation = GUARD_UNKNOWN;
	assert_hint(p, user_of_the_host(1234), "--expose-host runs it anyway");
}

static void the_longest_text_is_whole(void **state)
{
	struct guard_process p = docker_like();
	struct guard_child child = root_of_the_host();
	struct guard_facts facts = {.list = &p, .n = 1, .ptrace_scope = INT32_MAX, .most = ALL};
	struct guard_finding finding;

	(void)state;
	p.pid = p.tid = INT32_MAX;
	p.tid--;
	p.count = SIZE_MAX;
	p.bounding |= PTRACE;
	memset(p.comm, 'x', sizeof(p.comm) - 1);
	assert_int_equal(guard_judge(&facts, &child, &finding), GUARD_OPEN);
	assert_non_null(strstr(finding.text, "keeps nobody from reading"));
	assert_non_null(
		strstr(finding.text, "it can gain CAP_SYS_PTRACE, which is in its bounding set;"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_can_do_anything),
		cmocka_unit_test(
			a_container_with_fewer_capabilities_cant_open_the_root_of_the_host),
		cmocka_unit_test(who_has_cap_sys_ptrace_opens_everybody),
		cmocka_unit_test(cap_sys_ptrace_can_be_gained_from_the_bounding_or_inheritable_set),
		cmocka_unit_test(with_no_new_privs_nothing_is_gained),
		cmocka_unit_test(the_same_ids_and_no_capability_less_open),
		cmocka_unit_test(each_of_four_ids_can_be_taken_on),
		cmocka_unit_test(the_gid_counts_as_the_uid_does),
		cmocka_unit_test(cap_setuid_and_cap_setgid_make_anybody),
		cmocka_unit_test(without_no_new_privs_a_set_user_id_program_makes_anybody),
		cmocka_unit_test(a_single_capability_more_is_enough_for_safety),
		cmocka_unit_test(what_is_permitted_counts_with_no_new_privs_too),
		cmocka_unit_test(from_above_the_owner_of_the_namespace_may_all),
		cmocka_unit_test(from_above_cap_sys_admin_enters_the_namespace),
		cmocka_unit_test(profiling_opens_to_the_initial_user_namespace_alone),
		cmocka_unit_test(only_an_environment_of_the_caller_s_is_worth_profiling),
		cmocka_unit_test(from_above_the_same_ids_are_not_enough),
		cmocka_unit_test(whoever_cant_be_looked_at_counts_as_able),
		cmocka_unit_test(in_the_view_of_the_target_only_capabilities_are_to_be_won),
		cmocka_unit_test(who_has_the_host_s_root_and_all_capabilities_is_the_host_s),
		cmocka_unit_test(what_is_brought_can_be_changed_by_who_may_mount),
		cmocka_unit_test(one_of_many_is_enough_and_is_named),
		cmocka_unit_test(what_could_not_be_looked_at_is_not_safe),
		cmocka_unit_test(yama_makes_nothing_safe_and_is_mentioned),
		cmocka_unit_test(the_hint_names_what_would_help_in_this_case),
		cmocka_unit_test(the_longest_text_is_whole),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
