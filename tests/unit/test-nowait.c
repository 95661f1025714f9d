/* SPDX-License-Identifier: MIT
 *
 * What others read and write as well: nobody is waited for, and their description is as it was.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/nowait.h"

static char much[1 << 20];

struct ends {
	int reader, writer;
};

static struct ends make(int kind)
{
	int fds[2];

	switch (kind) {
	case 0:
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		break;
	case 1:
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		break;
	default:
		assert_int_equal(openpty(&fds[0], &fds[1], NULL, NULL, NULL), 0);
	}
	return (struct ends){fds[0], fds[1]};
}

static void close_ends(struct ends *ends)
{
	(void)close(ends->reader);
	(void)close(ends->writer);
}

static void who_doesnt_read_is_waited_for_as_long_as_was_said(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct ends ends = make(kind);
		int64_t begin = clock_ms();
		int code = 0;

		assert_true(nowait_write_all(ends.writer, much, sizeof(much), 50, -1, &code) <
			    sizeof(much));
		assert_int_equal(code, EAGAIN);
		assert_in_range(clock_ms() - begin, 50, 5000);
		assert_int_equal(fcntl(ends.writer, F_GETFL) & O_NONBLOCK, 0);
		close_ends(&ends);
	}
}

static void it_can_be_stopped(void **state)
{
	int stop = eventfd(1, EFD_CLOEXEC);

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct ends ends = make(kind);
		int code = 0;

		assert_true(nowait_write_all(ends.writer, much, sizeof(much), -1, stop, &code) <
			    sizeof(much));
		assert_int_equal(code, EINTR);
		close_ends(&ends);
	}
	(void)close(stop);
}

/* As where it can't be opened anew. */
static void a_shared_description_is_as_it_was(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct ends ends = make(kind);
		char byte;

		assert_int_equal(nowait_read(ends.reader, kind == 1 ? NOWAIT_SOCKET : NOWAIT_SHARED,
					     &byte, 1),
				 -EAGAIN);
		for (ssize_t n = 1; n > 0;)
			n = nowait_write(ends.writer, kind == 1 ? NOWAIT_SOCKET : NOWAIT_SHARED,
					 much, sizeof(much));
		assert_int_equal(fcntl(ends.reader, F_GETFL) & O_NONBLOCK, 0);
		assert_int_equal(fcntl(ends.writer, F_GETFL) & O_NONBLOCK, 0);
		assert_int_equal(io_read(ends.reader, &byte, 1), 1);
		assert_int_equal(byte, 'x');
		close_ends(&ends);
	}
}

static void a_description_of_our_own_takes_its_place(void **state)
{
	struct ends ends = make(0);
	int own = fcntl(ends.writer, F_DUPFD_CLOEXEC, 3), master, slave;

	(void)state;
	assert_int_equal(nowait_prepare(&own, O_WRONLY), NOWAIT_AT_EASE);
	assert_int_not_equal(fcntl(own, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(ends.writer, F_GETFL) & O_NONBLOCK, 0);
	(void)close(own);
	close_ends(&ends);
	/* A master would be another pty's. */
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	own = fcntl(master, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(nowait_prepare(&own, O_WRONLY), NOWAIT_SHARED);
	assert_int_equal(io_write(own, "x\n", 2), 2);
	(void)close(own);
	(void)close(master);
	(void)close(slave);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_doesnt_read_is_waited_for_as_long_as_was_said),
		cmocka_unit_test(it_can_be_stopped),
		cmocka_unit_test(a_shared_description_is_as_it_was),
		cmocka_unit_test(a_description_of_our_own_takes_its_place),
	};

	memset(much, 'x', sizeof(much));
	return cmocka_run_group_tests_name("nowait", tests, NULL, NULL);
}
