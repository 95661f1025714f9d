/* SPDX-License-Identifier: MIT */
#include <conjoin/session.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/flow.h"
#include "lib/watchdog.h"
#include "sys/syscalls.h"

enum { FDS = 2 + CJ_RELAYS_MAX, AGAIN_MS = 100, AGAIN_TRIES = 20 };

struct session {
	struct cj_child *child;
	struct cj_session_options *options;
	struct flow flows[CJ_RELAYS_MAX];
	bool ended;
	bool told_to_end; /* by a signal, while the command ran */
	bool give_up;	  /* told to stop while the last output is passed on */
	int kept_from_us; /* dead, but a tracer inside hasn't let go of it: how often we asked */
	int64_t stop_at, kill_at; /* of clock_ms(); 0: never */
};

static void copy_window_size(const struct cj_session_options *options)
{
	struct winsize size;

	if (ioctl(options->terminal, TIOCGWINSZ, &size) == 0)
		(void)ioctl(options->pty, TIOCSWINSZ, &size);
}

static bool ends(unsigned int sig)
{
	return SIGNALS_TO_END & SIGNAL_BIT(sig);
}

static void take_signal(struct session *session)
{
	struct signalfd_siginfo info;

	if (io_read(session->options->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH && session->options->pty >= 0) {
		copy_window_size(session->options);
	} else if (session->ended) {
		session->give_up |= ends(info.ssi_signo);
	} else {
		session->told_to_end |= ends(info.ssi_signo);
		(void)cj_child_signal(session->child, (int)info.ssi_signo); /* ended: no matter */
		/* A command that has stopped itself: as the kernel does for orphaned groups. */
		if (info.ssi_signo == SIGHUP)
			(void)cj_child_signal(session->child, SIGCONT);
	}
}

/* The terminal that the command writes to is gone, and so is the command's: it gets SIGHUP. */
static void hang_up(struct session *session)
{
	for (int i = 0; i < CJ_RELAYS_MAX; i++)
		flow_close(&session->flows[i]);
	close_fd(&session->options->pty);
}

static void take_write_error(struct session *session, struct flow *flow)
{
	int code = flow->write_error;

	flow->write_error = 0;
	if (!code || !flow->relay.output)
		return;
	if (code != EPIPE && code != EIO) /* those mean that nobody wants it any more */
		session->options->output_error = code;
	if (session->options->pty >= 0)
		hang_up(session);
}

/* Has the command ended? What a tracer inside keeps from us is asked for again, for two seconds. */
static int look_at_child(struct session *session, struct cj_error *err)
{
	int r = child_poll_end(session->child, WNOHANG, err);

	if (r < 0)
		return r;
	session->ended = r == 1;
	session->kept_from_us = r == 1 ? 0 : session->kept_from_us + 1;
	if (session->kept_from_us > AGAIN_TRIES)
		return cj_fail(
			err, EBUSY,
			"wait for the command, which has ended: a process that traces it keeps "
			"how");
	return 0;
}

static int wait_once(struct session *session, int timeout, struct cj_error *err)
{
	bool asked = session->ended || session->kept_from_us;
	struct pollfd fds[FDS] = {
		{.fd = asked ? -1 : session->child->pidfd, .events = POLLIN},
		{.fd = session->options->signals, .events = POLLIN},
	};
	int ready, r = 0;

	for (int i = 0; i < CJ_RELAYS_MAX; i++)
		fds[2 + i] = flow_wants(&session->flows[i]);
	ready = poll(fds, FDS, timeout);
	if (ready < 0)
		return errno == EINTR ? 1 : cj_fail(err, errno, "wait for the command");
	if (fds[0].revents || session->kept_from_us)
		r = look_at_child(session, err);
	if (r < 0)
		return r;
	if (fds[1].revents)
		take_signal(session);
	for (int i = 0; i < CJ_RELAYS_MAX; i++)
		if (fds[2 + i].revents && flow_is_open(&session->flows[i])) {
			flow_step(&session->flows[i]);
			take_write_error(session, &session->flows[i]);
		}
	return ready;
}

/* Callers built against an older header have no such fields. */
static bool may_time_out(const struct cj_session_options *options)
{
	return options->size >= offsetof(struct cj_session_options, timed_out) + sizeof(int) &&
	       options->timeout > 0;
}

static int64_t later(int64_t now, int64_t by)
{
	return by > INT64_MAX - now ? INT64_MAX : now + by;
}

static void keep_time(struct session *session)
{
	struct cj_session_options *options = session->options;
	int64_t now = session->stop_at || session->kill_at ? clock_ms() : 0;

	if (session->stop_at && now >= session->stop_at) {
		session->stop_at = 0;
		session->kill_at = later(now, options->grace);
		session->told_to_end = true;
		options->timed_out = 1;
		(void)cj_child_signal(session->child, options->timeout_signal ?: SIGTERM);
		(void)cj_child_signal(session->child,
				      SIGCONT); /* stopped, it wouldn't hear of it */
	}
	if (session->kill_at && now >= session->kill_at) {
		session->kill_at = 0;
		own_cgroups_kill(&session->child->own);
		(void)cj_child_signal(session->child, SIGKILL);
	}
}

/* How long to wait at most, for what has to be done at a time. */
static int next_wait(const struct session *session)
{
	int64_t at = session->stop_at ? session->stop_at : session->kill_at;
	int wait = session->kept_from_us	   ? AGAIN_MS
		   : session->child->watchdog >= 0 ? -1
						   : WATCHDOG_AFTER_MS;
	int64_t left = at ? at - clock_ms() : INT_MAX;

	if (!at || (wait >= 0 && wait < left))
		return wait;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
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
	for (int i = 0; i < CJ_RELAYS_MAX; i++) {
		struct flow *flow = &session->flows[i];

		if (!flow->relay.output)
			flow_close(flow);
		else if (flow_is_open(flow))
			flow_finish(flow);
	}
	while (outputs_open(session) && !session->give_up) {
		bool pending = false;
		int r;

		for (int i = 0; i < CJ_RELAYS_MAX; i++)
			pending |= flow_has_bytes(&session->flows[i]);
		r = wait_once(session, pending && !session->told_to_end ? -1 : 0, err);
		if (r <= 0)
			return r;
	}
	return 0;
}

static void session_done(struct session *session)
{
	hang_up(session);
}

/* Came while it was started. */
static void send_pending(struct cj_child *child)
{
	for (int sig = 1; sig <= SIGNALS; sig++)
		if (child->pending & SIGNAL_BIT(sig))
			(void)cj_child_signal(child, sig); /* ended: no matter */
	child->pending = 0;
}

static int check_times(const struct cj_session_options *options, struct cj_error *err)
{
	if (options->size < offsetof(struct cj_session_options, timed_out) + sizeof(int))
		return 0;
	if (options->timeout < 0 || options->grace < 0)
		return cj_fail(err, EINVAL, "a time limit of less than nothing");
	return 0;
}

static int run(struct cj_child *child, struct cj_session_options *options, struct cj_exit *ret,
	       struct cj_error *err)
{
	_cleanup_(session_done) struct session session;
	int r = 0;

	session.child = child;
	session.options = options;
	session.ended = session.give_up = session.told_to_end = false;
	session.kept_from_us = 0;
	session.stop_at = 0;
	if (may_time_out(options)) {
		options->timed_out = 0;
		session.stop_at = later(clock_ms(), options->timeout);
	}
	session.kill_at = 0;
	for (int i = 0; i < CJ_RELAYS_MAX; i++) {
		struct cj_relay *relay = &options->relays[i];

		flow_init(&session.flows[i], relay, options->pty >= 0 && !relay->output);
		*relay = (struct cj_relay){-1, -1, 0};
	}
	send_pending(child);
	while (!session.ended && r >= 0) {
		r = wait_once(&session, next_wait(&session), err);
		if (!session.ended)
			keep_time(&session);
		if (r == 0 && child->watchdog < 0)
			r = watchdog_start(child, err);
	}
	if (may_time_out(options) && options->timed_out)
		own_cgroups_kill(&child->own);
	if (r >= 0)
		r = drain(&session, err);
	return r < 0 ? r : cj_child_wait(child, ret, err);
}

int cj_session_run(struct cj_child *child, struct cj_session_options *options, struct cj_exit *ret,
		   struct cj_error *err)
{
	int r = check_times(options, err);

	return r < 0 ? r : run(child, options, ret, err);
}
