/* SPDX-License-Identifier: MIT
 *
 * One connection: two sockets, and the bytes between them in both directions.
 * Not here: how the sockets come to be, and which connection's turn it is (forward.c).
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "lib/socket/relay_pipes.h"

/* A direction has the number of the end that it comes from. */
enum relay_end { RELAY_CLIENT, RELAY_OTHER, RELAY_ENDS };

struct relay {
	struct {
		int fd;			 /* owned; doesn't block */
		bool readable, writable; /* as far as is known: epoll(7) tells changes only */
		bool copies;		 /* what comes from there can't be spliced */
	} ends[RELAY_ENDS];
	struct {
		struct vessel *vessel; /* NULL while nothing lies in one */
		uint64_t moved;	       /* bytes */
		bool ended;
	} directions[RELAY_ENDS];
	int error; /* -errno of the first failure; what can be moved without waiting still is */
};

#define RELAY_INIT {.ends = { {.fd = -EBADF}, {.fd = -EBADF} }}

/* Takes one of the sockets, and sets of it what a relay wants: no delay, and a dead peer is found. */
void relay_set_end(struct relay *relay, enum relay_end end, int fd);

/* What epoll_wait(2) tells of an end. */
#define RELAY_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)
void relay_take_events(struct relay *relay, enum relay_end end, uint32_t events);

enum relay_state {
	RELAY_WAITS, /* for one of the ends */
	RELAY_BUSY,  /* there is more to be done, but others come first */
	RELAY_ENDED, /* both directions have */
};

/* Moves what can be moved, but for no longer than a turn. Returns a relay_state, or -errno: then both ends are to be reset. */
int relay_turn(struct relay *relay, struct vessels *vessels);

/* Closes both ends as a process does that has ended. */
void relay_done(struct relay *relay, struct vessels *vessels);

/* The peers learn that it wasn't an orderly end, as far as their sockets know such: of TCP by a RST. */
void relay_reset(struct relay *relay, struct vessels *vessels);
