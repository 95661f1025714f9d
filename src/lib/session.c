/* SPDX-License-Identifier: MIT */
#include <conjoin/session.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/notify.h"
#include "lib/recording.h"
#include "lib/session_signals.h"
#include "lib/session_time.h"
#include "sys/syscalls.h"

enum {
	FDS = 4 + CJ_RELAYS_MAX,
	NOTIFY_FD = FDS - 1,
	PAUSE_FD = FDS - 2,
	KEPT_MS = 2000,
	FLUSH_MS = 200
};

static void warn(const struct session *session, const char *text)
{
	const struct cj_session_options *options = session->options;

	if (SESSION_HAS(options, oom) && options->log)
		options->log(options->log_data, CJ_LOG_WARNING, text);
}

void session_tell_if_paused(struct session *session)
{
	if (session->told_of_pause || session->ended || !ending_is_paused(&session->ending))
		return;
	session->told_of_pause = true;
	close_fd(&session->ending.pauses);
	warn(session, "the target is paused, and with it the command, which hears nothing until it "
		      "is continued");
}

static void take_signal(struct session *session)
{
	struct signalfd_siginfo info;

	if (io_read(session->options->signals, &info, sizeof(info)) == sizeof(info) &&
	    signal_is_to_be_sent_on(&info)) {
		session_take_signal(session, (int)info.ssi_signo);
		session_tell_if_paused(session);
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
	session->lost |= code == EIO && flow->shows;
	if (code != EPIPE &&
	    !(code == EIO && flow->shows)) /* those mean that nobody wants it any more */
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
	if (!session->ended && !session->kept_from_us)
		session->kept_until = clock_ms() + KEPT_MS;
	session->kept_from_us = !session->ended;
	if (session->ended || clock_ms() < session->kept_until)
		return 0;
	if (session_has_timed_out(session->options))
		session->given_up = true; /* its time was up, however it ended */
	else
		return cj_fail(
			err, EBUSY,
			"wait for the command, which has ended: a process that traces it keeps "
			"how");
	return 0;
}

static void take_end_of_input(struct session *session, struct flow *flow)
{
	char text[128];

	flow->at_end = false;
	/* EIO: of a terminal that doesn't listen to us. */
	if (flow->read_error && flow->read_error != EIO) {
		(void)snprintf(text, sizeof(text), "the command is told that its input ends: %s",
			       strerror(flow->read_error));
		warn(session, text);
	}
	session_look_for_terminal(session);
}

static void step(struct session *session, struct flow *flow)
{
	if (session_is_in_background(session, flow))
		session_step_in_background(flow);
	else
		flow_step(flow);
	take_write_error(session, flow);
	if (flow->at_end)
		take_end_of_input(session, flow);
	if (flow->gone)
		hang_up(session);
}

int session_wait_once(struct session *session, int timeout, struct cj_error *err)
{
	bool asked = session->ended || session->kept_from_us;
	struct pollfd fds[FDS] = {
		{.fd = asked ? -1 : session->child->pidfd, .events = POLLIN},
		{.fd = session->options->signals, .events = POLLIN},
	};
	int ready, r = 0;

	for (int i = 0; i < CJ_RELAYS_MAX; i++)
		fds[2 + i] = flow_wants(&session->flows[i]);
	fds[NOTIFY_FD] = notify_wants(notify_of(session->options));
	fds[PAUSE_FD] =
		(struct pollfd){.fd = asked ? -1 : session->ending.pauses, .events = POLLPRI};
	ready = poll(fds, FDS, timeout);
	if (ready < 0)
		return errno == EINTR ? 1 : cj_fail(err, errno, "wait for the command");
	if (fds[0].revents || session->kept_from_us)
		r = look_at_child(session, err);
	if (r < 0)
		return r;
	if (fds[PAUSE_FD].revents)
		session_tell_if_paused(session);
	if (fds[1].revents)
		take_signal(session);
	for (int i = 0; i < CJ_RELAYS_MAX; i++)
		if (fds[2 + i].revents && flow_is_open(&session->flows[i]))
			step(session, &session->flows[i]);
	if (fds[NOTIFY_FD].revents)
		notify_step(notify_of(session->options), session->child);
	return ready;
}

static bool kills_tree(const struct cj_session_options *options)
{
	return session_has_timed_out(options) ||
	       (SESSION_HAS(options, wait_all) && options->kill_tree);
}

/* Its terminal, or whoever it was for, is lost: a tree that can be found as a whole ends with it. */
static bool was_hung_up(const struct session *session)
{
	const struct cj_child *child = session->child;

	return session->hung_up && child->ended && child->end.signal == SIGHUP &&
	       own_cgroups_any(&child->own);
}

static bool waits_for_tree(const struct cj_session_options *options)
{
	return SESSION_HAS(options, wait_all) && options->wait_all;
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
			pending |= flow_has_bytes(&session->flows[i]) &&
				   session->flows[i].relay.output != CJ_RELAY_LOSSY;
		r = session_wait_once(
			session, pending && !session->told_to_end ? session_time_left(session) : 0,
			err);
		if (r == 0 && pending && !session->told_to_end && session->stop_at) {
			session->options->timed_out = 1; /* nobody has taken it in time */
			session->options->output_error = ETIMEDOUT;
			child_kill_tree(session->child);
		}
		if (r <= 0)
			return r;
		(void)session_suspend(session, NULL);
	}
	return 0;
}

