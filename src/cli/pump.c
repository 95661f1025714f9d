/* SPDX-License-Identifier: MIT */
#include "cli/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/nowait.h"

enum { BUFFER = 64 << 10 };

/* One direction. A side that has ended is -EBADF. */
struct direction {
	int from, to;
	enum nowait from_how, to_how;
	const char *from_name, *to_name; /* for errors */
	char buf[BUFFER];
	size_t start, length; /* what is in it, and not written yet */
};

struct pump {
	struct direction in, out; /* to the connection, from it */
	int connection;
	bool terminal;	 /* on stdin */
	bool one_socket; /* on stdin and stdout */
	bool deaf;	 /* the other side takes no more */
	int lost;	 /* errno: what we had for it is lost */
};

static bool at_end(const struct direction *d)
{
	return d->from < 0 && d->length == 0;
}

/* Whoever writes to our stdin learns that nobody reads it any more. */
static void end_input(struct pump *pump, struct direction *d)
{
	if (d == &pump->in && d->from >= 0) {
		(void)close(d->from);
		(void)close(0);
	}
	d->from = -EBADF;
}

static void read_some(struct pump *pump, struct direction *d, struct cj_error *err)
{
	ssize_t n = nowait_read(d->from, d->from_how, d->buf, sizeof(d->buf));

	if (n == -EAGAIN)
		return;
	if (n < 0 && !(d == &pump->in && n == -EIO)) /* a terminal that doesn't listen to us */
		(void)cj_fail(err, (int)-n, "read from %s", d->from_name);
	d->start = 0;
	d->length = n > 0 ? (size_t)n : 0;
	if (n <= 0)
		end_input(pump, d);
}

static void write_some(struct pump *pump, struct direction *d, struct cj_error *err)
{
	ssize_t n = nowait_write(d->to, d->to_how, d->buf + d->start, d->length);

	if (n == -EAGAIN)
		return;
	if (n > 0) {
		d->start += (size_t)n;
		d->length -= (size_t)n;
		return;
	}
	d->length = 0;
	end_input(pump, d);
	if (d == &pump->in && (n == -EPIPE || n == -ECONNRESET)) {
		pump->deaf = true; /* it has ended: what it has sent is still read */
		pump->lost = (int)-n;
	} else {
		(void)cj_fail(err, (int)-n, "write to %s", d->to_name);
	}
}

static void close_ended(struct pump *pump)
{
	if (at_end(&pump->in) && pump->in.to >= 0) {
		(void)shutdown(pump->connection,
			       SHUT_WR); /* ENOTCONN: it's gone, and reading tells */
		pump->in.to = -EBADF;
	}
	/* The same socket as stdin stays open: so its end has to be told. Any other may be somebody else's as well. */
	if (at_end(&pump->out) && pump->out.to >= 0 && pump->one_socket)
		(void)shutdown(pump->out.to, SHUT_WR);
	if (at_end(&pump->out))
		close_fd(&pump->out.to);
}

/* The other side is gone, and stdin hasn't ended: was something of it lost? An errno, or 0. */
static int find_loss(const struct pump *pump)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (getsockopt(pump->connection, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error)
		return error;
	return pump->in.length > 0 ? EPIPE : 0;
}

/* After the other side's end: would anybody read what still comes from stdin? */
static bool is_over(const struct pump *pump, short events)
{
	if (!at_end(&pump->out))
		return false;
	return at_end(&pump->in) || pump->deaf || pump->terminal || events & (POLLHUP | POLLERR);
}

/* What keeps it from going on: one of the two, and nothing that isn't wanted (a pipe tells its hangup all the time). */
static struct pollfd wanted(const struct direction *d)
{
	if (d->length > 0)
		return (struct pollfd){.fd = d->to, .events = POLLOUT};
	return (struct pollfd){.fd = d->from, .events = POLLIN};
}

static void move(struct pump *pump, struct direction *d, struct cj_error *err)
{
	if (d->length == 0)
		read_some(pump, d, err);
	if (d->length > 0)
		write_some(pump, d, err);
}

static int wait_and_move(struct pump *pump, struct cj_error *err)
{
	/* The last one only for what nobody asks for: the other side is gone altogether. */
	struct pollfd fds[] = {wanted(&pump->in),
			       wanted(&pump->out),
			       {.fd = at_end(&pump->out) ? pump->connection : -1}};

	if (poll(fds, ELEMENTS(fds), -1) < 0)
		return errno == EINTR ? 0 : cj_fail(err, errno, "poll");
	if (fds[0].revents)
		move(pump, &pump->in, err);
	if (fds[1].revents && !err->code)
		move(pump, &pump->out, err);
	if (err->code)
		return -err->code;
	close_ended(pump);
	if (!is_over(pump, fds[2].revents))
		return 0;
	if (!at_end(&pump->in) && pump->lost == 0)
		pump->lost = find_loss(pump);
	return 1;
}

static bool is_one_socket(int in, int out)
{
	struct stat a, b;

	return fstat(in, &a) == 0 && fstat(out, &b) == 0 && S_ISSOCK(a.st_mode) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int pump_run(int connection, struct cj_error *err)
{
	_cleanup_fd_ int own = connection;
	_cleanup_free_ struct pump *pump = calloc(1, sizeof(*pump));
	int in = fcntl(0, F_DUPFD_CLOEXEC, 3), out = fcntl(1, F_DUPFD_CLOEXEC, 3), r;

	if (!pump)
		return cj_fail(err, ENOMEM, "pass bytes on");
	if (in < 0 || out < 0 || fcntl(own, F_SETFL, fcntl(own, F_GETFL) | O_NONBLOCK) < 0)
		return cj_fail(err, errno, "prepare stdin and stdout");
	pump->connection = own;
	pump->terminal = isatty(in);
	pump->one_socket = is_one_socket(in, out);
	pump->in = (struct direction){.from_how = nowait_prepare(&in, O_RDONLY),
				      .to = own,
				      .to_how = NOWAIT_SOCKET,
				      .from_name = "stdin",
				      .to_name = "the connection"};
	pump->out = (struct direction){.to_how = nowait_prepare(&out, O_WRONLY),
				       .from = own,
				       .from_how = NOWAIT_SOCKET,
				       .from_name = "the connection",
				       .to_name = "stdout"};
	pump->in.from = in;
	pump->out.to = out;
	(void)close(1); /* whoever reads it is to see the end that we tell */
	do
		r = wait_and_move(pump, err);
	while (r == 0);
	if (r > 0 && pump->lost)
		return cj_fail(err, pump->lost, "write to %s", pump->in.to_name);
	return r < 0 ? r : 0;
}
