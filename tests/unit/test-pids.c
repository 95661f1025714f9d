/* SPDX-License-Identifier: MIT
 *
 * Numbers of processes: reading them, and making a tree of what was read one after another.
 * Not here: pid namespaces of others (tests/integration/test_pids.py).
 */
#include "unit.h"

#include <pthread.h>

#include "lib/pids_tree.h"
#include "sys/pidns.h"
#include "sys/proc.h"

#define STATUS_HEAD                                                                                \
	"Name:\tcat\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t20\nNgid:\t0\nPid:\t20\n"
#define STATUS_REST "PPid:\t7\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nGroups:\t \nNStgid:\t20\n"

/* --- status --- */

static void numbers_are_told_from_ours_down_to_its_own(void **state)
{
	struct pid_status status;

	(void)state;
	assert_int_equal(pid_status_parse(STATUS_HEAD STATUS_REST
					  "NSpid:\t20\t3\t1\nNSpgid:\t9\t9\t9\nVmPeak:\t 8 kB\n",
					  &status),
			 0);
	assert_string_equal(status.name, "cat");
	assert_int_equal(status.state, 'S');
	assert_int_equal(status.tgid, 20);
	assert_int_equal(status.parent, 7);
	assert_int_equal(status.n_levels, 3);
	assert_int_equal(status.levels[0], 20);
	assert_int_equal(status.levels[1], 3);
	assert_int_equal(status.levels[2], 1);
	assert_true(status.has_memory);
}

static void a_process_without_memory_is_told(void **state)
{
	struct pid_status status;

	(void)state;
	assert_int_equal(
		pid_status_parse(STATUS_HEAD STATUS_REST "NSpid:\t20\nThreads:\t1\n", &status), 0);
	assert_false(status.has_memory);
}

static void names_are_the_bytes_that_the_process_gave_itself(void **state)
{
	static const char *const names[][2] = {
		{"a\\nb", "a\nb"},
		{"a\\\\nb", "a\\nb"},
		{"\\\\", "\\"},
		{"\\\\\\n", "\\\n"},
		{"\\", "\\"},
		{"\\x", "\\x"},
		{"\xff\x1b[2J", "\xff\x1b[2J"},
		{"", ""},
		{" a ", " a "},
		{"State:\tZ", "State:\tZ"},
		{"a\\nState:\tZ", "a\nState:\tZ"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(names); i++) {
		struct pid_status status;
		char text[512];

		(void)snprintf(text, sizeof(text),
			       "Name:\t%s\nState:\tR (running)\nTgid:\t20\n%s%s", names[i][0],
			       STATUS_REST, "NSpid:\t20\n");
		assert_int_equal(pid_status_parse(text, &status), 0);
		assert_string_equal(status.name, names[i][1]);
		assert_int_equal(status.state, 'R');
	}
}

static void a_name_is_unescaped_as_the_kernel_escapes_it(void **state)
{
	static const char name[] = "x\n\\n \\\\\x1b\xff)";
	char before[16];
	struct pid_status status;
	_cleanup_fd_ int proc = -EBADF;

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	assert_int_equal(prctl(PR_SET_NAME, name), 0);
	assert_int_equal(proc_open(getpid(), &proc, NULL), 0);
	assert_int_equal(pid_status_read(proc, &status), 0);
	assert_int_equal(prctl(PR_SET_NAME, before), 0);
	assert_string_equal(status.name, name);
}

static void what_is_no_status_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"Name:\tx\n",
		STATUS_HEAD STATUS_REST, /* before 4.1 */
		STATUS_HEAD STATUS_REST "NSpid:\n",
		STATUS_HEAD STATUS_REST "NSpid:\tx\n",
		STATUS_HEAD STATUS_REST "NSpid:\t-1\n",
		STATUS_HEAD STATUS_REST "NSpid:\t99999999999\n",
		STATUS_HEAD "PPid:\tx\nNSpid:\t20\n",
		STATUS_HEAD "NSpid:\t20\n",
		"NSpid:\t20\n" STATUS_HEAD STATUS_REST,
	};
	struct pid_status status = {.tgid = 77};
	char many[1024] = STATUS_HEAD STATUS_REST "NSpid:";

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++)
		if (pid_status_parse(wrong[i], &status) != -EBADMSG)
			fail_msg("text %zu was taken as a status", i);
	for (size_t n = strlen(many), i = 0; i < PIDNS_LEVELS + 1; i++, n += 2)
		memcpy(many + n, "\t7", 3);
	assert_int_equal(pid_status_parse(many, &status), -EBADMSG);
	assert_int_equal(status.tgid, 77);
}

/* --- reading processes --- */

