/* SPDX-License-Identifier: MIT
 *
 * The loop of cj_forward_step(): one epoll for all, in which each socket is registered once and tells changes only (EPOLLET).
 * Not here: ways (forward_way.c), connections (forward_connection.c).
 */
#include "lib/socket/forward_state.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/options.h"

enum { MAX_CONNECTIONS = 4096, CONNECT_MS = 30000, REST_MS = 100, REAP_MS = 1000, EVENTS = 128 };

#define AGES_MS (INT64_MAX / 4)

/* An event's number: source, number, generation. */
enum { SOURCE_BITS = 2, NUMBER_BITS = 30 };

uint64_t forward_event(enum event_source source, unsigned int number, unsigned int generation)
{
	return (uint64_t)source | ((uint64_t)number << SOURCE_BITS) |
	       ((uint64_t)generation << (SOURCE_BITS + NUMBER_BITS));
}

void forward_log(struct cj_forward *forward, enum cj_log_level level, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!forward->options.log)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	forward->options.log(forward->options.log_data, level, text);
}

bool forward_is_lack(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS ||
	       r == -EAGAIN; /* of processes that connect */
}

void forward_rest(struct cj_forward *forward, int r)
{
	if (!forward->exhausted)
		forward_log(forward, CJ_LOG_WARNING,
			    "no more connections for now, with %zu that are there: %s",
			    forward->n_connections, strerror(-r));
	forward->exhausted = true;
	forward->rest = clock_ms() + REST_MS;
	vessels_done(&forward->vessels); /* two descriptors each */
}

static int take_options(const struct cj_forward_options *given, struct cj_forward_options *options,
			struct cj_error *err)
{
	int r = given ? options_take(given, options, sizeof(*options), "options to forward with",
				     err)
		      : 0;

	if (r < 0)
		return r;
	if (options->connect_timeout < 0 || options->idle_timeout < 0)
		return cj_fail(err, EINVAL, "a time limit of less than nothing");
	if (options->max_connections == 0)
		options->max_connections = MAX_CONNECTIONS;
	if (options->max_connections > 1U << (NUMBER_BITS - 1))
		return cj_fail(err, EINVAL, "more than %u connections", 1U << (NUMBER_BITS - 1));
	if (options->connect_timeout == 0)
		options->connect_timeout = CONNECT_MS;
	/* What nobody waits for to be over: so that no sum overflows. */
	if (options->connect_timeout > AGES_MS)
		options->connect_timeout = AGES_MS;
	if (options->idle_timeout > AGES_MS)
		options->idle_timeout = AGES_MS;
	return 0;
}

static void free_forward(struct cj_forward **forward)
{
	cj_forward_free(*forward);
}

int cj_forward_new(const struct cj_forward_options *options, struct cj_forward **ret,
		   struct cj_error *err)
{
	_cleanup_(free_forward) struct cj_forward *forward = malloc(sizeof(*forward));
	int r;

	if (!forward)
		return cj_fail(err, ENOMEM, "forward connections");
	*forward = (struct cj_forward){.options = CJ_FORWARD_OPTIONS_INIT,
				       .epoll = -EBADF,
				       .here = SOCKET_PLACE_INIT,
				       .wakes = WAKES_INIT,
				       .vessels = VESSELS_INIT};
	ring_init(&forward->calling);
	ring_init(&forward->relaying);
	ring_init(&forward->busy);
	ring_init(&forward->starved);
	r = take_options(options, &forward->options, err);
	if (r < 0)
		return r;
	if (forward->options.resolve == CJ_RESOLVE_HERE)
		r = socket_place_open(NULL, &forward->here, err);
	if (r < 0)
		return r;
	forward->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (forward->epoll < 0)
		return cj_fail(err, errno, "forward connections");
	*ret = take_ptr(forward);
	return 0;
}

static void free_all(struct cj_forward *forward, struct ring *ring)
{
	while (!ring_is_empty(ring))
		connection_free(forward, RING_OWNER(ring->behind, struct connection, link));
}

void cj_forward_free(struct cj_forward *forward)
{
	if (!forward)
		return;
	free_all(forward, &forward->calling);
	free_all(forward, &forward->relaying);
	forward_free_ways(forward);
	close_fd(&forward->epoll);
	vessels_done(&forward->vessels);
	wakes_done(&forward->wakes);
	socket_place_done(&forward->here);
	free(forward->slots);
	free(forward);
}

int cj_forward_fd(const struct cj_forward *forward)
{
	return forward->epoll;
}

size_t cj_forward_lost(const struct cj_forward *forward)
{
	return forward->n_lost;
}

size_t cj_forward_connections(const struct cj_forward *forward)
{
	return forward->n_connections;
}

/* --- time --- */

static bool may_accept(const struct cj_forward *forward)
{
	for (size_t i = 0; i < forward->n_ways; i++)
		if (forward->ways[i]->ready)
			return forward->n_connections < forward->options.max_connections;
	return false;
}

static struct connection *idlest(const struct cj_forward *forward)
{
	if (forward->options.idle_timeout == 0 || ring_is_empty(&forward->relaying))
		return NULL;
	return RING_OWNER(forward->relaying.behind, struct connection, link);
}

