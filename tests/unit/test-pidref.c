/* SPDX-License-Identifier: MIT
 *
 * Processes that are named so that nobody else with their number is taken for them.
 */
#include "unit.h"

#include <pthread.h>

#include "sys/pidref.h"
#include "sys/proc.h"

static void a_handle_opens_the_process_that_it_was_made_from(void **state)
{
	struct pidref ref = PIDREF_INIT, again = PIDREF_INIT;
	struct handle handle;
	char text[48];
	pid_t pid = spawn_idle();

	(void)state;
	assert_int_equal(pidref_open(pid, &ref, NULL), 0);
	assert_true(pidref_format(&ref, text, sizeof(text)) < sizeof(text));
	assert_int_equal(handle_parse(text, &handle), 0);
	assert_int_equal(handle.pid, pid);
	assert_int_equal(pidref_open_handle(&handle, &again, NULL), 0);
	assert_int_equal(again.pid, pid);
	assert_true(again.id == ref.id);

	pidref_done(&again);
	pidref_done(&ref);
	end(pid);
}

static void a_handle_by_start_time_still_opens_where_there_are_inodes(void **state)
{
	struct pidref ref = PIDREF_INIT;
	struct handle handle = {.pid = spawn_idle()};
	_cleanup_fd_ int proc = -EBADF;

	(void)state;
	assert_int_equal(proc_open(handle.pid, &proc, NULL), 0);
	assert_int_equal(proc_read_start_time(proc, &handle.id), 0);
	assert_int_equal(pidref_open_handle(&handle, &ref, NULL), 0);
	pidref_done(&ref);
	handle.id++;
	assert_int_equal(pidref_open_handle(&handle, &ref, NULL), -ESRCH);
	assert_int_equal(ref.fd, -EBADF);
	end(handle.pid);
}

static void a_handle_of_another_process_with_the_same_number_is_refused(void **state)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct pidref ref = PIDREF_INIT, other = PIDREF_INIT;
	pid_t pid = spawn_idle();

	(void)state;
	assert_int_equal(pidref_open(pid, &ref, NULL), 0);
	/* as if the number had been recycled */
	struct handle handle = {.pid = pid, .id = ref.id + 1, .id_is_inode = ref.id_is_inode};
	assert_int_equal(pidref_open_handle(&handle, &other, &err), -ESRCH);
	assert_int_equal(err.code, ESRCH);
	assert_int_equal(other.fd, -EBADF);
	assert_int_equal(other.proc, -EBADF);

	pidref_done(&ref);
	end(pid);
}

static void two_processes_never_have_the_same_handle(void **state)
{
	struct pidref a = PIDREF_INIT, b = PIDREF_INIT;
	pid_t pids[2] = {spawn_idle(), spawn_idle()};

	(void)state;
	assert_int_equal(pidref_open(pids[0], &a, NULL), 0);
	assert_int_equal(pidref_open(pids[1], &b, NULL), 0);
	assert_true(a.pid != b.pid);
	if (a.id_is_inode)
		assert_true(a.id != b.id);
	pidref_done(&a);
	pidref_done(&b);
	end(pids[0]);
	end(pids[1]);
}

static void a_process_that_has_ended_is_refused_even_before_it_is_reaped(void **state)
{
	struct pidref ref = PIDREF_INIT;
	pid_t pid = spawn_idle();

	(void)state;
	assert_int_equal(pidref_open(pid, &ref, NULL), 0);
	assert_int_equal(pidref_verify(&ref), 0);
	make_zombie(pid);
	assert_int_equal(pidref_verify(&ref), -ESRCH);

	pidref_done(&ref);
	end(pid);
}

static void a_pinned_directory_never_shows_a_later_process(void **state)
{
	struct pidref ref = PIDREF_INIT;
	pid_t pid = spawn_idle();
	char buf[64];

	(void)state;
	assert_int_equal(pidref_open(pid, &ref, NULL), 0);
	assert_true(proc_read_small(ref.proc, "comm", buf, sizeof(buf)) > 0);
	end(pid);
	assert_int_equal(proc_read_small(ref.proc, "comm", buf, sizeof(buf)), -ESRCH);
	pidref_done(&ref);
}

static void nobody_can_be_opened_by_a_number_that_nobody_has(void **state)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct pidref ref = PIDREF_INIT;
	pid_t pid = spawn_idle();

	(void)state;
	end(pid); /* reaped */
	assert_int_equal(pidref_open(pid, &ref, &err), -ESRCH);
	assert_names(&err, "open process");
	assert_int_equal(pidref_open(4194304, &ref, NULL), -ESRCH);
	assert_int_equal(ref.fd, -EBADF);
}