static void a_process_that_was_reaped_has_no_numbers(void **state)
{
	struct pid_status status = {.tgid = 77};
	_cleanup_fd_ int proc = -EBADF;
	pid_t pid = spawn_idle();
	char buf[16];

	(void)state;
	assert_int_equal(proc_open(pid, &proc, NULL), 0);
	make_zombie(pid);
	assert_int_equal(pid_status_read(proc, &status), 0);
	assert_int_equal(status.state, 'Z');
	assert_int_equal(status.levels[0], pid);
	assert_false(status.has_memory);
	end(pid);
	status.tgid = 77;
	assert_int_equal(pid_status_read(proc, &status), -ESRCH);
	assert_int_equal(status.tgid, 77);
	assert_int_equal(pid_command_read(proc, buf, sizeof(buf)), -ESRCH);
	assert_int_equal(pid_parent_read(pid, &status.tgid), -ESRCH);
}

static void a_parent_is_found_behind_any_name(void **state)
{
	static const char *const names[] = {"a) S 1 (b", ")", "(", " ", "\n", ") Z 1 1 1"};
	char before[16];

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	for (size_t i = 0; i < ELEMENTS(names); i++) {
		pid_t parent = 0;

		assert_int_equal(prctl(PR_SET_NAME, names[i]), 0);
		assert_int_equal(pid_parent_read(getpid(), &parent), 0);
		assert_int_equal(parent, getppid());
	}
	assert_int_equal(prctl(PR_SET_NAME, before), 0);
}

static struct cj_target *target_of(pid_t pid)
{
	struct cj_target *target = NULL;
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", pid);
	assert_int_equal(cj_target_open(text, &target, NULL), 0);
	return target;
}

static void in_our_own_namespace_it_is_the_target_and_its_descendants(void **state)
{
	struct cj_target *target = target_of(getpid());
	pid_t children[] = {spawn_idle(), spawn_idle(), spawn_idle()};
	struct cj_pids *pids = NULL;

	(void)state;
	make_zombie(children[1]);
	assert_int_equal(cj_pids_read(target, NULL, &pids, NULL), 0);
	assert_int_equal(cj_pids_count(pids), 4);
	assert_int_equal(cj_pids_unread(pids), 0);
	assert_int_equal(cj_pids_at(pids, 0)->host, getpid());
	assert_true(cj_pids_at(pids, 0)->parent == CJ_PIDS_NONE);
	assert_true(cj_pids_at(pids, 0)->n_command >= 1);
	for (size_t i = 0; i < 3; i++) {
		const struct cj_pid *pid = cj_pids_at(pids, i + 1);

		assert_int_equal(pid->host, children[i]);
		assert_int_equal(pid->inside, pid->host);
		assert_int_equal(pid->n_levels, 1);
		assert_int_equal(pid->levels[0], pid->host);
		assert_int_equal(pid->parent, 0);
		assert_int_equal(pid->n_command > 0, i != 1);
		assert_null(pid->command[pid->n_command]);
	}
	cj_pids_free(pids);
	cj_target_free(target);
	for (size_t i = 0; i < 3; i++)
		end(children[i]);
}

static void only_those_asked_for_are_read(void **state)
{
	pid_t child = spawn_idle(), other = spawn_idle();
	struct cj_target *target = target_of(child);
	struct cj_pids_options options = CJ_PIDS_OPTIONS_INIT;
	pid_t only[] = {child, other, getpid(), child, 4194304};
	struct cj_pids *pids = NULL;

	(void)state;
	options.only = only;
	options.n_only = ELEMENTS(only);
	options.no_commands = 1;
	assert_int_equal(cj_pids_read(target, &options, &pids, NULL), 0);
	assert_int_equal(cj_pids_count(pids), 1);
	assert_int_equal(cj_pids_at(pids, 0)->host, child);
	assert_int_equal(cj_pids_at(pids, 0)->n_command, 0);
	cj_pids_free(pids);
	cj_target_free(target);
	end(child);
	end(other);
}

static void options_of_tomorrow_are_refused_unless_they_are_zero(void **state)
{
	struct {
		struct cj_pids_options known;
		int unknown;
	} options = {.known = CJ_PIDS_OPTIONS_INIT};
	struct cj_target *target = target_of(getpid());
	struct cj_pids *pids = NULL;

	(void)state;
	options.known.size = sizeof(options);
	assert_int_equal(cj_pids_read(target, &options.known, &pids, NULL), 0);
	cj_pids_free(pids);
	pids = NULL;
	options.unknown = 1;
	assert_int_equal(cj_pids_read(target, &options.known, &pids, NULL), -EINVAL);
	assert_null(pids);
	cj_target_free(target);
}

