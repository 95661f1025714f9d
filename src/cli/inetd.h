/* SPDX-License-Identifier: MIT
 *
 * One program a connection, with limits.
 * Not here: the programs (workers.h), when they are to end (listen.c).
 */
#pragma once

#include <poll.h>

#include "cli/listeners.h"
#include "cli/workers.h"

struct inetd {
	char *const *argv;
	const sigset_t *mask;
	bool ignores_pipe;
	size_t max, max_per_source;
	struct sparing refusals;
	bool lost; /* somebody else has shut a listening socket down */
	int64_t pause; /* of clock_ms(): nothing is accepted before, since something had run out; 0: none */
};

/* Fills in what to wait for: nothing, as long as there are as many as may be. Returns how many of `room`. */
size_t inetd_wanted(const struct inetd *inetd, const struct listeners *listeners,
		    const struct workers *workers, struct pollfd *fds, size_t room);

/* Milliseconds until it accepts again; -1: it does. */
int inetd_timeout(const struct inetd *inetd);

/* Takes the connections that wait at one listening socket. What goes wrong with one is told. */
void inetd_accept(struct cli *cli, struct inetd *inetd, int listening, struct workers *workers);
