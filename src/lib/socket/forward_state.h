/* SPDX-License-Identifier: MIT
 *
 * What is behind the public struct cj_forward, and what its parts do for each other.
 *
 *	forward.c		the loop: what has happened, whose turn it is, what is due
 *	forward_way.c		where is accepted, and where that leads
 *	forward_connection.c	one that is accepted: its other end is dialled, then it's a relay
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <conjoin/forward.h>

#include "lib/socket/address.h"
#include "lib/socket/dial.h"
#include "lib/socket/place.h"
#include "lib/socket/pool.h"
#include "lib/socket/relay.h"
#include "lib/socket/resolve.h"
#include "lib/socket/ring.h"
#include "lib/socket/wakes.h"

/* Where a way leads. Whoever is on his way there keeps it, also when the way leads elsewhere by now. */
struct ground {
	unsigned int users;
	struct socket_place place; /* its pidfd is ours: the target may be gone before us */
	struct socket_pool pool;
};

/* What names mean, and when that was read. */
struct book {
	unsigned int users;
	struct names names;
	int64_t read; /* of clock_ms() */
	bool is_old;  /* it couldn't be read again, which was said */
};

struct way {
	unsigned int number;
	unsigned int generation; /* of `listening` */
	int listening;		 /* the caller's; -EBADF: paused */
	bool ready;		 /* somebody may wait there */
	struct ground *ground;
	struct book *book; /* NULL: no name is looked for */
	char *text;	   /* of the address, for people */
	struct address address;
};

/* The other end, while it isn't there yet. */
struct call {
	struct dial *dial; /* NULL: it waits for descriptors */
	struct ground *ground;
	struct book *book;
	int64_t deadline;
	struct wake wake;
	struct connection *connection;
};

struct connection {
	struct ring link; /* in `calling`, or in `relaying` */
	struct ring turn; /* in `busy`, or in `starved`, or in none */
	unsigned int slot;
	struct way *way;
	struct call *call; /* NULL: it's a relay */
	int64_t active;	   /* when bytes were moved last, of clock_ms() */
	struct relay relay;
};

/* What an event's number stands for. It's used again, so events that come late (another process may have a copy of
 * what we have closed) are known by the generation. */
struct slot {
	struct connection *connection; /* NULL: free */
	unsigned int generation;
	unsigned int next_free;
};

enum event_source { EVENT_CLIENT, EVENT_OTHER, EVENT_DIAL, EVENT_WAY };

struct cj_forward {
	struct cj_forward_options options;
	int epoll;
	int64_t now;
	struct socket_place here; /* with CJ_RESOLVE_HERE */
	struct way **ways;
	size_t n_ways;
	struct slot *slots;
	size_t n_slots, slots_room;
	unsigned int free_slot; /* n_slots and more: there is none */
	size_t n_connections, n_lost;
	struct ring calling;
	struct ring relaying; /* in the order of their last activity */
	struct ring busy;     /* whose turn is to come */
	struct ring starved;  /* calls that wait for descriptors */
	struct wakes wakes;   /* of calls */
	bool exhausted;	      /* there were no descriptors, or no memory; which was said */
	int64_t reap;	      /* then helpers are looked after again; 0: there are none */
	int64_t rest;	      /* until then nothing is accepted; 0: no rest */
	struct vessels vessels;
};

/* For people. The text is cut where it's too long. */
void forward_log(struct cj_forward *forward, enum cj_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What comes with an event. */
uint64_t forward_event(enum event_source source, unsigned int number, unsigned int generation);

/* Is it a lack that may pass: of descriptors, of memory? */
bool forward_is_lack(int r);
/* Then nothing is begun for a while, unless something has ended. */
void forward_rest(struct cj_forward *forward, int r);

/* --- forward_way.c --- */

void ground_leave(struct ground *ground);
void book_leave(struct book *book);

/* Of all ways, when the forward ends. */
void forward_free_ways(struct cj_forward *forward);

/* Accepts who waits there, as many as are in a turn. */
void way_accept(struct cj_forward *forward, struct way *way);
/* Reads it again when it's old. */
void way_refresh_book(struct cj_forward *forward, struct way *way);

/* --- forward_connection.c --- */

/* Takes the client, and calls the other end. What fails is logged, but for a lack. */
int connection_begin(struct cj_forward *forward, struct way *way, int client);
/* Dials, or goes on with it. */
void connection_call(struct cj_forward *forward, struct connection *connection);
void connection_take_events(struct cj_forward *forward, struct connection *connection,
			    enum event_source source, uint32_t events);
/* Moves bytes for a turn. */
void connection_turn(struct cj_forward *forward, struct connection *connection);
/* Both ends are reset. */
void connection_reset(struct cj_forward *forward, struct connection *connection, int r);
void connection_free(struct cj_forward *forward, struct connection *connection);
