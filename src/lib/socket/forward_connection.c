/* SPDX-License-Identifier: MIT
 *
 * A connection's life: accepted, its other end dialled, bytes moved, ended.
 * Not here: how bytes are moved (relay.c), when (forward.c).
 */
#include "lib/socket/forward_state.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "base/io.h"

/* POOL: sockets that are made in another place at a time. */
enum { POOL = 16 };

static int take_slot(struct cj_forward *forward, struct connection *connection)
{
	void *slots = forward->slots;
	struct slot *slot;

	if (forward->free_slot >= forward->n_slots) {
		if (!array_grow(&slots, sizeof(struct slot), &forward->slots_room,
				forward->n_slots + 1))
			return -ENOMEM;
		forward->slots = slots;
		forward->free_slot = (unsigned int)forward->n_slots++;
		forward->slots[forward->free_slot] =
			(struct slot){.next_free = (unsigned int)forward->n_slots};
	}
	connection->slot = forward->free_slot;
	slot = &forward->slots[connection->slot];
	forward->free_slot = slot->next_free;
	slot->connection = connection;
	slot->generation++;
	return 0;
}

static void leave_slot(struct cj_forward *forward, struct connection *connection)
{
	struct slot *slot = &forward->slots[connection->slot];

	slot->connection = NULL;
	slot->next_free = forward->free_slot;
	forward->free_slot = connection->slot;
}

/* A dial may have closed what was watched and have another file of the same number by now: so both are tried. */
static int watch(struct cj_forward *forward, const struct connection *connection,
		 enum event_source source, int fd, uint32_t events)
{
	struct epoll_event event = {
		.events = events,
		.data.u64 = forward_event(source, connection->slot,
					  forward->slots[connection->slot].generation)};

