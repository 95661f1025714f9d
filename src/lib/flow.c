/* SPDX-License-Identifier: MIT */
#include "lib/flow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/recording.h"
#include "sys/beneath.h"

enum { PTY_BUFFERS = 128 << 10 }; /* more than the kernel keeps: drivers/tty/tty_buffer.c */

/*
 * The caller's own description must not change its mode, others read it as well: terminals and pipes
 * are opened anew. What can't be (a socket) or mustn't be (a file, whose offset is shared) stays: the
 * kernel takes a file's bytes without waiting for a person, and a socket's where send(2) is told so.
 */
static void prepare_output(struct flow *flow)
{
	int *fd = &flow->relay.to, copy;
	bool terminal = isatty(*fd);
	struct stat st = {.st_mode = 0};

	if (!terminal && fstat(*fd, &st) < 0)
		return;
	flow->to_socket = S_ISSOCK(st.st_mode);
	if (!terminal && !S_ISFIFO(st.st_mode))
		return;
	copy = reopen(*fd, O_WRONLY | O_NONBLOCK | O_NOCTTY);
	if (copy < 0) { /* a terminal of somebody else's: it blocks, as it would for any program */
		flow->may_wait = true;
		return;
	}
	close_fd(fd);
	*fd = copy;
}

/* Of an end of a pipe or pty that is ours alone. */
static bool make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

void flow_init(struct flow *flow, const struct cj_relay *relay, bool to_terminal)
{
	flow->relay = *relay;
	flow->to_terminal = to_terminal;
	flow->to_socket = flow->may_wait = flow->own_from = false;
	flow->last = false;
	flow->budget = SIZE_MAX;
	flow->write_error = 0;
	flow->newest = '\n';
	flow->recording = NULL;
	flow->keys = NULL;
	flow->start = flow->end = 0;
	if (relay->from < 0) {
		flow->relay.to = -EBADF;
	} else if (relay->output) {
		flow->own_from = make_nonblocking(relay->from);
		prepare_output(flow);
	} else {
		flow->may_wait = !make_nonblocking(relay->to);
	}
}

void flow_record(struct flow *flow, struct cj_recording *recording)
{
	flow->recording = recording;
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

/* As much as is there, where asking for more never waits. Returns what ended it: 0 or -errno as read(2). */
static ssize_t fill(struct flow *flow)
{
	ssize_t n;

	do {
		size_t room = sizeof(flow->buf) - flow->end - (flow->keys ? KEYS_MAX : 0);

		n = io_read(flow->relay.from, flow->buf + flow->end,
			    flow->budget < room ? flow->budget : room);
		if (n <= 0)
			return n;
		flow->end += (size_t)n;
		flow->budget -= flow->budget == SIZE_MAX ? 0 : (size_t)n;
	} while (flow->own_from && flow->budget > 0 && flow->end < sizeof(flow->buf));
	return -EAGAIN;
}

static void record(const struct flow *flow)
{
	if (flow->relay.output)
		recording_output(flow->recording, flow->buf, flow->end);
	else
		recording_input(flow->recording, flow->buf, flow->end);
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
	} else if (r == 0 && flow->to_terminal) {
		end_terminal(flow);
	} else if (r != -EAGAIN) { /* EIO: a pty whose other side is closed */
		flow_close(flow);
	}
}

static ssize_t write_or_send(const struct flow *flow)
{
	const char *data = flow->buf + flow->start;
	size_t size = flow->end - flow->start;
	ssize_t n;

	if (!flow->to_socket)
		return io_write(flow->relay.to, data, size);
	n = send(flow->relay.to, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

static void write_some(struct flow *flow)
{
	ssize_t n = write_or_send(flow);

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
	if (flow_has_bytes(flow) && (told || !flow->may_wait))
		write_some(flow);
}
