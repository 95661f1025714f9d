/* SPDX-License-Identifier: MIT
 *
 * Ports that are forwarded, from the first on which we listen to the word that it's enough; also when the target comes and goes.
 * Not here: the command line (forward.c), bytes and connections (the library's forward.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <conjoin/forward.h>
#include <conjoin/socket.h>

#include "cli/cli.h"
#include "cli/way.h"

/* One [LISTEN:]CONNECT, and what has become of it. */
struct one_way {
	struct way way;
	int number[CJ_LISTENERS_MAX]; /* of the forward's ways; -1: none yet */
	struct cj_listener listeners[CJ_LISTENERS_MAX];
	int n;
};

/* What is asked for. */
struct forwarding_request {
	const char *target;
	const struct cj_engine_options *engines;
	bool reverse, follow;
	struct one_way *ways; /* `way` is filled in; the caller's */
	size_t n;
	struct cj_listen_options listen;
	struct cj_forward_options options;
	const char *port_file; /* NULL: none */
};

/* Until SIGTERM, SIGINT or SIGHUP, or the target's end. An exit status. */
int forwarding_run(struct cli *cli, const struct forwarding_request *request);
