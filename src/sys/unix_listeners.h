/* SPDX-License-Identifier: MIT
 *
 * The abstract names at which processes listen, in our network namespace. unix(7)
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define UNIX_OWNER_UNKNOWN ((uid_t)-1)

/*
 * `name` without the NUL before it, NUL-ended; hostile, and may hold anything but NULs. `owner`: who has made
 * the socket. 0 goes on.
 */
typedef int (*unix_listener_fn)(const char *name, uid_t owner, void *data);

/*
 * Calls back with each name of a listening stream socket, and returns what ended the visit, or 0. By
 * sock_diag(7), which tells listeners alone, and owners from 5.3 on; else by /proc/net/unix, which has a line
 * a socket. A name with a NUL in it is left out.
 */
int unix_listeners_visit(unix_listener_fn fn, void *data);

/* A line of /proc/net/unix: writes the name. ENOENT: it isn't a listener's, or has no abstract name. */
int unix_line_parse(const char *line, size_t length, char *buf, size_t size);