/* When something is due; INT64_MAX: nothing is. */
static int64_t next_time(const struct cj_forward *forward)
{
	const struct wake *wake = wakes_first(&forward->wakes);
	const struct connection *idle = idlest(forward);
	int64_t time = wake ? wake->when : INT64_MAX;

	if (!ring_is_empty(&forward->busy))
		return 0;
	if (idle && idle->active + forward->options.idle_timeout < time)
		time = idle->active + forward->options.idle_timeout;
	if (forward->reap && forward->reap < time)
		time = forward->reap;
	/* A rest that is over is 0 */
	if ((may_accept(forward) || !ring_is_empty(&forward->starved)) && forward->rest < time)
		time = forward->rest;
	return time;
}

int cj_forward_timeout(const struct cj_forward *forward)
{
	int64_t time = next_time(forward), left;

	if (time == INT64_MAX)
		return -1;
	left = time ? time - clock_ms() : 0;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static void reset_idle(struct cj_forward *forward)
{
	struct connection *idle;

	while ((idle = idlest(forward)) &&
	       idle->active + forward->options.idle_timeout <= forward->now)
		connection_reset(forward, idle, -ETIMEDOUT);
}

static void wake_calls(struct cj_forward *forward)
{
	struct wake *wake;

	while ((wake = wakes_first(&forward->wakes)) && wake->when <= forward->now) {
		struct call *call = RING_OWNER(wake, struct call, wake);

		wakes_remove(&forward->wakes, wake);
		connection_call(forward, call->connection);
	}
}

/* --- what has happened --- */

static void take_event(struct cj_forward *forward, const struct epoll_event *event)
{
	enum event_source source = event->data.u64 & ((1U << SOURCE_BITS) - 1);
	size_t number = (event->data.u64 >> SOURCE_BITS) & ((1U << NUMBER_BITS) - 1);
	unsigned int generation = (unsigned int)(event->data.u64 >> (SOURCE_BITS + NUMBER_BITS));

	if (source == EVENT_WAY) {
		if (number < forward->n_ways && forward->ways[number]->listening >= 0 &&
		    forward->ways[number]->generation == generation)
			forward->ways[number]->ready = true;
	} else if (number < forward->n_slots && forward->slots[number].connection &&
		   forward->slots[number].generation == generation) {
		connection_take_events(forward, forward->slots[number].connection, source,
				       event->events);
	}
}

static void take_events(struct cj_forward *forward)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(forward->epoll, events, EVENTS, 0);

	for (int i = 0; i < n; i++)
		take_event(forward, &events[i]);
}

/* Who lacked descriptors goes first. */
static void begin_connections(struct cj_forward *forward)
{
	struct ring starved;
	bool ready = false;

	if (forward->rest > forward->now)
		return;
	forward->rest = 0;
	ring_init(&starved);
	ring_move_all(&starved, &forward->starved);
	while (!ring_is_empty(&starved)) {
		struct connection *connection = RING_OWNER(starved.behind, struct connection, turn);

		if (forward->rest) {
			ring_move(&forward->starved, &connection->turn);
			continue;
		}
		ring_leave(&connection->turn);
		connection_call(forward, connection);
	}
	if (!ring_is_empty(&forward->starved))
		return;
	for (size_t i = 0; i < forward->n_ways; i++) {
		way_accept(forward, forward->ways[i]);
		ready |= forward->ways[i]->ready;
	}
	if (!ready) /* all that waited have been served */
		forward->exhausted = false;
}

/* Each of those that are ready by now, once. */
static void give_turns(struct cj_forward *forward)
{
	struct ring now;

	ring_init(&now);
	ring_move_all(&now, &forward->busy);
	while (!ring_is_empty(&now)) {
		struct connection *connection = RING_OWNER(now.behind, struct connection, turn);

		ring_leave(&connection->turn);
		connection_turn(forward, connection);
	}
}

/* Neither ours nor the caller's handler has to do with it, but splice(2) raises it; with sockets there is MSG_NOSIGNAL. */
static void hold_sigpipe(sigset_t *ret_mask, bool *ret_pending)
{
	sigset_t sigpipe, pending;

	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &sigpipe, ret_mask);
	*ret_pending = sigismember(ret_mask, SIGPIPE) == 1 && sigpending(&pending) == 0 &&
		       sigismember(&pending, SIGPIPE) == 1;
}

static void release_sigpipe(struct cj_forward *forward, const sigset_t *mask, bool pending)
{
	struct timespec now = {.tv_sec = 0};
	sigset_t sigpipe;

	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	if (forward->vessels.broken_pipe && !pending)
		(void)sigtimedwait(&sigpipe, NULL, &now);
	forward->vessels.broken_pipe = false;
	(void)pthread_sigmask(SIG_SETMASK, mask, NULL);
}

/* Processes that were given up, and hang in a file system of the target's: they may stay long. */
static void reap_helpers(struct cj_forward *forward)
{
	bool all = true;

	for (size_t i = 0; i < forward->n_ways; i++)
		if (forward->ways[i]->ground)
			all &= socket_pool_reap(&forward->ways[i]->ground->pool);
	forward->reap = all ? 0 : forward->now + REAP_MS;
}

void cj_forward_step(struct cj_forward *forward)
{
	sigset_t mask;
	bool pending;

	forward->now = clock_ms();
	take_events(forward);
	wake_calls(forward);
	begin_connections(forward);
	if (!ring_is_empty(&forward->busy)) {
		hold_sigpipe(&mask, &pending);
		give_turns(forward);
		release_sigpipe(forward, &mask, pending);
	}
	reset_idle(forward);
	reap_helpers(forward);
}
