/* SPDX-License-Identifier: MIT
 *
 * Ways: cj_forward_add(), cj_forward_pause(), cj_forward_resume(), and accepting.
 * Not here: what becomes of who is accepted (forward_connection.c).
 */
#include "lib/socket/forward_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/target.h"

/*
 * ACCEPTS: of one way in a turn. BOOK_MS: so old may be what names mean. READ_MS: for reading that, during which nothing else is
 * done, so not again before BOOK_MS have passed.
 */
enum { ACCEPTS = 32, BOOK_MS = 5000, MUTE_MS = 60000, READ_MS = 1000 };

/* --- where it leads --- */

/* Is it to be read again? From a file system that didn't answer not soon. */
static bool is_due(const struct cj_forward *forward, const struct book *book)
{
	bool mute = book->names.hosts_error == -ETIMEDOUT ||
		    book->names.resolv_error == -ETIMEDOUT || book->is_old;

	return forward->now >= book->read + (mute ? MUTE_MS : BOOK_MS);
}

void ground_leave(struct ground *ground)
{
	if (!ground || --ground->users > 0)
		return;
	socket_pool_done(&ground->pool);
	close_fd(&ground->place.pidfd);
	socket_place_done(&ground->place);
	free(ground);
}

static int open_ground(const struct cj_target *target, struct ground **ret, struct cj_error *err)
{
	struct ground *ground = calloc(1, sizeof(*ground));
	int r;

	if (!ground)
		return cj_fail(err, ENOMEM, "a way for connections");
	ground->users = 1;
	ground->pool = (struct socket_pool)SOCKET_POOL_INIT;
	ground->place = (struct socket_place)SOCKET_PLACE_INIT;
	r = socket_place_open(target, &ground->place, err);
	if (r == 0 && ground->place.pidfd >= 0) {
		ground->place.pidfd = fcntl(ground->place.pidfd, F_DUPFD_CLOEXEC, 0);
		if (ground->place.pidfd < 0)
			r = cj_fail(err, errno, "a way for connections");
	}
	if (r < 0) {
		ground_leave(ground);
		return r;
	}
	*ret = ground;
	return 0;
}

void book_leave(struct book *book)
{
	if (!book || --book->users > 0)
		return;
	names_done(&book->names);
	free(book);
}

static bool is_same_root(const struct socket_place *one, const struct socket_place *other)
{
	struct stat a, b;

	return fstat(one->root, &a) == 0 && fstat(other->root, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* Of the other ways there, which have read the same files a moment ago. */
static struct book *share_book(struct cj_forward *forward, const struct socket_place *place)
{
	for (size_t i = 0; i < forward->n_ways; i++) {
		struct way *way = forward->ways[i];

		if (!way->book || !way->ground || is_due(forward, way->book))
			continue;
		if (forward->options.resolve == CJ_RESOLVE_HERE ||
		    is_same_root(&way->ground->place, place)) {
			way->book->users++;
			return way->book;
		}
	}
	return NULL;
}

static int open_book(struct cj_forward *forward, const struct ground *ground, struct book **ret,
		     struct cj_error *err)
{
	const struct socket_place *place = &ground->place;
	struct book *book = calloc(1, sizeof(*book));
	int r;

	if (!book)
		return cj_fail(err, ENOMEM, "names of hosts");
	book->users = 1;
	if (forward->options.resolve == CJ_RESOLVE_HERE)
		place = &forward->here;
	*ret = share_book(forward, place);
	if (*ret) {
		free(book);
		return 0;
	}
	r = names_read(place, clock_ms() + READ_MS, &book->names, err);
	if (r < 0) {
		book_leave(book);
		return r;
	}
	book->read = clock_ms();
	*ret = book;
	return 0;
}

/* Could both files be read? What one couldn't tell is told to who asks; but then what was known before is better. */
static bool is_whole(const struct book *book, struct cj_error *err)
{
	int r = book->names.hosts_error ? book->names.hosts_error : book->names.resolv_error;

	if (r < 0)
		(void)cj_fail(err, -r, "read %s",
			      book->names.hosts_error ? "/etc/hosts" : "/etc/resolv.conf");
	return r == 0;
}

void way_refresh_book(struct cj_forward *forward, struct way *way)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct book *book = NULL;

	if (!way->book || !is_due(forward, way->book))
		return;
	if (open_book(forward, way->ground, &book, &err) == 0 && is_whole(book, &err)) {
		book_leave(way->book);
		way->book = book;
		return;
	}
	book_leave(book);
	if (!way->book->is_old)
		forward_log(forward, CJ_LOG_WARNING, "%s: %s; what names meant before still counts",
			    err.text, strerror(err.code));
	way->book->is_old = true;
	way->book->read = clock_ms();
}

/* --- accepting --- */

/* What befell that client alone, or the network: accept(2) */
static bool is_passing(int code)
{
	static const int passing[] = {ECONNABORTED, EINTR,  EPROTO,	  ENOPROTOOPT, ENETDOWN,
				      EHOSTDOWN,    ENONET, EHOSTUNREACH, ENETUNREACH, EPERM};

	for (size_t i = 0; i < ELEMENTS(passing); i++)
		if (code == passing[i])
			return true;
	return false;
}

static void stop_listening(struct cj_forward *forward, struct way *way)
{
	if (way->listening >= 0)
		(void)epoll_ctl(forward->epoll, EPOLL_CTL_DEL, way->listening, NULL);
	way->listening = -EBADF;
	way->ready = false;
	way->generation++;
}

/* Nobody more could be accepted. */
static void end_turn(struct cj_forward *forward, struct way *way, int code)
{
	if (code == EAGAIN) {
		way->ready = false;
	} else if (forward_is_lack(-code)) {
		forward_rest(forward, -code);
	} else {
		forward_log(forward, CJ_LOG_WARNING, "accept connections to %s: %s", way->text,
			    strerror(code));
		stop_listening(forward, way);
		forward->n_lost++;
	}
}

void way_accept(struct cj_forward *forward, struct way *way)
{
	int failures = 0, r;

	for (int i = 0; i < ACCEPTS; i++) {
		int client;

		if (!way->ready || forward->rest ||
		    forward->n_connections >= forward->options.max_connections)
			return;
		client = accept4(way->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client < 0 && is_passing(errno)) {
			failures++;
			continue;
		}
		if (client < 0) {
			end_turn(forward, way, errno);
			return;
		}
		r = connection_begin(forward, way, client);
		if (r < 0)
			forward_rest(forward, r);
	}
	if (failures == ACCEPTS) /* they don't pass */
		forward->rest = forward->now + 1;
}

/* --- ways --- */

static int listen_there(struct cj_forward *forward, struct way *way, int listening,
			struct cj_error *err)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET,
				    .data.u64 =
					    forward_event(EVENT_WAY, way->number, way->generation)};
	int flags = fcntl(listening, F_GETFL), accepts = 0;
	socklen_t size = sizeof(accepts);

	if (flags < 0 || getsockopt(listening, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) < 0)
		return cj_fail(err, errno, "accept connections to %s", way->text);
	if (!accepts)
		return cj_fail(err, EINVAL, "accept connections to %s: the socket doesn't listen",
			       way->text);
	if (fcntl(listening, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    epoll_ctl(forward->epoll, EPOLL_CTL_ADD, listening, &event) < 0)
		return cj_fail(err, errno, "accept connections to %s", way->text);
	way->listening = listening;
	return 0;
}

