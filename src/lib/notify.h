/* SPDX-License-Identifier: MIT
 *
 * What is behind the public struct cj_notify.
 *
 *	command			listener (its net namespace)	session			service manager
 *	-------			----------------------------	-------			---------------
 *	READY=1 ──────────────► who, what ────────────────────► is it the command's?
 *								what of it is allowed ─► READY=1
 *				◄─────────────────────── next ─
 *	BARRIER=1 + file ─────► the file is closed …
 *
 * The listener (notify_listener.c) alone receives, since with a message come files, and closing the last reference to
 * one can take as long as its owner likes (SO_LINGER). It goes on only when the session is done with a message:
 * so a sender that waits for its barrier lives while it's looked at, and what was sent before the barrier has arrived.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/notify.h>
#include <conjoin/session.h>

/* As the service manager has it: NOTIFY_BUFFER_MAX of systemd's src/core/manager.c. */
enum { NOTIFY_TEXT = 4096, NOTIFY_NAME = 64 };

struct cj_child;

/* The session's; NULL also if the caller's header has no such field yet. */
struct cj_notify *notify_of(const struct cj_session_options *options);

/* For poll(2), and when it's there. NULL: nothing is waited for. */
struct pollfd notify_wants(const struct cj_notify *notify);
void notify_step(struct cj_notify *notify, const struct cj_child *child);

/* The command has ended: what it has sent by now is still passed on, for a moment at most. Takes NULL. */
void notify_finish(struct cj_notify *notify, const struct cj_child *child);

/*
 * What may be passed on of a message: lines, into `ret`, which has room for NOTIFY_TEXT. Returns the length, 0: nothing of
 * it; or -EMSGSIZE.
 */
ssize_t notify_filter(const char *text, size_t size, pid_t main_pid, char *ret);

/* What the listener tells, by a SOCK_SEQPACKET socket. First, with pid 0: `code` is 0 or errno. */
struct notify_report {
	pid_t pid; /* of the sender, as the listener sees it; 0: none */
	int code; /* EMSGSIZE: it was too long; 0 with pid 0, later: there was no more when it was asked */
	char text[NOTIFY_TEXT];
};

/* What it's told, a byte each. */
enum { NOTIFY_NEXT = 'n', NOTIFY_LAST = 'l' };

/* Where it listens. */
struct notify_place {
	int control;	       /* its end of the socket above */
	int target;	       /* pidfd of whose net namespace; -EBADF: ours */
	bool dies_with_caller; /* thread of it that calls */
	pid_t caller;
	const char *name; /* abstract, without the @ */
};

_Noreturn void notify_listener(const struct notify_place *place);