static void session_done(struct session *session)
{
	if (!SESSION_HAS(session->options, detached) || !session->options->detached)
		hang_up(session);
	ending_done(&session->ending);
}

/*
 * It was sent SIGKILL and is still there: the kernel ends it when it can, and whoever waits for us hasn't to
 * wait for that. What it will have been is known.
 */
static void give_up(struct session *session, struct cj_exit *ret)
{
	struct cj_session_options *options = session->options;

	if (SESSION_HAS(options, oom))
		options->ending = session->kept_from_us				 ? CJ_ENDING_TRACED
				  : cj_child_signal(session->child, 0) == -EPERM ? CJ_ENDING_REFUSED
				  : ending_is_paused(&session->ending)		 ? CJ_ENDING_PAUSED
										 : CJ_ENDING_STUCK;
	session->child->given_up = true;
	*ret = (struct cj_exit){.code = -1, .signal = SIGKILL};
}

static void judge(struct session *session, const struct cj_exit *end)
{
	struct cj_session_options *options = session->options;

	if (!SESSION_HAS(options, oom) || !options->plan)
		return;
	if (!options->timed_out)
		options->ending = ending_judge(&session->ending, end);
	options->oom = ending_oom(&session->ending);
}

/* Came while it was started. */
static void take_pending(struct session *session)
{
	uint64_t pending = session->child->pending;

	session->child->pending = 0;
	for (int sig = 1; sig <= SIGNALS; sig++)
		if (pending & SIGNAL_BIT(sig))
			session_take_signal(session, sig);
}

static int check_options(const struct cj_session_options *options, struct cj_error *err)
{
	if (SESSION_HAS(options, timed_out) && (options->timeout < 0 || options->grace < 0))
		return cj_fail(err, EINVAL, "a time limit of less than nothing");
	if (SESSION_HAS(options, detached) && options->n_detach_keys > KEYS_MAX)
		return cj_fail(err, EINVAL, "more than %d keys to detach by", KEYS_MAX);
	return 0;
}

/* Not for each, and so not at once. One that has ended by now hasn't lasted, and what it was killed for counts. */
static void begin_to_last(struct session *session)
{
	struct pollfd ended = {.fd = session->child->pidfd, .events = POLLIN};

	if (poll(&ended, 1, 0) != 0)
		return;
	session->lasts = true;
	ending_begin(&session->ending);
	session_tell(session, CJ_SESSION_LASTS);
	session_look_ahead(session);
	/* The parent death signal is there: no reason to end a command that runs. */
	if (watchdog_start(session->child, NULL) < 0)
		warn(session,
		     "no watchdog can be made: if we are killed, what the command has started "
		     "stays");
}

static int wait_for_command(struct session *session, struct cj_error *err)
{
	int r = 0;

	while (!session->ended && !session->given_up && r >= 0 && !session->keys.complete) {
		r = session_wait_once(session, session_next_wait(session), err);
		if (r >= 0)
			r = session_suspend(session, err);
		if (session->ended || r < 0)
			break;
		session_keep_time(session);
		if (session->behind)
			session_look_ahead(session);
		if (!session->lasts && clock_ms() >= session->lasts_at)
			begin_to_last(session);
	}
	return r;
}

/* What was read is passed on, if somebody takes it. The command and its pty are the caller's then. */
static void let_go(struct session *session)
{
	struct cj_session_options *options = session->options;

	for (int i = 0; i < CJ_RELAYS_MAX; i++) {
		struct flow *flow = &session->flows[i];
		int64_t end = clock_ms() + FLUSH_MS;

		while (flow_has_bytes(flow) && clock_ms() < end) {
			struct pollfd fd = flow_wants(flow);

			if (poll(&fd, 1, FLUSH_MS) > 0)
				flow_step(flow);
		}
		flow_close(flow);
	}
	if (session_may_time_out(options)) {
		int64_t left = (session->stop_at ?: session->kill_at) - clock_ms();

		options->timeout = left > 0 ? left : 1;
		if (SESSION_HAS(options, in_grace))
			options->in_grace = options->timed_out;
	}
	options->detached = 1;
}

