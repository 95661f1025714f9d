/* SPDX-License-Identifier: MIT
 *
 * When a session does what: its time limit, the grace after that, and how long it may sleep until then.
 */
#include "lib/session_time.h"

#include <limits.h>
#include <signal.h>

#include "base/io.h"
#include "lib/session_signals.h"

enum { AGAIN_MS = 100, TREE_MS = 50, GIVE_UP_MS = 500, BEHIND_MS = 100 };

bool session_may_time_out(const struct cj_session_options *options)
{
	return SESSION_HAS(options, timed_out) && options->timeout > 0;
}

bool session_has_timed_out(const struct cj_session_options *options)
{
	return session_may_time_out(options) && options->timed_out;
}

static int64_t later(int64_t now, int64_t by)
{
	return by > INT64_MAX - now ? INT64_MAX : now + by;
}

static int64_t sooner(int64_t at, int64_t other)
{
	return !at || (other && other < at) ? other : at; /* 0: never */
}

void session_kill_later(struct session *session, int64_t ms)
{
	const struct cj_session_options *options = session->options;
	int64_t grace = SESSION_HAS(options, timed_out) && options->grace ? options->grace : ms;

	session->kill_at = sooner(session->kill_at, later(clock_ms(), grace));
}

void session_keep_time(struct session *session)
{
	struct cj_session_options *options = session->options;
	bool any = session->stop_at || session->kill_at || session->give_up_at;
	int64_t now = any ? clock_ms() : 0;

	if (session->stop_at && now >= session->stop_at) {
		session->stop_at = 0;
		session->kill_at = sooner(session->kill_at, later(now, options->grace));
		session->told_to_end = true;
		options->timed_out = 1;
		session_send(session, options->timeout_signal ?: SIGTERM);
		session_send(session, SIGCONT); /* stopped, it wouldn't hear of it */
		session_tell_if_paused(session);
	}
	if (session->kill_at && now >= session->kill_at) {
		session->kill_at = 0;
		child_kill_tree(session->child);
		session->give_up_at = clock_ms() + GIVE_UP_MS;
	} else if (session->give_up_at && now >= session->give_up_at) {
		session->give_up_at = 0;
		session->given_up = !session->kept_from_us; /* that has a limit of its own */
	}
}

static int until(int64_t at)
{
	int64_t left = at - clock_ms();

	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* How long to wait at most, for what has to be done at a time. */
int session_next_wait(const struct session *session)
{
	int64_t at = sooner(sooner(session->stop_at, session->kill_at), session->give_up_at);
	int wait = session->tree_waits	   ? TREE_MS
		   : session->kept_from_us ? AGAIN_MS
		   : session->behind	   ? BEHIND_MS
		   : session->lasts	   ? -1
					   : WATCHDOG_AFTER_MS;
	int left = at ? until(at) : INT_MAX;

	return !at || (wait >= 0 && wait < left) ? wait : left;
}

int session_time_left(const struct session *session)
{
	return session->stop_at ? until(session->stop_at) : -1;
}

void session_begin_time(struct session *session)
{
	struct cj_session_options *options = session->options;
	bool in_grace = SESSION_HAS(options, in_grace) && options->in_grace;

	options->timed_out = session->told_to_end = in_grace;
	*(in_grace ? &session->kill_at : &session->stop_at) = later(clock_ms(), options->timeout);
	if (in_grace)
		options->in_grace = 0;
}
