/* SPDX-License-Identifier: MIT */
#include <conjoin/session.h>

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/watchdog.h"
#include "sys/syscalls.h"

enum { CHUNK = 16384, FDS = 2 + 2 * CJ_RELAYS_MAX, AGAIN_MS = 100, AGAIN_TRIES = 20 };

/* One relay and what it has read but not written yet. */
struct flow {
	struct cj_relay relay;
	char buf[CHUNK];
	size_t start, end;
};

struct session {
	struct cj_child *child;
	const struct cj_session_options *options;
	struct flow flows[CJ_RELAYS_MAX];
	bool ended;
	int kept_from_us; /* dead, but a tracer inside hasn't let go of it: how often we asked */
};

static void flow_close(struct flow *flow)
{
	close_fd(&flow->relay.from);
	close_fd(&flow->relay.to);
	flow->start = flow->end = 0;
}

static bool flow_is_open(const struct flow *flow)
{
	return flow->relay.to >= 0;
}

static void flow_read(struct flow *flow)
{
	ssize_t n = io_read(flow->relay.from, flow->buf, sizeof(flow->buf));

	if (n == -EAGAIN)
		return;
	if (n <= 0) /* EIO: a pty whose other side is closed */
		flow_close(flow);
	else
		flow->end = (size_t)n;
}

static void flow_write(struct flow *flow)
{
	ssize_t n = io_write(flow->relay.to, flow->buf + flow->start, flow->end - flow->start);

	if (n == -EAGAIN)
		return;
	if (n < 0) {
		flow_close(flow); /* EPIPE: nobody reads any more, and our reader should know */
		return;
	}
	flow->start += (size_t)n;
	if (flow->start == flow->end)
		flow->start = flow->end = 0;
}

static bool flow_has_bytes(const struct flow *flow)
{
	return flow->end > flow->start;
}

static void copy_window_size(const struct cj_session_options *options)
{
	struct winsize size;

	if (ioctl(options->terminal, TIOCGWINSZ, &size) == 0)
		(void)ioctl(options->pty, TIOCSWINSZ, &size);
}

static void take_signal(struct session *session)
{
	struct signalfd_siginfo info;

	if (io_read(session->options->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH && session->options->pty >= 0)
		copy_window_size(session->options);
	else
		(void)cj_child_signal(session->child, (int)info.ssi_signo); /* ended: no matter */
}

static void add(struct pollfd *fds, nfds_t *n, int fd, short events)
{
	fds[*n] = (struct pollfd){.fd = fd, .events = events};
	(*n)++;
}

/* What a flow waits for: room to write, if it has something; else something to read. */
static void add_flow(const struct flow *flow, struct pollfd *fds, nfds_t *n)
{
	if (!flow_is_open(flow))
		add(fds, n, -1, 0);
	else if (flow_has_bytes(flow))
		add(fds, n, flow->relay.to, POLLOUT);
	else
		add(fds, n, flow->relay.from, POLLIN);
}

static int wait_once(struct session *session, int timeout, struct cj_error *err)
{
	struct pollfd fds[FDS];
	nfds_t n = 0;
	int ready;

	add(fds, &n, session->ended || session->kept_from_us ? -1 : session->child->pidfd, POLLIN);
	add(fds, &n, session->options->signals, POLLIN);
	for (int i = 0; i < CJ_RELAYS_MAX; i++)
		add_flow(&session->flows[i], fds, &n);
	ready = poll(fds, n, timeout);
	if (ready < 0)
		return errno == EINTR ? 1 : cj_fail(err, errno, "wait for the command");
	if (fds[0].revents || session->kept_from_us) {
		int r = child_poll_end(session->child, WNOHANG, err);

		if (r < 0)
			return r;
		session->ended = r == 1;
		session->kept_from_us = r == 1 ? 0 : session->kept_from_us + 1;
		if (session->kept_from_us > AGAIN_TRIES)
			return cj_fail(err, EBUSY,
				       "wait for the command, which has ended: a process "
				       "that traces it keeps how");
	}
	if (fds[1].revents)
		take_signal(session);
	for (int i = 0; i < CJ_RELAYS_MAX; i++) {
		struct flow *flow = &session->flows[i];

		if (!fds[2 + i].revents)
			continue;
		if (flow_has_bytes(flow))
			flow_write(flow);
		else
			flow_read(flow);
	}
	return ready;
}

static bool outputs_open(const struct session *session)
{
	for (int i = 0; i < CJ_RELAYS_MAX; i++)
		if (session->flows[i].relay.output && flow_is_open(&session->flows[i]))
			return true;
	return false;
}

/* The command has ended: what it wrote is in the pipes by now, what others will write isn't ours. */
static int drain(struct session *session, struct cj_error *err)
{
	for (int i = 0; i < CJ_RELAYS_MAX; i++)
		if (!session->flows[i].relay.output)
			flow_close(&session->flows[i]);
	while (outputs_open(session)) {
		bool pending = false;
		int r;

		for (int i = 0; i < CJ_RELAYS_MAX; i++)
			pending |= flow_has_bytes(&session->flows[i]);
		r = wait_once(session, pending ? -1 : 0, err);
		if (r <= 0)
			return r;
	}
	return 0;
}

static void session_done(struct session *session)
{
	for (int i = 0; i < CJ_RELAYS_MAX; i++)
		flow_close(&session->flows[i]);
}

/* Came while it was started. */
static void send_pending(struct cj_child *child)
{
	for (int sig = 1; sig <= SIGNALS; sig++)
		if (child->pending & SIGNAL_BIT(sig))
			(void)cj_child_signal(child, sig); /* ended: no matter */
	child->pending = 0;
}

int cj_session_run(struct cj_child *child, struct cj_session_options *options, struct cj_exit *ret,
		   struct cj_error *err)
{
	_cleanup_(session_done) struct session session;
	int r = 0;

	session.child = child;
	session.options = options;
	session.ended = false;
	session.kept_from_us = 0;
	for (int i = 0; i < CJ_RELAYS_MAX; i++) {
		session.flows[i].relay = options->relays[i];
		session.flows[i].start = session.flows[i].end = 0;
		options->relays[i] = (struct cj_relay){-1, -1, 0};
	}
	send_pending(child);
	while (!session.ended && r >= 0) {
		bool guarded = child->watchdog >= 0;

		r = wait_once(&session,
			      session.kept_from_us ? AGAIN_MS
			      : guarded		   ? -1
						   : WATCHDOG_AFTER_MS,
			      err);
		if (r == 0 && !guarded)
			r = watchdog_start(child, err);
	}
	if (r >= 0)
		r = drain(&session, err);
	return r < 0 ? r : cj_child_wait(child, ret, err);
}