/* Nothing tells of a session's last process: it's looked at now and then. When time is up they have their grace. */
static int wait_for_tree(struct session *session, struct cj_error *err)
{
	int r = 0;

	session->tree_waits = true;
	while (r >= 0 && (!session->told_to_end || session->kill_at) &&
	       child_tree_lives(session->child) > 0) {
		r = session_wait_once(session, session_next_wait(session), err);
		if (r >= 0)
			r = session_suspend(session, err);
		session_keep_time(session);
		if (session->behind)
			session_look_ahead(session);
	}
	session->tree_waits = false;
	return r < 0 ? r : 0;
}

static int init(struct session *session, struct cj_child *child, struct cj_session_options *options)
{
	int r = 0;

	options->output_error = 0;
	session->child = child;
	session->options = options;
	session->ended = session->tree_waits = session->give_up = session->told_to_end = false;
	session->lasts = session->continued = session->hung_up = session->goes_on = false;
	session->lost = session->behind = session->told_of_loss = false;
	session->suspend_by = 0;
	session->kept_from_us = false;
	session->lasts_at = clock_ms() + WATCHDOG_AFTER_MS;
	session->stop_at = session->kill_at = session->give_up_at = 0;
	session->given_up = session->told_of_pause = false;
	ending_init(&session->ending, SESSION_HAS(options, oom) ? options->plan : NULL,
		    &child->own);
	if (SESSION_HAS(options, timed_out))
		options->timed_out = 0;
	if (SESSION_HAS(options, oom))
		options->oom = options->ending = 0;
	if (SESSION_HAS(options, oom) && options->watch_early) {
		ending_begin(&session->ending);
		session->ending.since = 0; /* before it could be killed for anything */
	}
	if (session_may_time_out(options))
		session_begin_time(session);
	session->keys.size = session->keys.matched = 0;
	session->keys.complete = false;
	if (SESSION_HAS(options, detached))
		options->detached = 0;
	if (SESSION_HAS(options, detached) && options->n_detach_keys > 0) {
		session->keys.size = options->n_detach_keys;
		memcpy(session->keys.sequence, options->detach_keys, options->n_detach_keys);
	}
	for (int i = 0; i < CJ_RELAYS_MAX; i++) {
		struct cj_relay *relay = &options->relays[i];
		bool typed = options->pty >= 0 && !relay->output;

		if (flow_init(&session->flows[i], relay, typed) < 0)
			r = -ENOMEM;
		flow_record(&session->flows[i], recording_of(options));
		if (!relay->output && session->keys.size > 0)
			session->flows[i].keys = &session->keys;
		*relay = (struct cj_relay){-1, -1, 0};
	}
	return r;
}

static int run(struct cj_child *child, struct cj_session_options *options, struct cj_exit *ret,
	       struct cj_error *err)
{
	_cleanup_(session_done) struct session session;
	int r = 0;

	r = init(&session, child, options);
	if (r < 0)
		return cj_fail(err, -r, "pass on what the command reads and writes");
	if (session_may_time_out(options) || kills_tree(options) || waits_for_tree(options))
		child_read_start(child);
	take_pending(&session);
	r = wait_for_command(&session, err);
	if (r >= 0 && session.keys.complete && !session.ended) {
		let_go(&session);
		return 0;
	}
	if (r >= 0 && session.given_up) {
		give_up(&session, ret);
		return 0;
	}
	/* A signal that it has survived has told it something else. */
	session.told_to_end &= child->end.signal != 0 || session_has_timed_out(options);
	if (r >= 0 && waits_for_tree(options) && !session_has_timed_out(options))
		r = wait_for_tree(&session, err);
	notify_finish(notify_of(options), child);
	if (kills_tree(options) || was_hung_up(&session))
		child_kill_tree(child);
	if (r >= 0)
		r = drain(&session, err);
	if (r >= 0)
		r = cj_child_wait(child, ret, err);
	if (r == 0)
		judge(&session, ret);
	return r;
}

int cj_session_run(struct cj_child *child, struct cj_session_options *options, struct cj_exit *ret,
		   struct cj_error *err)
{
	int r = check_options(options, err);

	return r < 0 ? r : run(child, options, ret, err);
}