/* Whatever fails, the way is as it was, but paused. */
static int lead(struct cj_forward *forward, struct way *way, int listening,
		const struct cj_target *target, struct cj_error *err)
{
	struct ground *ground = NULL;
	struct book *book = NULL;
	int r = open_ground(target, &ground, err);

	if (r == 0 && dial_needs_names(&way->address))
		r = open_book(forward, ground, &book, err);
	if (r == 0)
		r = listen_there(forward, way, listening, err);
	if (r < 0) {
		ground_leave(ground);
		book_leave(book);
		return target ? target_explain(target, r, err) : r;
	}
	ground_leave(way->ground);
	book_leave(way->book);
	way->ground = ground;
	way->book = book;
	return 0;
}

static void free_way(struct way **way)
{
	if (!*way)
		return;
	ground_leave((*way)->ground);
	book_leave((*way)->book);
	free((*way)->text);
	free(*way);
}

int cj_forward_add(struct cj_forward *forward, int listening, const struct cj_target *target,
		   const char *address, struct cj_error *err)
{
	_cleanup_(free_way) struct way *way = calloc(1, sizeof(*way));
	struct way **ways;
	int r;

	if (!way || !(way->text = strdup(address)))
		return cj_fail(err, ENOMEM, "a way for connections");
	way->listening = -EBADF;
	way->number = (unsigned int)forward->n_ways;
	r = address_parse(address, ADDRESS_TO_CONNECT, &way->address, err);
	if (r < 0)
		return r;
	ways = reallocarray(forward->ways, forward->n_ways + 1, sizeof(*ways));
	if (!ways)
		return cj_fail(err, ENOMEM, "a way for connections");
	forward->ways = ways;
	r = lead(forward, way, listening, target, err);
	if (r < 0)
		return r;
	forward->ways[forward->n_ways] = take_ptr(way);
	return (int)forward->n_ways++;
}

void cj_forward_pause(struct cj_forward *forward, int number)
{
	struct way *way;

	if (number < 0 || (size_t)number >= forward->n_ways)
		return;
	way = forward->ways[number];
	stop_listening(forward, way);
	ground_leave(take_ptr(way->ground));
}

int cj_forward_resume(struct cj_forward *forward, int number, int listening,
		      const struct cj_target *target, struct cj_error *err)
{
	if (number < 0 || (size_t)number >= forward->n_ways)
		return cj_fail(err, EINVAL, "there is no way %d", number);
	cj_forward_pause(forward, number);
	return lead(forward, forward->ways[number], listening, target, err);
}

void forward_free_ways(struct cj_forward *forward)
{
	for (size_t i = 0; i < forward->n_ways; i++) {
		stop_listening(forward, forward->ways[i]);
		free_way(&forward->ways[i]);
	}
	free(forward->ways);
}