static void a_target_that_has_ended_has_no_processes(void **state)
{
	struct cj_error err = CJ_ERROR_INIT;
	pid_t pid = spawn_idle(), found = 77;
	struct cj_target *target = target_of(pid);
	struct cj_pids *pids = NULL;

	(void)state;
	end(pid);
	assert_int_equal(cj_pids_read(target, NULL, &pids, &err), -ESRCH);
	assert_null(pids);
	assert_int_equal(cj_pids_inside(target, getpid(), &found, NULL), -ESRCH);
	assert_int_equal(cj_pids_host(target, getpid(), &found, NULL), -ESRCH);
	assert_int_equal(found, 77);
	cj_target_free(target);
}

static void *wait_for_end(void *data)
{
	int *pipes = data;
	pid_t tid = gettid();
	char c;

	(void)io_write_all(pipes[1], &tid, sizeof(tid));
	(void)io_read(pipes[2], &c, 1);
	return NULL;
}

static void numbers_of_our_own_namespace_are_the_same_but_not_threads(void **state)
{
	static const pid_t nobody[] = {4194304, 0, -1, INT32_MAX, INT32_MIN};
	struct cj_target *target = target_of(getpid());
	pid_t found = 0, tid = 0;
	int pipes[4];
	pthread_t id;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(pipe2(pipes + 2, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&id, NULL, wait_for_end, pipes), 0);
	assert_int_equal(io_read(pipes[0], &tid, sizeof(tid)), sizeof(tid));
	int inside = cj_pids_inside(target, tid, &found, NULL);
	int host = cj_pids_host(target, tid, &found, NULL);
	assert_int_equal(io_write_all(pipes[3], "x", 1), 0);
	assert_int_equal(pthread_join(id, NULL), 0);
	for (int i = 0; i < 4; i++)
		close_fd(&pipes[i]);
	assert_int_equal(inside, -ESRCH);
	assert_int_equal(host, -ESRCH);
	assert_int_equal(found, 0);
	assert_int_equal(cj_pids_host(target, getppid(), &found, NULL), 0);
	assert_int_equal(found, getppid());
	assert_int_equal(cj_pids_inside(target, getppid(), &found, NULL), 0);
	for (size_t i = 0; i < ELEMENTS(nobody); i++) {
		assert_int_equal(cj_pids_inside(target, nobody[i], &found, NULL), -ESRCH);
		assert_int_equal(cj_pids_host(target, nobody[i], &found, NULL), -ESRCH);
	}
	cj_target_free(target);
}

/* --- the tree --- */

struct made_up {
	pid_t host, parent, inside;
};

static struct cj_pids *processes(const struct made_up *from, size_t n)
{
	struct cj_pids *pids = calloc(1, sizeof(*pids));

	assert_non_null(pids);
	pids->all = calloc(n + 1, sizeof(*pids->all));
	assert_non_null(pids->all);
	pids->n = pids->room = n;
	for (size_t i = 0; i < n; i++) {
		pids->all[i].pid.host = from[i].host;
		pids->all[i].pid.inside = from[i].inside;
		pids->all[i].parent = from[i].parent;
		pids->all[i].block = malloc(1); /* so that a lost or doubled one is noticed */
	}
	return pids;
}

