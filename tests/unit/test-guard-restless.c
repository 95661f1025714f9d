/* SPDX-License-Identifier: MIT
 *
 * The leak guard among processes and threads that don't hold still. As root only.
 */
#include "guard.h"

enum { LOOKS = 200, CHURNING = 50 };

static void hop(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid > 0)
			_exit(0);
		if (pid < 0)
			(void)sched_yield();
	}
}

static void hopping_tracer(void)
{
	begin_child(hop);
	drop_ptrace();
	tell_ready();
}

static bool is_tracer(const struct pidns *ns, pid_t pid)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int dir = -EBADF;

	return proc_open(pid, &dir, NULL) == 0 && proc_read(dir, "status", 1 << 20, &text) == 0 &&
	       proc_parse_status(text.data, &status) == 0 && status.bounding & PTRACE &&
	       pidns_holds(ns, pid, dir) == 1;
}

/* What is seen by whoever makes a list first, and looks then: to know that it's hard to see. */
static bool is_in_a_list(const struct pidns *ns)
{
	struct proc_list *list;
	pid_t pids[4096], pid;
	size_t n = 0;
	bool found = false;

	assert_int_equal(proc_list_new(&list, NULL), 0);
	while ((pid = proc_list_next(list)))
		if (n < ELEMENTS(pids))
			pids[n++] = pid;
	proc_list_free(list);
	for (size_t i = 0; i < n; i++)
		found |= is_tracer(ns, pids[i]);
	return found;
}

static void who_leaves_a_child_and_ends_again_and_again_is_found(void **state)
{
	struct box box = start(CLONE_NEWPID, hopping_tracer);
	_cleanup_(view_done) struct view view;
	_cleanup_(pidns_done) struct pidns ns = PIDNS_INIT;
	int looks = 0, listed = 0, restless = 0;

	(void)state;
	view_open(&view, box.init, false);
	assert_int_equal(pidns_open(box.init, view.target.ref.proc, &ns, NULL), 0);
	for (; looks < LOOKS || (listed == looks && looks < 10 * LOOKS); looks++) {
		_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;

		assert_int_equal(guard_look(&view.query, &facts, NULL), 0);
		restless += facts.restless;
		if (!facts.restless && !find_tracer(&facts))
			fail_msg("look %d has missed it", looks);
		listed += is_in_a_list(&ns);
	}
	print_message("in a list %d times of %d, too restless %d\n", listed, looks, restless);
	assert_true(listed < looks);
	assert_true(restless < looks / 2);
	stop(box);
}

static void *leave(void *data)
{
	return data;
}

static void *churn(void *data)
{
	for (;;) {
		pthread_t id;

		if (pthread_create(&id, NULL, leave, NULL) == 0)
			(void)pthread_join(id, NULL);
	}
	return data;
}

static void churning_threads(void)
{
	pthread_t id;

	for (int i = 0; i < 8; i++)
		need(pthread_create(&id, NULL, i == 7 ? churn : thread, NULL) == 0);
	drop_ptrace();
	tell_ready();
}

static void a_thread_among_those_that_come_and_go_is_found(void **state)
{
	struct box box = start(CLONE_NEWPID, churning_threads);
	_cleanup_(view_done) struct view view;
	int restless = 0;

	(void)state;
	view_open(&view, box.init, false);
	for (int i = 0; i < CHURNING; i++) {
		_cleanup_(guard_facts_done) struct guard_facts facts = GUARD_FACTS_INIT;

		assert_int_equal(guard_look(&view.query, &facts, NULL), 0);
		restless += facts.restless;
		assert_true(facts.restless || find_tracer(&facts));
	}
	print_message("too restless %d times of %d\n", restless, CHURNING);
	stop(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_leaves_a_child_and_ends_again_and_again_is_found),
		cmocka_unit_test(a_thread_among_those_that_come_and_go_is_found),
	};

	if (!knows_call(SYS_pidfd_open) || geteuid() != 0)
		return run_none("guard-restless");
	return cmocka_run_group_tests_name("guard-restless", tests, NULL, NULL) +
	       cmocka_run_group_tests_name("guard-restless, before 6.11", tests,
					   run_on_older_kernel, NULL);
}
