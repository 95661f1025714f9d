/* SPDX-License-Identifier: MIT
 *
 * The command line of the daemon that listens on a socket: it says where it keeps its data, also while
 * it's stopped.
 * Not here: who listens (source.h).
 */
#pragma once

#include <sys/types.h>

#include "base/io.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Reads the arguments of process `peer`, if it's a `program` ("dockerd"): a socket may be listened on by
 * systemd, which starts the daemon at the first connection.
 *
 *	ESRCH	0, another program, or gone
 */
int peer_read(pid_t peer, const char *program, struct bytes *ret);

/*
 * The value of an option by any of its names (NULL-ended, "--data-root", "-g"), as "NAME VALUE" or
 * "NAME=VALUE"; the last one counts. NULL: it isn't there. It lies in
 * `arguments`, which may be empty.
 */
const char *peer_option(const struct bytes *arguments, const char *const *names);

#ifdef __cplusplus
}
#endif