struct thread {
	int tid_pipe[2], end_pipe[2];
};

static void *live(void *data)
{
	const struct thread *thread = data;
	pid_t tid = gettid();
	char c;

	(void)io_write_all(thread->tid_pipe[1], &tid, sizeof(tid));
	(void)io_read(thread->end_pipe[0], &c, 1);
	return NULL;
}

static void a_thread_is_no_process(void **state)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct pidref ref = PIDREF_INIT;
	struct thread thread;
	pthread_t id;
	pid_t tid = 0;

	(void)state;
	assert_int_equal(pipe2(thread.tid_pipe, O_CLOEXEC), 0);
	assert_int_equal(pipe2(thread.end_pipe, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&id, NULL, live, &thread), 0);
	assert_int_equal(io_read(thread.tid_pipe[0], &tid, sizeof(tid)), sizeof(tid));
	int r = pidref_open(tid, &ref, &err);
	assert_int_equal(io_write_all(thread.end_pipe[1], "x", 1), 0);
	assert_int_equal(pthread_join(id, NULL), 0);
	for (int i = 0; i < 2; i++) {
		close_fd(&thread.tid_pipe[i]);
		close_fd(&thread.end_pipe[i]);
	}
	assert_int_equal(r, -EINVAL);
	assert_names(&err, "thread");
	assert_int_equal(ref.fd, -EBADF);
}

static void fds_are_born_close_on_exec(void **state)
{
	struct pidref ref = PIDREF_INIT;

	(void)state;
	assert_int_equal(pidref_open(getpid(), &ref, NULL), 0);
	assert_int_equal(fcntl(ref.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(ref.proc, F_GETFD), FD_CLOEXEC);
	pidref_done(&ref);
	assert_int_equal(ref.fd, -EBADF);
	pidref_done(&ref);
}

/* --- the text --- */

static void a_handle_is_a_pid_and_an_inode_or_a_start_time(void **state)
{
	struct handle handle;

	(void)state;
	assert_int_equal(handle_parse("4711:8193", &handle), 0);
	assert_int_equal(handle.pid, 4711);
	assert_true(handle.id == 8193 && handle.id_is_inode);
	assert_int_equal(handle_parse("1:s18446744073709551615", &handle), 0);
	assert_true(handle.id == UINT64_MAX && !handle.id_is_inode);
}

static void what_is_no_handle_is_refused(void **state)
{
	static const char *const wrong[] = {"",
					    ":",
					    "4711",
					    "4711:",
					    ":8193",
					    "4711:s",
					    "4711:x1",
					    "4711:8193:1",
					    "-1:2",
					    "0:1",
					    "1:-2",
					    " 1:2",
					    "1 :2",
					    "1:2 ",
					    "1:ss2",
					    "1:S2",
					    "4194305:1",
					    "1:18446744073709551616",
					    "00000000000000000001:1"};
	struct handle handle = {.pid = 77};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++)
		if (handle_parse(wrong[i], &handle) >= 0)
			fail_msg("\"%s\" was taken as a handle", wrong[i]);
	assert_int_equal(handle.pid, 77);
}

static void the_longest_handle_fits_48_bytes(void **state)
{
	struct pidref ref = {.pid = 4194304, .id = UINT64_MAX, .id_is_inode = false};
	char text[48];

	(void)state;
	assert_int_equal(pidref_format(&ref, text, sizeof(text)), 29);
	assert_string_equal(text, "4194304:s18446744073709551615");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handle_opens_the_process_that_it_was_made_from),
		cmocka_unit_test(a_handle_by_start_time_still_opens_where_there_are_inodes),
		cmocka_unit_test(a_handle_of_another_process_with_the_same_number_is_refused),
		cmocka_unit_test(two_processes_never_have_the_same_handle),
		cmocka_unit_test(a_process_that_has_ended_is_refused_even_before_it_is_reaped),
		cmocka_unit_test(a_pinned_directory_never_shows_a_later_process),
		cmocka_unit_test(nobody_can_be_opened_by_a_number_that_nobody_has),
		cmocka_unit_test(a_thread_is_no_process),
		cmocka_unit_test(fds_are_born_close_on_exec),
		cmocka_unit_test(a_handle_is_a_pid_and_an_inode_or_a_start_time),
		cmocka_unit_test(what_is_no_handle_is_refused),
		cmocka_unit_test(the_longest_handle_fits_48_bytes),
	};

	if (!knows_call(SYS_pidfd_open))
		return run_none("pidref");
	return cmocka_run_group_tests_name("pidref", tests, NULL, NULL);
}
