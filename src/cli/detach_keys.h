/* SPDX-License-Identifier: MIT
 *
 * --detach-keys: whoever sits at the terminal leaves, and the command goes on.
 *
 *	caller		conjoin			one who stays		command
 *	------		-------			-------------		-------
 *	types the keys	session ends
 *			gives the terminal back
 *			forks ────────────────► a session of its own
 *						holds the pty, reads it,
 *			◄─────────────────────── writes --log
 *	◄ "HANDLE PID"	exits			is inherited		runs
 *						waits by the pidfd ◄─── ends
 *						removes cgroups
 */
#pragma once

#include "cli/detach.h"

enum { DETACH_KEYS_MAX = 32 };

struct detach_keys {
	unsigned char keys[DETACH_KEYS_MAX];
	size_t n; /* 0: none */
};

/* "ctrl-p,ctrl-q", "x", as docker has it; "" is none. -EINVAL, -E2BIG */
int detach_keys_parse(const char *text, struct detach_keys *ret);

/*
 * After a session that ended by them, the terminal's mode being what it was. Returns when the other process holds all, and the line
 * was written; the caller then ends without freeing the child. After a failure it's still the caller's.
 */
int detach_keys_leave(struct detach *detach, struct cj_child *child,
		      struct cj_session_options *session, struct cj_error *err);
