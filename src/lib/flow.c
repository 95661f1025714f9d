/* SPDX-License-Identifier: MIT */
#include "lib/flow.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/recording.h"
#include "sys/beneath.h"

enum {
	PTY_BUFFERS = 128 << 10, /* more than the kernel keeps: drivers/tty/tty_buffer.c */
	FEW = 1,
};

/* TIOCGSID fails for any terminal but our own, and of that one everybody may open this name. tty_ioctl(4), tty(4) */
static int open_controlling(int fd, int flags)
{
	int new;

	if (tcgetsid(fd) < 0)
		return -errno;
	new = open("/dev/tty", flags);
	return new < 0 ? -errno : new;
}

/* A pty's master would become another pty's; what can't be opened anew may be another user's, after su(1). */
static int open_anew(int fd, bool terminal, int flags)
{
	unsigned int number;
	int new;

	if (terminal && ioctl(fd, TIOCGPTN, &number) == 0)
		return -EINVAL;
	new = reopen(fd, flags);
	return new < 0 && terminal ? open_controlling(fd, flags) : new;
}

/* Terminals and pipes are opened anew. A file mustn't be, its offset is shared, and a socket can't. */
static enum flow_care prepare(int *fd, int access)
{
	bool terminal = isatty(*fd);
	struct stat st = {.st_mode = 0};
	int new;

	if (!terminal && fstat(*fd, &st) < 0)
		return FLOW_AT_EASE;
	if (S_ISSOCK(st.st_mode))
		return FLOW_SOCKET;
	if (!terminal && !S_ISFIFO(st.st_mode))
		return FLOW_AT_EASE;
	new = open_anew(*fd, terminal, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (new < 0)
		return terminal ? FLOW_TERMINAL : FLOW_PIPE;
	close_fd(fd);
	*fd = new;
	return FLOW_AT_EASE;
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
	flow->from_care = flow->to_care = FLOW_AT_EASE;
	flow->own_from = false;
	flow->slave = -EBADF;
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
		flow->to_care = prepare(&flow->relay.to, O_WRONLY);
	} else {
		flow->from_care = prepare(&flow->relay.from, O_RDONLY);
		(void)make_nonblocking(relay->to);
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
	close_fd(&flow->slave);
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

/* poll(2) has promised room for as much: the unit of a pipe is a page; of a terminal any room at all is some. */
static size_t promised(enum flow_care care, size_t size)
{
	size_t most = care == FLOW_PIPE ? PIPE_BUF : FEW;

	return size < most ? size : most;
}

static bool is_unknown(ssize_t n)
{
	return n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS);
}

/* Interrupted (by SIGCONT, when it's about the background) is: not yet. */
static ssize_t result_of(ssize_t n)
{
	return n >= 0 ? n : errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t read_from(const struct flow *flow, char *data, size_t size)
{
	struct iovec room = {data, size};
	ssize_t n;

	if (flow->from_care == FLOW_AT_EASE)
		return io_read(flow->relay.from, data, size);
	n = flow->from_care == FLOW_SOCKET ? recv(flow->relay.from, data, size, MSG_DONTWAIT)
					   : preadv2(flow->relay.from, &room, 1, -1, RWF_NOWAIT);
	if (is_unknown(n))
		return io_read(flow->relay.from, data, size);
	return result_of(n);
}

static ssize_t write_to(struct flow *flow)
{
	char *data = flow->buf + flow->start;
	size_t size = flow->end - flow->start;
	const struct iovec bytes = {data, size};
	ssize_t n;

	if (flow->to_care == FLOW_AT_EASE)
		return io_write(flow->relay.to, data, size);
	n = flow->to_care == FLOW_SOCKET
		    ? send(flow->relay.to, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
		    : pwritev2(flow->relay.to, &bytes, 1, -1, RWF_NOWAIT);
	if (is_unknown(n))
		return io_write(flow->relay.to, data, promised(flow->to_care, size));
	return result_of(n);
}

/* As much as is there, where asking for more never waits. Returns what ended it: 0 or -errno as read(2). */
static ssize_t fill(struct flow *flow)
{
	ssize_t n;

	do {
		size_t room = sizeof(flow->buf) - flow->end - (flow->keys ? KEYS_MAX : 0);

		n = read_from(flow, flow->buf + flow->end,
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
	return flow->slave >= 0;
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
	} else if (r != -EAGAIN && !(r == -EIO && keep_open(flow))) {
		flow_close(flow);
	}
}

static void write_some(struct flow *flow)
{
	ssize_t n = write_to(flow);

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
	if (flow_has_bytes(flow) && (told || flow->to_care <= FLOW_SOCKET))
		write_some(flow);
}
