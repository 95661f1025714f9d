/* SPDX-License-Identifier: MIT
 *
 * Whole reads and writes, also when signals come in between and pipes give little at a time; and
 * ownership that ends with its scope.
 */
#include "unit.h"

#include <sys/socket.h>
#include <sys/time.h>

static void make_pipe(int ret[2])
{
	assert_int_equal(pipe2(ret, O_CLOEXEC), 0);
}

static void a_file_is_read_to_its_end_with_the_nuls_that_it_holds(void **state)
{
	_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;
	int fds[2];

	(void)state;
	make_pipe(fds);
	assert_int_equal(io_write_all(fds[1], "a\0b\0", 4), 0);
	close_fd(&fds[1]);
	assert_int_equal(io_read_all(fds[0], 4, &bytes), 0);
	assert_int_equal(bytes.size, 4);
	assert_memory_equal(bytes.data, "a\0b\0", 5); /* and one of ours behind */
	close_fd(&fds[0]);
}

static void nothing_is_an_empty_text(void **state)
{
	_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;
	char buf[4] = "xxx";
	_cleanup_fd_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(io_read_all(fd, 0, &bytes), 0);
	assert_int_equal(bytes.size, 0);
	assert_string_equal(bytes.data, "");
	assert_int_equal(io_read_small(fd, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
}

static void a_limit_is_kept_to_the_byte(void **state)
{
	struct bytes bytes = BYTES_INIT;
	struct tree *tree = *state;
	char data[10000];

	memset(data, 'd', sizeof(data));
	write_bytes(tree, "file", data, sizeof(data));
	_cleanup_fd_ int fd = openat(tree->fd, "file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_read_all(fd, sizeof(data) - 1, &bytes), -EFBIG);
	assert_null(bytes.data);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_all(fd, sizeof(data), &bytes), 0);
	assert_int_equal(bytes.size, sizeof(data));
	assert_memory_equal(bytes.data, data, sizeof(data));
	bytes_done(&bytes);
	assert_int_equal(io_read_all(-EBADF, 1, &bytes), -EBADF);
}

static void a_small_buffer_holds_the_text_and_its_nul_or_nothing(void **state)
{
	struct tree *tree = *state;
	char buf[8];

	write_text(tree, "seven", "1234567");
	write_text(tree, "eight", "12345678");
	_cleanup_fd_ int seven = openat(tree->fd, "seven", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int eight = openat(tree->fd, "eight", O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_read_small(seven, buf, sizeof(buf)), 7);
	assert_string_equal(buf, "1234567");
	assert_int_equal(io_read_small(eight, buf, sizeof(buf)), -EFBIG);
}

static void ignore(int sig)
{
	(void)sig;
}

/* A timer that interrupts every call that waits: no SA_RESTART. */
static void interrupt_often(suseconds_t every)
{
	const struct sigaction action = {.sa_handler = ignore};
	const struct itimerval timer = {{0, every}, {0, every}};

	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void signals_neither_cut_a_read_nor_a_write(void **state)
{
	enum { SIZE = 1 << 20 };
	_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;
	_cleanup_free_ char *data = malloc(SIZE);
	pid_t pid;
	int fds[2];

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (char)(i * 7 >> 3);
	make_pipe(fds);
	pid = fork();
	if (pid == 0) {
		interrupt_often(7000);
		close_fd(&fds[0]);
		_exit(io_write_all(fds[1], data, SIZE) == 0 ? 0 : 1);
	}
	close_fd(&fds[1]);
	interrupt_often(5000);
	int r = io_read_all(fds[0], SIZE, &bytes);
	interrupt_often(0);
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(r, 0);
	assert_int_equal(bytes.size, SIZE);
	assert_memory_equal(bytes.data, data, SIZE);
	close_fd(&fds[0]);
}

static void a_failed_write_says_why(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	close_fd(&fds[1]);
	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	assert_int_equal(io_write_all(fds[0], "x", 1), -EPIPE);
	close_fd(&fds[0]);
	assert_int_equal(io_write_all(-EBADF, "x", 1), -EBADF);
	assert_int_equal(io_write_all(-EBADF, "", 0), 0);
}

static void what_a_scope_owns_goes_with_it_unless_it_was_taken(void **state)
{
	int left, taken;

	(void)state;
	{
		_cleanup_fd_ int stays = open("/dev/null", O_RDONLY | O_CLOEXEC);
		_cleanup_fd_ int leaves = open("/dev/null", O_RDONLY | O_CLOEXEC);

		left = stays;
		taken = take_fd(&leaves);
		assert_int_equal(leaves, -EBADF);
		errno = EXDEV;
	}
	assert_int_equal(errno, EXDEV); /* clearing up doesn't touch it */
	assert_int_equal(fcntl(left, F_GETFD), -1);
	assert_int_equal(fcntl(taken, F_GETFD), FD_CLOEXEC);
	close_fd(&taken);
	assert_int_equal(taken, -EBADF);
	close_fd(&taken);

	char *pointer = strdup("x");
	char *moved = take_ptr(pointer);
	assert_null(pointer);
	free(moved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_to_its_end_with_the_nuls_that_it_holds),
		cmocka_unit_test(nothing_is_an_empty_text),
		cmocka_unit_test_setup_teardown(a_limit_is_kept_to_the_byte, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(a_small_buffer_holds_the_text_and_its_nul_or_nothing,
						make_tree, remove_tree),
		cmocka_unit_test(signals_neither_cut_a_read_nor_a_write),
		cmocka_unit_test(a_failed_write_says_why),
		cmocka_unit_test(what_a_scope_owns_goes_with_it_unless_it_was_taken),
	};

	return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
