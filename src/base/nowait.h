/* SPDX-License-Identifier: MIT
 *
 * Reading and writing what others read and write as well, without waiting for them: O_NONBLOCK is a matter of the
 * description, which may be shared, so it isn't ours to set. pipe(7), open(2)
 * Not here: what is ours alone (io.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What then keeps a read(2) or write(2) from waiting, when somebody else was quicker than we? */
enum nowait {
	NOWAIT_AT_EASE, /* non-blocking and ours alone, or a file, which waits for nobody */
	NOWAIT_SOCKET,	/* it's asked not to wait */
	/*
	 * A terminal or pipe of another user's, and not our controlling terminal: of a pipe that can be asked for each call from Linux 6.4 on,
	 * else the description is non-blocking for the time of one.
	 */
	NOWAIT_SHARED,
};

/*
 * Takes a description of our own, non-blocking, of the terminal or pipe that `*fd` is, in its place (`*fd` is closed then); `access` is
 * O_RDONLY or O_WRONLY. A file's isn't taken, its offset is shared, nor a socket's, which can't be.
 */
enum nowait nowait_prepare(int *fd, int access);

/* One read or write, of as much as can be without waiting; ask poll(2) before it unless they are at ease. Length or -errno; EAGAIN. */
ssize_t nowait_read(int fd, enum nowait how, void *data, size_t size);
ssize_t nowait_write(int fd, enum nowait how, const void *data, size_t size);

/*
 * Writes all of it to `fd`, which stays as it is, as far as it's taken within `ms` milliseconds (-1: no limit) and before
 * `stop` (-1: none) is ready to be read. Returns how much that was; if it isn't all, `*ret_code` is an errno: EAGAIN for the time,
 * EINTR for `stop`.
 */
size_t nowait_write_all(int fd, const void *data, size_t size, int ms, int stop, int *ret_code);
