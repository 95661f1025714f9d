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
#include <conjoin/log.h>
#include <conjoin/notify.h>
#include <conjoin/plan.h>
#include <conjoin/recording.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes from one fd to another, until `from` ends; then `to` is closed. Both become the session's (not with EINVAL). */
struct cj_relay {
	int from;
	int to;
	/*
	 * Not 0: comes from the command, and what is there when the command ends is still passed on. What
	 * can't be written ends the relay, and the command hears of it; or, CJ_RELAY_LOSSY, is thrown away.
	 */
	int output;
};

enum { CJ_RELAY_LOSSY = 2 };

enum { CJ_RELAYS_MAX = 3 };

/* What a session tells its caller about the caller itself. */
enum cj_session_event {
	/* The command has run for 20 ms. What only those that last need can be done now. */
	CJ_SESSION_LASTS,
	/*
	 * SIGTSTP, SIGTTIN or SIGTTOU came, and without a pty the command's session is stopped by now: the caller gives its terminal
	 * the mode of before, stops itself (SIGSTOP), and returns when it was continued.
	 */
	CJ_SESSION_STOP,
	/* SIGCONT came, whoever stopped the caller, or it's in the foreground by now: its terminal may need its mode (again). */
	CJ_SESSION_CONTINUED,
};

typedef void cj_session_function(void *data, enum cj_session_event event);

struct cj_session_options {
	size_t size;
	/*
	 * A signalfd(2) of signals that the caller has blocked; each that arrives is sent on: to the command, with `pty`
	 * to the group in its foreground. Exceptions: SIGCHLD, SIGPIPE, SIGSEGV and their kind, if the kernel sent them about the
	 * caller; SIGWINCH, with `pty`, carries the window's size over; those that stop, see `event`; SIGHUP goes to the command's whole
	 * session, whose tree is killed after `grace` (10 s, if that is 0) if a terminal of the caller's is gone. -1: none.
	 */
	int signals;
	struct cj_relay relays[CJ_RELAYS_MAX]; /* `from` of -1: unused */
	int pty;      /* master, whose size follows `terminal`; the session's, too; -1: none */
	int terminal; /* the caller's terminal; -1: none */
	/*
	 * Set by the session: the errno of a write of the command's output that failed, 0 if none did.
	 * A reader that went away (EPIPE, of a terminal EIO) is no failure: the command is told of it.
	 */
	int output_error;
	/*
	 * Milliseconds, not negative (EINVAL); 0: as long as it takes. When they are over the command gets `timeout_signal` (0:
	 * SIGTERM) and, `grace` milliseconds after that, SIGKILL; with it its tree, as below.
	 */
	int64_t timeout, grace;
	int timeout_signal;
	int timed_out; /* set by the session: time was up */
	/*
	 * For the tree of a plan that was made with `tree`, or with cgroups of its own: all that the command has
	 * started, also what has left its session. Without such a cgroup it's the processes of its session.
	 */
	int kill_tree; /* when the command has ended, what it left behind is killed */
	int wait_all; /* the session ends when nobody of the tree is left; until then signals go to the session's */
	/*
	 * The plan that the child was launched from, or NULL. With it the session finds out why a command was killed, and tells `log`
	 * (NULL: nobody) in one warning that the target is paused meanwhile.
	 */
	const struct cj_plan *plan;
	cj_log_function *log;
	void *log_data;
	int watch_early; /* what `oom` is compared with is read at once, not when the command has run for 20 ms */
	int ending; /* set by the session: an enum cj_ending */
	int oom; /* set by the session: meanwhile the kernel has killed one of its memory cgroup for want of memory */
	/*
	 * NULL: nobody listens; then SIGTSTP, SIGTTIN and SIGTTOU are sent on like any other, and a terminal of `relays`
	 * is read and written to also when the caller isn't in the foreground there.
	 */
	cj_session_function *event;
	void *event_data;
	/*
	 * Keys, 32 at most, that end the session when they come in an input of `relays`; they don't reach the command. It goes on: the
	 * child and `pty` are the caller's then, `timeout` is what is left of it, and nothing is said about an end.
	 */
	const unsigned char *detach_keys;
	size_t n_detach_keys; /* 0: none */
	int detached;	      /* set by the session: it has ended by them */
	/* Of all that `relays` pass on, and of the window's size: the caller's; NULL: none. */
	struct cj_recording *recording;
	/* The command's messages to a service manager are passed on: the caller's; NULL: none. */
	struct cj_notify *notify;
	/* Set by the session with `detached`: time was up already, `timeout` is what is left of `grace`. The next session goes on there. */
	int in_grace;
};

/* What is to be said of a command's end beyond its status. */
enum cj_ending {
	CJ_ENDING_OWN,		  /* nothing */
	CJ_ENDING_TARGET,	  /* killed, since the target has ended */
	CJ_ENDING_MEMORY,	  /* killed by the kernel for want of memory */
	CJ_ENDING_TARGET_MEMORY,  /* both */
	CJ_ENDING_MEMORY_PERHAPS, /* it ended too soon to be sure */
	/* It was sent SIGKILL by us and is still there: what the session returns is what it will be. */
	CJ_ENDING_PAUSED, /* it is frozen with the target, where that keeps SIGKILL waiting: cgroups v1 */
	CJ_ENDING_STUCK,   /* in an uninterruptible call */
	CJ_ENDING_REFUSED, /* or wasn't: it has more rights than the caller, who may not signal it */
	CJ_ENDING_TRACED,  /* it has ended, and who traces it keeps how */
};

/* The same in words, without a full stop; NULL for CJ_ENDING_OWN. */
const char *cj_ending_text(enum cj_ending ending);

#define CJ_SESSION_OPTIONS_INIT                                                                    \
	{                                                                                          \
		.size = sizeof(struct cj_session_options), .signals = -1,                          \
		.relays = {{-1, -1, 0}, {-1, -1, 0}, {-1, -1, 0}}, .pty = -1, .terminal = -1       \
	}

/*
 * Returns when the command has ended, also while something that it left behind still holds an end of
 * a relay: what is there by then is passed on, no end is waited for. It's told in `*ret`, unless the session was `detached`.
 *
 *	EINVAL	a time limit of less than nothing, or too many keys to detach by
 *	ENOMEM	it's out
 *	EBUSY	the command has ended, and a process that traces it keeps how
 *	others	of poll(2), waitid(2)
 */
int cj_session_run(struct cj_child *child, struct cj_session_options *options, struct cj_exit *ret,
		   struct cj_error *err);

#ifdef __cplusplus
}
#endif