static void assert_order(const struct cj_pids *pids, const pid_t *hosts, size_t n)
{
	assert_int_equal(cj_pids_count(pids), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(cj_pids_at(pids, i)->host, hosts[i]);
}

static void parents_come_first_and_children_by_number(void **state)
{
	static const struct made_up from[] = {{10, 90, 4}, {20, 50, 5}, {30, 50, 6}, {40, 20, 7},
					      {50, 1, 2},  {60, 20, 8}, {90, 2, 1},  {95, 90, 3}};
	static const pid_t order[] = {90, 10, 95, 50, 20, 40, 60, 30};
	static const size_t none = CJ_PIDS_NONE, parents[] = {none, 0, 0, none, 3, 4, 4, 3};
	struct cj_pids *pids = processes(from, ELEMENTS(from));

	(void)state;
	assert_int_equal(pids_make_tree(pids, 0), 0);
	assert_order(pids, order, ELEMENTS(order));
	for (size_t i = 0; i < ELEMENTS(parents); i++)
		assert_true(cj_pids_at(pids, i)->parent == parents[i]);
	cj_pids_free(pids);
}

static void a_root_leaves_out_all_that_arent_below_it(void **state)
{
	static const struct made_up from[] = {{10, 1, 10},  {20, 10, 20}, {30, 20, 30},
					      {40, 99, 40}, {50, 30, 50}, {60, 60, 60}};
	static const pid_t order[] = {20, 30, 50};
	struct cj_pids *pids = processes(from, ELEMENTS(from));

	(void)state;
	assert_int_equal(pids_make_tree(pids, 20), 0);
	assert_order(pids, order, ELEMENTS(order));
	assert_true(cj_pids_at(pids, 0)->parent == CJ_PIDS_NONE);
	cj_pids_free(pids);
	pids = processes(from, ELEMENTS(from));
	assert_int_equal(pids_make_tree(pids, 41), 0);
	assert_int_equal(cj_pids_count(pids), 0);
	cj_pids_free(pids);
}

static void circles_of_parents_are_cut(void **state)
{
	static const struct made_up from[] = {{10, 30, 2}, {20, 10, 3}, {30, 20, 4},
					      {40, 40, 5}, {50, 30, 6}, {60, 0, 7}};
	static const pid_t order[] = {40, 60, 10, 20, 30, 50};
	struct cj_pids *pids = processes(from, ELEMENTS(from));

	(void)state;
	assert_int_equal(pids_make_tree(pids, 0), 0);
	assert_order(pids, order, ELEMENTS(order));
	assert_true(cj_pids_at(pids, 2)->parent == CJ_PIDS_NONE);
	assert_int_equal(cj_pids_at(pids, 4)->parent, 3);
	cj_pids_free(pids);
}

/* Any numbers: each process is there once, parents before children, and a circle has a root. */
static void any_parents_make_a_tree(void **state)
{
	enum { N = 300 };
	unsigned int seed = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct made_up from[N];
		bool seen[2 * N + 2] = {false};
		struct cj_pids *pids;

		for (int i = 0; i < N; i++) {
			seed = seed * 1103515245 + 12345;
			from[i] = (struct made_up){2 * i + 2, (pid_t)(seed >> 8) % (2 * N + 2),
						   (pid_t)(seed >> 16) % 9};
		}
		pids = processes(from, N);
		assert_int_equal(pids_make_tree(pids, 0), 0);
		assert_int_equal(cj_pids_count(pids), N);
		for (size_t i = 0; i < N; i++) {
			const struct cj_pid *pid = cj_pids_at(pids, i);

			assert_false(seen[pid->host]);
			seen[pid->host] = true;
			if (pid->parent == CJ_PIDS_NONE)
				continue;
			assert_true(pid->parent < i);
			assert_int_equal(cj_pids_at(pids, pid->parent)->host,
					 from[pid->host / 2 - 1].parent);
		}
		cj_pids_free(pids);
	}
}

static void a_chain_of_many_needs_no_more_stack(void **state)
{
	enum { N = 200000 };
	struct made_up *from = calloc(N, sizeof(*from));
	struct cj_pids *pids;

	(void)state;
	assert_non_null(from);
	for (int i = 0; i < N; i++)
		from[i] = (struct made_up){i + 1, i, i + 1};
	pids = processes(from, N);
	free(from);
	assert_int_equal(pids_make_tree(pids, 0), 0);
	for (size_t i = 1; i < N; i++)
		assert_int_equal(cj_pids_at(pids, i)->parent, i - 1);
	cj_pids_free(pids);
}

static void nobody_makes_an_empty_tree(void **state)
{
	struct cj_pids *pids = processes(NULL, 0);

	(void)state;
	assert_int_equal(pids_make_tree(pids, 0), 0);
	assert_int_equal(cj_pids_count(pids), 0);
	cj_pids_free(pids);
	cj_pids_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_told_from_ours_down_to_its_own),
		cmocka_unit_test(a_process_without_memory_is_told),
		cmocka_unit_test(names_are_the_bytes_that_the_process_gave_itself),
		cmocka_unit_test(a_name_is_unescaped_as_the_kernel_escapes_it),
		cmocka_unit_test(what_is_no_status_is_refused),
		cmocka_unit_test(a_process_that_was_reaped_has_no_numbers),
		cmocka_unit_test(a_parent_is_found_behind_any_name),
		cmocka_unit_test(in_our_own_namespace_it_is_the_target_and_its_descendants),
		cmocka_unit_test(only_those_asked_for_are_read),
		cmocka_unit_test(options_of_tomorrow_are_refused_unless_they_are_zero),
		cmocka_unit_test(a_target_that_has_ended_has_no_processes),
		cmocka_unit_test(numbers_of_our_own_namespace_are_the_same_but_not_threads),
		cmocka_unit_test(parents_come_first_and_children_by_number),
		cmocka_unit_test(a_root_leaves_out_all_that_arent_below_it),
		cmocka_unit_test(circles_of_parents_are_cut),
		cmocka_unit_test(any_parents_make_a_tree),
		cmocka_unit_test(a_chain_of_many_needs_no_more_stack),
		cmocka_unit_test(nobody_makes_an_empty_tree),
	};

	if (!knows_call(SYS_pidfd_open))
		return run_none("pids");
	return cmocka_run_group_tests_name("pids", tests, NULL, NULL);
}
