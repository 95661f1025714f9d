/* SPDX-License-Identifier: MIT */
#include "lib/flow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/beneath.h"

enum { PTY_BUFFERS = 128 << 10 }; /* more than the kernel keeps: drivers/tty/tty_buffer.c */

/*
 * The caller's own description must not change its mode, others read it as well: terminals and pipes
 * are opened anew. What can't be (a socket) or mustn't be (a file, whose offset is shared) stays: the
 * kernel takes a socket's or a file's bytes without waiting for a person.
 */
static void make_nonblocking(int *fd)
{
	struct stat st;
	int copy;

	if (!isatty(*fd) && (fstat(*fd, &st) < 0 || !S_ISFIFO(st.st_mode)))
		return;
	copy = reopen(*fd, O_WRONLY | O_NONBLOCK | O_NOCTTY);
	if (copy < 0) /* a terminal of somebody else's: it blocks, as it would for any program */
		return;
	close_fd(fd);
	*fd = copy;
}

void flow_init(struct flow *flow, const struct cj_relay *relay, bool to_terminal)
{
	flow->relay = *relay;
	flow->to_terminal = to_terminal;
	flow->last = false;
	flow->budget = SIZE_MAX;
	flow->write_error = 0;
	flow->newest = '\n';
	flow->start = flow->end = 0;
	if (relay->from < 0)
		flow->relay.to = -EBADF;
	else if (relay->output)
		make_nonblocking(&flow->relay.to);
	else /* our own end of a pipe or pty */
		(void)fcntl(relay->to, F_SETFL, fcntl(relay->to, F_GETFL) | O_NONBLOCK);
}

void flow_close(struct flow *flow)
{
	close_fd(&flow->relay.from);
	close_fd(&flow->relay.to);
	flow->start = flow->end = 0;
}

void flow_finish(struct flow *flow)
{
	int size = fcntl(flow->relay.from, F_GETPIPE_SZ);

	flow->budget = size > 0 ? (size_t)size : PTY_BUFFERS;
}

bool flow_is_open(const struct flow *flow)
{
	return flow->relay.to >= 0;
}

bool flow_has_bytes(const struct flow *flow)
{
	return flow->end > flow->start;
}

/*
 * A terminal's reader is told of the end by a character. In the middle of a line the first one only
 * hands the line over. termios(3), VEOF
 */
static void end_terminal(struct flow *flow)
{
	struct termios mode;
	char end = tcgetattr(flow->relay.to, &mode) == 0 ? (char)mode.c_cc[VEOF] : 4;

	flow->buf[flow->end++] = end;
	if (flow->newest != '\n')
		flow->buf[flow->end++] = end;
	flow->last = true;
}

static void read_some(struct flow *flow)
{
	size_t room = flow->budget < sizeof(flow->buf) ? flow->budget : sizeof(flow->buf);
	ssize_t n = io_read(flow->relay.from, flow->buf, room);

	if (n == -EAGAIN)
		return;
	if (n > 0) {
		flow->end = (size_t)n;
		flow->newest = flow->buf[n - 1];
		flow->budget -= flow->budget == SIZE_MAX ? 0 : (size_t)n;
		flow->last = flow->budget == 0;
	} else if (n == 0 && flow->to_terminal) {
		end_terminal(flow);
	} else { /* EIO: a pty whose other side is closed */
		flow_close(flow);
	}
}

static void write_some(struct flow *flow)
{
	ssize_t n = io_write(flow->relay.to, flow->buf + flow->start, flow->end - flow->start);

	if (n == -EAGAIN)
		return;
	if (n < 0) { /* nobody reads any more: our writer should know */
		flow->write_error = (int)-n;
		flow_close(flow);
		return;
	}
	flow->start += (size_t)n;
	if (flow->start < flow->end)
		return;
	flow->start = flow->end = 0;
	if (flow->last)
		flow_close(flow);
}

struct pollfd flow_wants(const struct flow *flow)
{
	if (!flow_is_open(flow))
		return (struct pollfd){.fd = -1};
	if (flow_has_bytes(flow))
		return (struct pollfd){.fd = flow->relay.to, .events = POLLOUT};
	return (struct pollfd){.fd = flow->relay.from, .events = POLLIN};
}

void flow_step(struct flow *flow)
{
	if (flow_has_bytes(flow))
		write_some(flow);
	else
		read_some(flow);
}
