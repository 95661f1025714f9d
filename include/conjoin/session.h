/* SPDX-License-Identifier: MIT
 *
 * Staying with a command until it ends: signals go in, bytes of terminals go both ways, the end
 * comes out.
 * Not here: modes of the caller's own terminal, which are the program's business.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <conjoin/child.h>
#include <conjoin/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes from one fd to another, until `from` ends; then `to` is closed. Both become the session's. */
struct cj_relay {
	int from;
	int to;
	int output; /* comes from the command: what is there when the command ends is still passed on */
};

enum { CJ_RELAYS_MAX = 3 };

struct cj_session_options {
	size_t size;
	/*
	 * A signalfd(2) of signals that the caller has blocked; each that arrives is sent on to the
	 * command. SIGWINCH, with `pty`, carries the window's size over instead. -1: none.
	 */
	int signals;
	struct cj_relay relays[CJ_RELAYS_MAX]; /* `from` of -1: unused */
	int pty;      /* master, whose size follows `terminal`; the session's, too; -1: none */
	int terminal; /* the caller's terminal; -1: none */
	/*
	 * Set by the session: the errno of a write of the command's output that failed, 0 if none did.
	 * A reader that went away (EPIPE, EIO) is no failure: the command is told of it.
	 */
	int output_error;
	/*
	 * Milliseconds, not negative (EINVAL); 0: as long as it takes. When they are over the command gets `timeout_signal` (0:
	 * SIGTERM) and, `grace` milliseconds after that, SIGKILL; with it all that is left in a cgroup that
	 * was made for it.
	 */
	int64_t timeout, grace;
	int timeout_signal;
	int timed_out; /* set by the session: time was up */
};

#define CJ_SESSION_OPTIONS_INIT                                                                    \
	{                                                                                          \
		.size = sizeof(struct cj_session_options), .signals = -1,                          \
		.relays = {{-1, -1, 0}, {-1, -1, 0}, {-1, -1, 0}}, .pty = -1, .terminal = -1       \
	}

/*
 * Returns when the command has ended, also while something that it left behind still holds an end of
 * a relay: what is there by then is passed on, no end is waited for.
 */
int cj_session_run(struct cj_child *child, struct cj_session_options *options, struct cj_exit *ret,
		   struct cj_error *err);

#ifdef __cplusplus
}
#endif