	if (epoll_ctl(forward->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	return epoll_ctl(forward->epoll, EPOLL_CTL_MOD, fd, &event) < 0 ? -errno : 0;
}

static void free_call(struct cj_forward *forward, struct call *call)
{
	if (!call)
		return;
	wakes_remove(&forward->wakes, &call->wake);
	dial_free(call->dial);
	book_leave(call->book);
	ground_leave(call->ground);
	free(call);
}

void connection_free(struct cj_forward *forward, struct connection *connection)
{
	free_call(forward, connection->call);
	relay_done(&connection->relay, &forward->vessels);
	ring_leave(&connection->link);
	ring_leave(&connection->turn);
	leave_slot(forward, connection);
	forward->n_connections--;
	forward->rest = 0; /* there are descriptors again */
	free(connection);
}

static void log_end(struct cj_forward *forward, const struct connection *connection, int r)
{
	const struct relay *relay = &connection->relay;

	if (forward->options.log)
		forward_log(forward, CJ_LOG_STEP,
			    "connection %u to %s: ended%s%s, %llu bytes there, %llu back",
			    connection->slot, connection->way->text, r < 0 ? ": " : "",
			    r < 0 ? strerror(-r) : "",
			    (unsigned long long)relay->directions[RELAY_CLIENT].moved,
			    (unsigned long long)relay->directions[RELAY_OTHER].moved);
}

void connection_reset(struct cj_forward *forward, struct connection *connection, int r)
{
	log_end(forward, connection, r);
	relay_reset(&connection->relay, &forward->vessels);
	connection_free(forward, connection);
}

/* The other end can't be had. */
static void fail(struct cj_forward *forward, struct connection *connection,
		 const struct cj_error *err)
{
	forward_log(forward, CJ_LOG_WARNING, "%s: %s", err->text, strerror(err->code));
	connection_reset(forward, connection, -err->code);
}

static int dial(struct cj_forward *forward, struct connection *connection, struct cj_error *err)
{
	struct call *call = connection->call;
	struct way *way = connection->way;
	struct dial_request request = {
		.place = &call->ground->place,
		.names = call->book ? &call->book->names : NULL,
		.names_place = forward->options.resolve == CJ_RESOLVE_HERE ? &forward->here
									   : &call->ground->place,
		.pool = &call->ground->pool,
		.address = &way->address,
		.text = way->text,
		.deadline = call->deadline,
	};

	call->ground->pool.batch = forward->exhausted ? 1 : POOL;
	return dial_start(&request, &call->dial, err);
}

/* 1: connected; 0: something is waited for, which is seen to. */
static int go_on(struct cj_forward *forward, struct connection *connection, struct cj_error *err)
{
	struct call *call = connection->call;
	int r = call->dial ? 0 : dial(forward, connection, err), fd;

	/* Once more: on the machine itself it's there at once. */
	for (int i = 0; r == 0 && i < 2; i++)
		r = dial_step(call->dial, err);
	if (r != 0)
		return r;
	fd = dial_fd(call->dial);
	r = fd < 0 ? 0
		   : watch(forward, connection, EVENT_DIAL, fd,
			   (dial_events(call->dial) == POLLOUT ? EPOLLOUT : EPOLLIN) |
				   EPOLLONESHOT);
	if (r < 0)
		return cj_fail(err, -r, "connect to %s", connection->way->text);
	wakes_set(&forward->wakes, &call->wake, clock_ms() + dial_timeout(call->dial));
	return 0;
}

/* From here on it's a relay. */
static void connect_ends(struct cj_forward *forward, struct connection *connection)
{
	int other = dial_take(connection->call->dial), r;

	free_call(forward, take_ptr(connection->call));
	relay_set_end(&connection->relay, RELAY_OTHER, other);
	connection->active = forward->now;
	ring_move(&forward->relaying, &connection->link);
	ring_move(&forward->busy, &connection->turn);
	r = watch(forward, connection, EVENT_OTHER, other, RELAY_EVENTS);
	if (r < 0) {
		forward_log(forward, CJ_LOG_WARNING, "watch a connection: %s", strerror(-r));
		connection_reset(forward, connection, r);
		return;
	}
	forward_log(forward, CJ_LOG_STEP, "connection %u to %s: begun", connection->slot,
		    connection->way->text);
}

void connection_call(struct cj_forward *forward, struct connection *connection)
{
	struct call *call = connection->call;
	struct cj_error err = CJ_ERROR_INIT;
	int r = go_on(forward, connection, &err);

	if (r > 0) {
		connect_ends(forward, connection);
	} else if (r < 0 && forward_is_lack(r) && clock_ms() < call->deadline) {
		forward_rest(forward, r);
		dial_free(take_ptr(call->dial));
		wakes_remove(&forward->wakes, &call->wake);
		ring_move(&forward->starved, &connection->turn);
	} else if (r < 0) {
		fail(forward, connection, &err);
	}
}

static struct call *make_call(struct cj_forward *forward, struct way *way)
{
	struct call *call = wakes_prepare(&forward->wakes) < 0 ? NULL : calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->deadline = clock_ms() + forward->options.connect_timeout;
	call->ground = way->ground;
	call->ground->users++;
	call->book = way->book;
	if (call->book)
		call->book->users++;
	return call;
}

int connection_begin(struct cj_forward *forward, struct way *way, int client)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int r = connection ? take_slot(forward, connection) : -ENOMEM;

	if (r < 0) {
		free(connection);
		close_fd(&client);
		return r;
	}
	forward->n_connections++;
	ring_init(&connection->link);
	ring_init(&connection->turn);
	connection->way = way;
	connection->relay = (struct relay)RELAY_INIT;
	relay_set_end(&connection->relay, RELAY_CLIENT, client);
	ring_move(&forward->calling, &connection->link);
	way_refresh_book(forward, way);
	connection->call = make_call(forward, way);
	r = connection->call ? watch(forward, connection, EVENT_CLIENT, client, RELAY_EVENTS)
			     : -ENOMEM;
	if (r < 0) {
		connection_reset(forward, connection, r);
		return r;
	}
	connection->call->connection = connection;
	connection_call(forward, connection);
	return 0;
}

/*
 * Has the client gone while its other end is dialled? That it sends no more (EPOLLRDHUP) doesn't mean that it wouldn't read. And what it
 * sent before it went has to arrive.
 */
static bool has_gone(const struct connection *connection, uint32_t events)
{
	char byte;

	return connection->relay.error ||
	       ((events & EPOLLHUP) && recv(connection->relay.ends[RELAY_CLIENT].fd, &byte, 1,
					    MSG_PEEK | MSG_DONTWAIT) <= 0);
}

void connection_take_events(struct cj_forward *forward, struct connection *connection,
			    enum event_source source, uint32_t events)
{
	if (source == EVENT_DIAL) {
		if (connection->call && connection->call->dial)
			connection_call(forward, connection);
		return;
	}
	relay_take_events(&connection->relay, source == EVENT_OTHER ? RELAY_OTHER : RELAY_CLIENT,
			  events);
	if (!connection->call)
		ring_move(&forward->busy, &connection->turn);
	else if (has_gone(connection, events))
		connection_reset(forward, connection, -ECONNRESET);
}

void connection_turn(struct cj_forward *forward, struct connection *connection)
{
	struct relay *relay = &connection->relay;
	uint64_t before = relay->directions[0].moved + relay->directions[1].moved;
	int r = relay_turn(relay, &forward->vessels);

	if (relay->directions[0].moved + relay->directions[1].moved != before) {
		connection->active = forward->now;
		ring_move(&forward->relaying, &connection->link);
	}
	if (r < 0) {
		connection_reset(forward, connection, r);
	} else if (r == RELAY_ENDED) {
		log_end(forward, connection, 0);
		connection_free(forward, connection);
	} else if (r == RELAY_BUSY) {
		ring_move(&forward->busy, &connection->turn);
	}
}
