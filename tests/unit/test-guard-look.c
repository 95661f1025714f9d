/* SPDX-License-Identifier: MIT
 *
 * Whom the leak guard looks at: with processes in namespaces of their own, so as root only.
 * Not here: what follows from it (test-guard.c), those that
 * don't hold still (test-guard-restless.c).
 */
#include "guard.h"

#include <linux/capability.h>

enum { CROWD = 20, NAMESPACES_MANY = 150 };

/* A process that has a number within the box, of that many levels; not its first one. */
static pid_t find_inside(const struct box *box, size_t levels)
{
	_cleanup_(pidns_done) struct pidns ns = PIDNS_INIT;
	_cleanup_fd_ int proc = -EBADF;
	struct proc_list *list;
	pid_t pid, found = 0;

	assert_int_equal(proc_open(box->init, &proc, NULL), 0);
	assert_int_equal(pidns_open(box->init, proc, &ns, NULL), 0);
	assert_int_equal(proc_list_new(&list, NULL), 0);
	while (!found && (pid = proc_list_next(list))) {
		_cleanup_fd_ int dir = -EBADF;
		struct pid_status status;

		if (pid != box->init && proc_open(pid, &dir, NULL) == 0 &&
		    pid_status_read(dir, &status) == 0 && status.n_levels == levels &&
		    pidns_holds(&ns, pid, dir) == 1)
			found = pid;
	}
	proc_list_free(list);
	assert_int_not_equal(found, 0);
	return found;
}

static struct guard_facts look_at(pid_t pid, bool joins_user)
{
	_cleanup_(view_done) struct view view;
	struct guard_facts facts = GUARD_FACTS_INIT;
	struct cj_error err = CJ_ERROR_INIT;

	view_open(&view, pid, joins_user);
	if (guard_look(&view.query, &facts, &err) < 0)
		fail_msg("%s: %s", err.text, strerror(err.code));
	assert_false(facts.restless);
	assert_false(facts.blind);
	return facts;
}

/* --- who is looked at --- */

static void nobody_sees_a_command_among_processes_of_the_host(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	pid_t pid = spawn_idle();

	(void)state;
	facts = look_at(pid, false);
	assert_int_equal(facts.n, 0);
	end(pid);
}

static void crowd(void)
{
	for (int i = 0; i < CROWD; i++)
		begin_child(sleep_for_ever);
	tell_ready();
}

static void those_alike_are_one_with_a_count(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWPID, crowd);

	(void)state;
	facts = look_at(box.init, false);
	assert_int_equal(facts.n, 1);
	assert_int_equal(facts.list[0].pid, box.init);
	assert_int_equal(facts.list[0].count, CROWD + 1);
	assert_int_equal(facts.list[0].relation, GUARD_SAME);
	assert_int_equal(facts.list[0].uid[3], getuid());
	assert_true(facts.list[0].initial);
	stop(box);
}

static void nobody_sees_it_if_the_pid_namespace_isn_t_joined(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWPID | CLONE_NEWNS, tell_ready);
	_cleanup_(view_done) struct view view;

	(void)state;
	view_open(&view, box.init, false);
	view.query.joins_pid = false;
	assert_int_equal(guard_look(&view.query, &facts, NULL), 0);
	assert_int_equal(facts.n, 0);
	stop(box);
}

static void in_our_own_pid_namespace_it_is_those_of_the_mount_namespace(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWNS, crowd);

	(void)state;
	facts = look_at(box.init, false);
	assert_int_equal(facts.n, 1);
	assert_int_equal(facts.list[0].count, CROWD + 2); /* the maker, too */
	stop(box);
}

static void powerless_crowd_with_a_tracer(void)
{
	begin_child(sleep_for_ever);
	drop_ptrace();
	crowd();
}

static void one_who_isn_t_the_first_process_is_found(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWPID, powerless_crowd_with_a_tracer);
	const struct guard_process *p;

	(void)state;
	facts = look_at(box.init, false);
	assert_int_equal(facts.n, 2);
	p = find_tracer(&facts);
	assert_non_null(p);
	assert_int_equal(p->count, 1);
	assert_int_not_equal(p->pid, box.init);
	stop(box);
}

static void one_elsewhere(void)
{
	begin_child(sleep_for_ever);
	need(chroot("/proc") == 0);
	tell_ready();
}

static void whose_root_is_ours_is_told(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWPID, one_elsewhere);

	(void)state;
	facts = look_at(box.init, false);
	assert_int_equal(facts.n, 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(facts.list[i].at_home, facts.list[i].pid != box.init);
	stop(box);
}

static void main_thread_without(void)
{
	pthread_t id;

	need(pthread_create(&id, NULL, thread, NULL) == 0);
	drop_ptrace();
	tell_ready();
}

static void a_thread_has_credentials_of_its_own(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWPID, main_thread_without);
	const struct guard_process *p;

	(void)state;
	facts = look_at(box.init, false);
	assert_int_equal(facts.n, 2);
	p = find_tracer(&facts);
	assert_non_null(p);
	assert_int_equal(p->pid, box.init);
	assert_int_not_equal(p->tid, box.init);
	stop(box);
}

static void main_thread_ends(void)
{
	pthread_t id;

	need(pthread_create(&id, NULL, thread, NULL) == 0);
	pthread_exit(NULL);
}

static void end_main_thread_of_another(void)
{
	begin_child(main_thread_ends);
	drop_ptrace();
	tell_ready();
}

