/* SPDX-License-Identifier: MIT
 *
 * Messages with files: all of them arrive or none stays open.
 */
#include "unit.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "sys/parcel.h"

enum { MS = 5000, SHORT_MS = 100 };

static int pair_in, pair_out;

static int make_pair(void **state)
{
	(void)state;
	return parcel_pair(&pair_in, &pair_out);
}

static int close_pair(void **state)
{
	(void)state;
	close_fd(&pair_in);
	close_fd(&pair_out);
	return 0;
}

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

/* Sends one file `n` times. */
static int send_copies(int fd, size_t n, int word)
{
	int files[PARCEL_FILES_MAX + 1];

	for (size_t i = 0; i < ELEMENTS(files); i++)
		files[i] = fd;
	return parcel_send(pair_out, &word, sizeof(word), files, n);
}

static bool is_same(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

static void files_come_along(void **state)
{
	static const size_t numbers[] = {0, 1, 2, 16, PARCEL_FILES_MAX};
	_cleanup_fd_ int file = open("/", O_PATH | O_CLOEXEC);
	int before = open_files();

	(void)state;
	for (size_t i = 0; i < ELEMENTS(numbers); i++) {
		int files[PARCEL_FILES_MAX], word = 0, n;

		assert_int_equal(send_copies(file, numbers[i], 4711), 0);
		n = parcel_receive(pair_in, MS, &word, sizeof(word), files, ELEMENTS(files));
		assert_int_equal(n, numbers[i]);
		assert_int_equal(word, 4711);
		assert_int_equal(open_files(), before + n);
		while (n > 0) {
			assert_true(is_same(files[--n], file));
			assert_int_equal(fcntl(files[n], F_GETFD), FD_CLOEXEC);
			close_fd(&files[n]);
		}
	}
}

static void who_wants_no_files_needs_no_place_for_them(void **state)
{
	int word = 0;

	(void)state;
	assert_int_equal(parcel_send(pair_out, &word, sizeof(word), NULL, 0), 0);
	assert_int_equal(parcel_receive(pair_in, MS, &word, sizeof(word), NULL, 0), 0);
}

static void the_pair_is_closed_by_exec(void **state)
{
	(void)state;
	assert_int_equal(fcntl(pair_in, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(pair_out, F_GETFD), FD_CLOEXEC);
}

static void more_than_the_kernel_takes_isnt_sent(void **state)
{
	(void)state;
	assert_int_equal(send_copies(pair_in, PARCEL_FILES_MAX + 1, 1), -EINVAL);
	assert_int_equal(send_copies(-EBADF, 1, 1), -EBADF);
}

static void more_than_are_wanted_are_closed(void **state)
{
	int before = open_files(), files[2] = {-1, -1}, word = 0;

	(void)state;
	assert_int_equal(send_copies(pair_in, 3, 1), 0);
	assert_int_equal(parcel_receive(pair_in, MS, &word, sizeof(word), files, 2), -EIO);
	assert_int_equal(open_files(), before);
	assert_int_equal(files[0], -1);
}

static void a_message_of_another_size_is_none_and_its_files_are_closed(void **state)
{
	static const size_t sizes[] = {0, 1, sizeof(long) - 1, sizeof(long) + 1, 1000};
	static const char data[1000];
	int before = open_files();

	(void)state;
	for (size_t i = 0; i < ELEMENTS(sizes); i++) {
		int files[4];
		long word;

		assert_int_equal(parcel_send(pair_out, data, sizes[i], &pair_in, 1), 0);
		if (parcel_receive(pair_in, MS, &word, sizeof(word), files, ELEMENTS(files)) !=
		    -EIO)
			fail_msg("%lu bytes are taken for %lu", (unsigned long)sizes[i],
				 (unsigned long)sizeof(word));
		assert_int_equal(open_files(), before);
	}
}

static void who_has_ended_is_noticed_at_once(void **state)
{
	int64_t begin = clock_ms();
	int word;

	(void)state;
	close_fd(&pair_out);
	assert_int_equal(parcel_receive(pair_in, MS, &word, sizeof(word), NULL, 0), -EIO);
	assert_in_range(clock_ms() - begin, 0, MS - 1);
}

static void what_was_sent_before_the_end_arrives(void **state)
{
	int word = 0, file = -EBADF;

	(void)state;
	assert_int_equal(send_copies(pair_in, 1, 4711), 0);
	close_fd(&pair_out);
	assert_int_equal(parcel_receive(pair_in, MS, &word, sizeof(word), &file, 1), 1);
	assert_int_equal(word, 4711);
	assert_true(is_same(file, pair_in));
	close_fd(&file);
}

static void nobody_is_waited_for_longer_than_was_said(void **state)
{
	int64_t begin = clock_ms();
	int word;

	(void)state;
	assert_int_equal(parcel_receive(pair_in, SHORT_MS, &word, sizeof(word), NULL, 0),
			 -ETIMEDOUT);
	assert_in_range(clock_ms() - begin, SHORT_MS, MS);
	begin = clock_ms();
	assert_int_equal(parcel_receive(pair_in, 0, &word, sizeof(word), NULL, 0), -ETIMEDOUT);
	assert_in_range(clock_ms() - begin, 0, MS);
}

static void nothing(int number)
{
	(void)number;
}

static void signals_make_it_neither_longer_nor_shorter(void **state)
{
	const struct itimerval often = {{0, SHORT_MS * 1000 / 8}, {0, SHORT_MS * 1000 / 8}};
	const struct itimerval never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = nothing}, before;
	int64_t begin = clock_ms();
	int word, r;

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	r = parcel_receive(pair_in, SHORT_MS, &word, sizeof(word), NULL, 0);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
	assert_int_equal(r, -ETIMEDOUT);
	assert_in_range(clock_ms() - begin, SHORT_MS, MS);
}

/* In a child with room for so many files. Returns what it got, as an exit status; 100: files are left open. */
static int receive_with_room(int room)
{
	int files[PARCEL_FILES_MAX], word, r;
	struct rlimit limit = {0, 0};

	/* Numbers from 3 on, without a gap, so that the limit means the same everywhere. */
	(void)dup2(pair_in, 3);
	(void)syscall(SYS_close_range, 4U, ~0U, 0);
	limit.rlim_cur = limit.rlim_max = (rlim_t)(4 + room);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 101;
	r = parcel_receive(3, MS, &word, sizeof(word), files, ELEMENTS(files));
	for (int fd = 4; fd < 4 + room; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 100;
	return r < 0 ? -r : 0;
}

static void files_that_have_no_room_are_an_error_and_none_stays(void **state)
{
	static const int rooms[] = {0, 1, 9};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(rooms); i++) {
		int status = 0;
		pid_t pid;

		assert_int_equal(send_copies(pair_in, 10, 1), 0);
		pid = fork();
		if (pid == 0)
			_exit(receive_with_room(rooms[i]));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), EMFILE);
	}
}

/* Simulates limits of files, and knows no way out of them. */
static bool is_under_valgrind(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded && strstr(preloaded, "vgpreload");
}

static void files_that_have_no_room(void **state)
{
	if (is_under_valgrind())
		return;
	files_that_have_no_room_are_an_error_and_none_stays(state);
}

#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, make_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAIR(files_come_along),
		WITH_PAIR(who_wants_no_files_needs_no_place_for_them),
		WITH_PAIR(the_pair_is_closed_by_exec),
		WITH_PAIR(more_than_the_kernel_takes_isnt_sent),
		WITH_PAIR(more_than_are_wanted_are_closed),
		WITH_PAIR(a_message_of_another_size_is_none_and_its_files_are_closed),
		WITH_PAIR(who_has_ended_is_noticed_at_once),
		WITH_PAIR(what_was_sent_before_the_end_arrives),
		WITH_PAIR(nobody_is_waited_for_longer_than_was_said),
		WITH_PAIR(signals_make_it_neither_longer_nor_shorter),
		WITH_PAIR(files_that_have_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
