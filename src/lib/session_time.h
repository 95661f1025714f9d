/* SPDX-License-Identifier: MIT
 *
 * When a session does what. Times are those of clock_ms().
 */
#pragma once

#include "lib/session_state.h"

/* Is there a limit; is it over? */
bool session_may_time_out(const struct cj_session_options *options);
bool session_has_timed_out(const struct cj_session_options *options);

/* The limit's time begins; or what another session has left of it goes on. */
void session_begin_time(struct session *session);

/* Its tree is killed when its grace is over, or in `ms` if it has none; not later than that was to be. */
void session_kill_later(struct session *session, int64_t ms);

/* Does what is due by now. */
void session_keep_time(struct session *session);

/* Milliseconds until something is due; -1: nothing will be. */
int session_next_wait(const struct session *session);
/* Until the limit is over; -1: there is none, or it is. */
int session_time_left(const struct session *session);
