/* SPDX-License-Identifier: MIT
 *
 * A session under way: what the session*.c files share.
 */
#pragma once

#include <stddef.h>

#include <conjoin/session.h>

#include "lib/child.h"
#include "lib/ending.h"
#include "lib/flow.h"
#include "lib/keys.h"

struct session {
	struct cj_child *child;
	struct cj_session_options *options;
	struct flow flows[CJ_RELAYS_MAX];
	struct keys keys; /* by which the caller lets go of the command */
	bool ended;
	bool tree_waits;  /* the command has ended, and who it left behind is waited for */
	bool told_to_end; /* by a signal, while the command ran */
	bool give_up;	  /* told to stop while the last output is passed on */
	bool lasts;   /* it has run for so long that this was told, and that there is a watchdog */
	bool hung_up; /* by SIGHUP */
	bool lost;    /* the terminal that output went to */
	bool told_of_loss; /* the command, of a terminal that is gone: a SIGHUP for that would be the second */
	bool behind; /* in the background of the caller's terminal, which nobody tells us the end of */
	bool goes_on;	    /* SIGCONT came while we were about to stop */
	bool continued;	    /* by us: the SIGCONT that is on its way is no news to it */
	int suspend_by;	    /* a signal that asks us to stop; 0: none does */
	bool kept_from_us;  /* dead, but a tracer inside has not let go of it: we ask again */
	int64_t kept_until; /* of clock_ms(): and no longer than that */
	int64_t lasts_at;
	int64_t stop_at, kill_at; /* of clock_ms(); 0: never */
	int64_t give_up_at;	  /* of a command that was killed and doesn't end */
	bool given_up;
	bool told_of_pause;
	struct ending ending;
};

/* Callers built against an older header have no such field. */
#define SESSION_HAS(options, field)                                                                \
	((options)->size >= offsetof(struct cj_session_options, field) + sizeof((options)->field))

/* One round of waiting, for `timeout` milliseconds at most (-1: no limit). 0: nothing came. session.c */
int session_wait_once(struct session *session, int timeout, struct cj_error *err);

/* Warns that the target is paused, if it is. Once: who is paused and continued all the time doesn't fill a log. session.c */
void session_tell_if_paused(struct session *session);

/* Tells the caller what happens to it, if it listens. */
static inline void session_tell(const struct session *session, enum cj_session_event event)
{
	const struct cj_session_options *options = session->options;

	if (SESSION_HAS(options, event_data) && options->event)
		options->event(options->event_data, event);
}

static inline bool session_is_listened_to(const struct session *session)
{
	return SESSION_HAS(session->options, event_data) && session->options->event;
}
