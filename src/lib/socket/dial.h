/* SPDX-License-Identifier: MIT
 *
 * A connection on its way: the name is looked for, its addresses are tried one after the other. Never blocks, but for what a process that
 * makes sockets takes; a loop waits with dial_fd(), dial_events() and dial_timeout().
 * Not here: what is done with it (relay.h).
 */
#pragma once

#include <conjoin/error.h>

#include "lib/socket/address.h"
#include "lib/socket/place.h"
#include "lib/socket/pool.h"
#include "lib/socket/resolve.h"

/* All borrowed, and must live as long as the dial. */
struct dial_request {
	const struct socket_place *place;
	const struct names *names; /* whose the address's name is; NULL only where it's a number */
	const struct socket_place *names_place; /* from where their name servers are asked */
	struct socket_pool *pool;
	const struct address *address;
	const char *text; /* the same, for errors */
	int64_t deadline; /* of clock_ms() */
};

struct dial;

/* Is there a name to look for? */
bool dial_needs_names(const struct address *address);

int dial_start(const struct dial_request *request, struct dial **ret, struct cj_error *err);

/* What to wait for: changes with each step, and is -1 where only time helps. The dial's own. */
int dial_fd(const struct dial *dial);
short dial_events(const struct dial *dial);
int dial_timeout(const struct dial *dial); /* milliseconds, never more than the deadline leaves */

/* Goes on, whatever woke the loop. 1: connected; 0: not yet; else why it never will be. */
int dial_step(struct dial *dial, struct cj_error *err);

/* The connection, which doesn't block; the caller's from then on. */
int dial_take(struct dial *dial);
void dial_free(struct dial *dial);