static void wait_for_state(pid_t pid, char state)
{
	_cleanup_fd_ int dir = -EBADF;
	struct pid_status status;
	int64_t deadline = clock_ms() + 10000;

	assert_int_equal(proc_open(pid, &dir, NULL), 0);
	do
		assert_int_equal(pid_status_read(dir, &status), 0);
	while (status.state != state && clock_ms() < deadline);
	assert_int_equal(status.state, state);
}

static void a_process_whose_main_thread_has_ended_is_looked_at(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWPID, end_main_thread_of_another);
	const struct guard_process *p;
	pid_t pid = find_inside(&box, 2);

	(void)state;
	wait_for_state(pid, 'Z');
	facts = look_at(box.init, false);
	p = find_tracer(&facts);
	assert_non_null(p);
	assert_int_equal(p->pid, pid);
	assert_int_equal(p->relation, GUARD_SAME);
	stop(box);
}

static void without_tracing(void)
{
	drop_ptrace();
	tell_ready();
}

static void nest_one_without(void)
{
	need(unshare(CLONE_NEWPID) == 0);
	begin_child(without_tracing);
}

static void nest_one_with(void)
{
	need(unshare(CLONE_NEWPID) == 0);
	begin_child(sleep_for_ever);
	drop_ptrace();
	tell_ready();
}

static void a_container_in_a_container_is_seen_by_the_outer_one(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWPID, nest_one_without);

	(void)state;
	facts = look_at(find_inside(&box, 3), false);
	assert_non_null(find_tracer(&facts));
	assert_int_equal(find_tracer(&facts)->pid, box.init);
	stop(box);
}

static void a_nested_pid_namespace_counts(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWPID, nest_one_with);

	(void)state;
	facts = look_at(box.init, false);
	assert_non_null(find_tracer(&facts));
	assert_int_equal(find_tracer(&facts)->pid, find_inside(&box, 3));
	stop(box);
}

/* --- user namespaces --- */

static void a_user_namespace_of_its_own_is_harmless(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWUSER | CLONE_NEWPID, crowd);

	(void)state;
	facts = look_at(box.init, false);
	assert_int_equal(facts.n, 0);
	stop(box);
}

static void joined_it_isn_t(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWUSER | CLONE_NEWPID, crowd);

	(void)state;
	facts = look_at(box.init, true);
	assert_int_equal(facts.n, 1);
	assert_int_equal(facts.list[0].relation, GUARD_SAME);
	assert_false(facts.list[0].initial);
	assert_int_equal(facts.list[0].count, CROWD + 1);
	stop(box);
}

static void enter_deeper_user_namespace(void)
{
	need(unshare(CLONE_NEWUSER) == 0);
	tell_ready();
}

static void one_deeper(void)
{
	begin_child(enter_deeper_user_namespace);
}

static void above_is_told_with_the_owner(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWUSER | CLONE_NEWPID, one_deeper);

	(void)state;
	facts = look_at(find_inside(&box, 2), true);
	assert_int_equal(facts.n, 2);
	for (size_t i = 0; i < 2; i++) {
		bool first = facts.list[i].pid == box.init;

		assert_int_equal(facts.list[i].relation, first ? GUARD_ABOVE : GUARD_SAME);
		if (first)
			assert_int_equal(facts.list[i].owner, geteuid());
	}
	stop(box);
}

static void beneath_the_one_that_is_joined_is_harmless(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWUSER | CLONE_NEWPID, one_deeper);

	(void)state;
	facts = look_at(box.init, true);
	assert_int_equal(facts.n, 1);
	assert_int_equal(facts.list[0].pid, box.init);
	stop(box);
}

static void a_user_namespace_each(void)
{
	int entered[2], report = ready_fd;
	char byte;

	need(pipe(entered) == 0);
	ready_fd = entered[1];
	for (int i = 0; i < NAMESPACES_MANY; i++)
		begin_child(enter_deeper_user_namespace);
	for (int i = 0; i < NAMESPACES_MANY; i++)
		need(read(entered[0], &byte, 1) == 1);
	ready_fd = report;
	tell_ready();
}

static void many_user_namespaces_need_few_fds(void **state)
{
	_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;
	struct box box = start(CLONE_NEWPID, a_user_namespace_each);

	(void)state;
	facts = look_at(box.init, false);
	assert_int_equal(facts.n, 1);
	assert_int_equal(facts.list[0].count, 1);
	stop(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_sees_a_command_among_processes_of_the_host),
		cmocka_unit_test(those_alike_are_one_with_a_count),
		cmocka_unit_test(nobody_sees_it_if_the_pid_namespace_isn_t_joined),
		cmocka_unit_test(in_our_own_pid_namespace_it_is_those_of_the_mount_namespace),
		cmocka_unit_test(one_who_isn_t_the_first_process_is_found),
		cmocka_unit_test(whose_root_is_ours_is_told),
		cmocka_unit_test(a_thread_has_credentials_of_its_own),
		cmocka_unit_test(a_process_whose_main_thread_has_ended_is_looked_at),
		cmocka_unit_test(a_container_in_a_container_is_seen_by_the_outer_one),
		cmocka_unit_test(a_nested_pid_namespace_counts),
		cmocka_unit_test(a_user_namespace_of_its_own_is_harmless),
		cmocka_unit_test(joined_it_isn_t),
		cmocka_unit_test(above_is_told_with_the_owner),
		cmocka_unit_test(beneath_the_one_that_is_joined_is_harmless),
		cmocka_unit_test(many_user_namespaces_need_few_fds),
	};

	if (!knows_call(SYS_pidfd_open) || geteuid() != 0)
		return run_none("guard-look");
	return cmocka_run_group_tests_name("guard-look", tests, NULL, NULL) +
	       cmocka_run_group_tests_name("guard-look, before 6.11", tests, run_on_older_kernel,
					   NULL);
}
