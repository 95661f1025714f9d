/* SPDX-License-Identifier: MIT */
#include "base/nowait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/io.h"

static int open_it(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * A pty's master would become another pty's. What can't be opened anew may be another user's, after su(1): TIOCGSID fails for
 * any terminal but our own, and of that one everybody may open this name. tty_ioctl(4), tty(4)
 */
static int open_anew(int fd, bool terminal, int access)
{
	unsigned int number;
	char path[32];
	int new;

	if (terminal && ioctl(fd, TIOCGPTN, &number) == 0)
		return -EINVAL;
	(void)format_safe(path, sizeof(path), "/dev/fd/%d", fd);
	new = open_it(path, access);
	if (new >= 0 || !terminal || tcgetsid(fd) < 0)
		return new;
	return open_it("/dev/tty", access);
}

enum nowait nowait_prepare(int *fd, int access)
{
	bool terminal = isatty(*fd);
	struct stat st = {.st_mode = 0};
	int new;

	if (!terminal && fstat(*fd, &st) < 0)
		return NOWAIT_AT_EASE;
	if (S_ISSOCK(st.st_mode))
		return NOWAIT_SOCKET;
	if (!terminal && !S_ISFIFO(st.st_mode))
		return NOWAIT_AT_EASE;
	new = open_anew(*fd, terminal, access);
	if (new < 0)
		return NOWAIT_SHARED;
	close_fd(fd);
	*fd = new;
	return NOWAIT_AT_EASE;
}

static bool is_unknown(ssize_t n)
{
	return n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS);
}

/* Interrupted is: not yet. */
static ssize_t result_of(ssize_t n)
{
	return n >= 0 ? n : errno == EINTR ? -EAGAIN : -errno;
}

/*
 * The last way: the description is non-blocking for as long as one call takes. Who shares it may be told EAGAIN in that moment; who
 * waits for them without it is deaf.
 */
static ssize_t for_a_moment(int fd, void *data, size_t size, bool writes)
{
	int flags = fcntl(fd, F_GETFL);
	bool set = flags >= 0 && !(flags & O_NONBLOCK) &&
		   fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
	ssize_t n = result_of(writes ? write(fd, data, size) : read(fd, data, size));

	if (set)
		(void)fcntl(fd, F_SETFL, flags);
	return n;
}

ssize_t nowait_read(int fd, enum nowait how, void *data, size_t size)
{
	const struct iovec room = {data, size};
	ssize_t n;

	if (how == NOWAIT_AT_EASE)
		return io_read(fd, data, size);
	n = how == NOWAIT_SOCKET ? recv(fd, data, size, MSG_DONTWAIT)
				 : preadv2(fd, &room, 1, -1, RWF_NOWAIT);
	return is_unknown(n) ? for_a_moment(fd, data, size, false) : result_of(n);
}

ssize_t nowait_write(int fd, enum nowait how, const void *data, size_t size)
{
	const struct iovec bytes = {(void *)(uintptr_t)data, size};
	ssize_t n;

	if (how == NOWAIT_AT_EASE)
		return io_write(fd, data, size);
	n = how == NOWAIT_SOCKET ? send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
				 : pwritev2(fd, &bytes, 1, -1, RWF_NOWAIT);
	return is_unknown(n) ? for_a_moment(fd, bytes.iov_base, size, true) : result_of(n);
}

/* 1: there is room; 0: look again; or an errno: there isn't, or won't be. */
static int wait_for_room(int fd, int stop, int64_t end)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLOUT}, {.fd = stop, .events = POLLIN}};
	int64_t left = end < 0 ? -1 : end - clock_ms();
	int n = poll(fds, 2, end < 0 ? -1 : left < 0 ? 0 : (int)left);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n == 0 ? -EAGAIN : fds[0].revents ? 1 : -EINTR;
}

/* There is room, and not enough of it; or somebody else sits in a write to the same terminal. */
static int wait_a_little(int stop, int64_t end)
{
	struct pollfd stopped = {.fd = stop, .events = POLLIN};

	if (poll(&stopped, 1, 1) > 0)
		return -EINTR;
	return end >= 0 && clock_ms() >= end ? -EAGAIN : 0;
}

size_t nowait_write_all(int fd, const void *data, size_t size, int ms, int stop, int *ret_code)
{
	_cleanup_fd_ int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	enum nowait how = own < 0 ? NOWAIT_SHARED : nowait_prepare(&own, O_WRONLY);
	int to = own < 0 ? fd : own; /* no file is left: as it is, then */
	int64_t end = ms < 0 ? -1 : clock_ms() + ms;
	size_t done = 0;

	while (done < size) {
		ssize_t r = wait_for_room(to, stop, end);

		if (r > 0)
			r = nowait_write(to, how, (const char *)data + done, size - done);
		if (r > 0)
			done += (size_t)r;
		else if (r == 0 || r == -EAGAIN)
			r = wait_a_little(stop, end);
		if (r < 0) {
			*ret_code = (int)-r;
			break;
		}
	}
	return done;
}
