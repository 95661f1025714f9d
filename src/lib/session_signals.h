/* SPDX-License-Identifier: MIT
 *
 * What a signal that reaches a supervisor means to the command: sent on, to it or to who has its terminal;
 * job control; the size of a window.
 * Not here: waiting for them (session.c).
 */
#pragma once

#include <sys/signalfd.h>

#include "lib/session_state.h"

/* False: it tells of a fault of ours, of a child of ours, or of our own writing to nobody. */
bool signal_is_to_be_sent_on(const struct signalfd_siginfo *info);

/* One that came. It only notes those that stop: session_suspend() does that. */
void session_take_signal(struct session *session, int sig);

/* To the command itself; when it has ended to those of its session that are waited for. */
void session_send(struct session *session, int sig);

/* The size of the caller's window becomes the pty's. False: it has that size already, or there is none. */
bool session_carry_size(const struct session *session);

/*
 * Job control: stops the command (not with a pty: there that's keys), then the caller, who returns when it's continued; then
 * the command goes on. Output is passed on meanwhile, as long as we run ourselves.
 */
int session_suspend(struct session *session, struct cj_error *err);

/* An input has ended: is it since a terminal is gone? One that doesn't control us sends no SIGHUP for that. */
void session_look_for_terminal(struct session *session);

/*
 * Are we in the foreground of the caller's terminal? A shell's `fg` tells that to a stopped job alone, by SIGCONT: as long as we
 * aren't (`behind`) this is to be asked again, and tells the caller when we are.
 */
void session_look_ahead(struct session *session);

/* Is it about a terminal of our session that listens to somebody else now? */
bool session_is_in_background(const struct session *session, const struct flow *flow);
/* flow_step() there: the kernel may stop our whole group for it. */
void session_step_in_background(struct flow *flow);
