/* SPDX-License-Identifier: MIT
 *
 * The terminals of whoever called us, none of which ever gets into a container: which of 0, 1 and 2
 * are handed over, which are relayed, and the mode of the terminal meanwhile.
 */
#pragma once

#include <termios.h>

#include <conjoin/conjoin.h>

enum terminal_choice { TERMINAL_AUTO, TERMINAL_FORCE, TERMINAL_FORBID };

struct terminal_request {
	enum terminal_choice choice; /* -t, -T */
	bool interactive;	     /* -i: read the terminal on 0 also without a pty */
	bool no_stdin;
};

struct terminal {
	bool pty;
	int master, slave;
	int pipes[3];		/* the command's ends of relays; -EBADF */
	struct cj_child *child; /* whose pty it is, from terminal_started() on */
	bool raw;		/* the mode was changed, but for the time that we are stopped */
	struct termios before;
};

#define TERMINAL_INIT {.master = -1, .slave = -1, .pipes = { -1, -1, -1 }}

/* Will there be a pty? Known before the plan is made, since TERM depends on it. */
bool terminal_wants_pty(const struct terminal_request *request);

/*
 * Makes the pty or the pipes and fills in what launch and session need. The ends that the command
 * gets stay ours until terminal_started().
 */
int terminal_open(const struct terminal_request *request, bool pty, struct cj_plan *plan,
		  struct cj_launch_options *launch, struct cj_session_options *session,
		  struct terminal *ret, struct cj_error *err);

/* The terminal whose mode will be changed for a pty, perhaps later, in the foreground; -1: none. */
int terminal_guarded(bool pty);

/* The command runs: closes its ends here, and sets raw mode for a pty. */
void terminal_started(struct terminal *terminal, struct cj_child *child);

/* Back to the mode of before, if it's still the one that we gave it: then it's ours to change. */
void terminal_leave(struct terminal *terminal);
/* Raw again, if we are in the foreground. */
void terminal_continue(struct terminal *terminal);

/* Back to the mode of before, and closes what is left. */
void terminal_done(struct terminal *terminal);

/* From now on our own crash gives the terminal on 0 this mode; not any more. terminal_crash.c */
void terminal_guard_crash(const struct termios *before);
void terminal_unguard_crash(void);
