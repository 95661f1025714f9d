/* SPDX-License-Identifier: MIT */
#include "lib/flow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/recording.h"

enum { PTY_BUFFERS = 128 << 10 }; /* more than the kernel keeps: drivers/tty/tty_buffer.c */

/* Of an end of a pipe or pty that is ours alone. */
static bool make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

int flow_init(struct flow *flow, const struct cj_relay *relay, bool to_terminal)
{
	flow->relay = *relay;
	flow->buf = NULL;
	flow->to_terminal = to_terminal;
	flow->shows = flow->gone = flow->at_end = false;
	flow->from_care = flow->to_care = NOWAIT_AT_EASE;
	flow->own_from = false;
	flow->slave = -EBADF;
	flow->last = false;
	flow->budget = SIZE_MAX;
	flow->write_error = flow->read_error = 0;
	flow->newest = '\n';
	flow->recording = NULL;
	flow->keys = NULL;
	flow->start = flow->end = 0;
	if (relay->from < 0) {
		flow->relay.to = -EBADF;
		return 0;
	}
	flow->buf = malloc(FLOW_CHUNK); /* on the stack it would be too much for a small one */
	if (!flow->buf) {
		flow_close(flow);
		return -ENOMEM;
	}
	if (relay->output) {
		flow->own_from = make_nonblocking(relay->from);
		flow->shows = isatty(relay->to);
		flow->to_care = nowait_prepare(&flow->relay.to, O_WRONLY);
	} else {
		flow->from_care = nowait_prepare(&flow->relay.from, O_RDONLY);
		(void)make_nonblocking(relay->to);
	}
	return 0;
}

void flow_record(struct flow *flow, struct cj_recording *recording)
{
	flow->recording = recording;
}

void flow_close(struct flow *flow)
{
	close_fd(&flow->relay.from);
	close_fd(&flow->relay.to);
	close_fd(&flow->slave);
	free(flow->buf);
	flow->buf = NULL;
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

/* As much as is there, where asking for more never waits. Returns what ended it: 0 or -errno as read(2). */
static ssize_t fill(struct flow *flow)
{
	ssize_t n;

	do {
		size_t room = (size_t)FLOW_CHUNK - flow->end - (flow->keys ? KEYS_MAX : 0);

		n = nowait_read(flow->relay.from, flow->from_care, flow->buf + flow->end,
				flow->budget < room ? flow->budget : room);
		if (n <= 0)
			return n;
		flow->end += (size_t)n;
		flow->budget -= flow->budget == SIZE_MAX ? 0 : (size_t)n;
	} while (flow->own_from && flow->budget > 0 && flow->end < (size_t)FLOW_CHUNK);
	return -EAGAIN;
}

static void record(const struct flow *flow)
{
	if (flow->relay.output)
		recording_output(flow->recording, flow->buf, flow->end);
	else
		recording_input(flow->recording, flow->buf, flow->end);
}

/*
 * EIO: nobody has the pty's other side open. The command, which runs, may open it again (/dev/tty, or after
 * vhangup(2)): from now on we keep it open. ioctl_tty(2), TIOCGPTPEER
 */
static bool keep_open(struct flow *flow)
{
	if (!flow->own_from || flow->budget != SIZE_MAX)
		return false;
	close_fd(&flow->slave);
	flow->slave = ioctl(flow->relay.from, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	flow->gone = flow->slave < 0; /* TIOCEXCL: the command itself can't open it either */
	return true;
}

static void read_some(struct flow *flow)
{
	ssize_t r = fill(flow);

	if (flow->keys && (flow->end > 0 || r == 0))
		flow->end = keys_pass(flow->keys, flow->buf, flow->end);
	if (flow->end > 0) {
		flow->newest = flow->buf[flow->end - 1];
		flow->last = flow->budget == 0;
		record(flow); /* an end that came after it is found again by the next read */
	} else if (flow->to_terminal &&
		   r != -EAGAIN) { /* one that can't be read has ended as well */
		flow->read_error = (int)-r;
		flow->at_end = true;
		end_terminal(flow);
	} else if (r != -EAGAIN && !(r == -EIO && keep_open(flow))) {
		flow_close(flow);
	}
}

static void write_some(struct flow *flow)
{
	ssize_t n = nowait_write(flow->relay.to, flow->to_care, flow->buf + flow->start,
				 flow->end - flow->start);

	if (n == -EAGAIN)
		return;
	if (n < 0 && flow->relay.output == CJ_RELAY_LOSSY) {
		n = (ssize_t)(flow->end - flow->start); /* lost, and the command goes on */
	} else if (n < 0) { /* nobody reads any more: our writer should know */
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
	bool told = flow_has_bytes(flow); /* then poll(2) has said that there's room */

	if (!told)
		read_some(flow);
	if (flow_has_bytes(flow) && (told || flow->to_care != NOWAIT_SHARED))
		write_some(flow);
}
