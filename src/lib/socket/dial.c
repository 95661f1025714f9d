/* SPDX-License-Identifier: MIT */
#include "lib/socket/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "lib/socket/maker.h"

enum dial_state { DIAL_NAME, DIAL_NEXT, DIAL_CONNECT, DIAL_MAKER, DIAL_DONE };

struct dial {
	struct dial_request request;
	enum dial_state state;
	struct resolver *resolver; /* NULL: there is no name */
	struct sockaddr_storage numbers[2];
	const struct sockaddr_storage *candidates;
	size_t n, next;
	int64_t until; /* of the candidate that is being tried */
	int refusal;   /* -errno of one that was tried: the one that tells most */
	int fd;
	struct maker maker; /* of a UNIX socket */
	bool under_way;	    /* it counts in the pool */
};

bool dial_needs_names(const struct address *address)
{
	struct sockaddr_storage name;

	return address->kind == ADDRESS_TCP && address->host[0] &&
	       !address_is_numeric(address, &name);
}

/* Without waiting for it. */
static void leave_maker(struct dial *dial)
{
	close_fd(&dial->maker.answer);
	if (dial->under_way)
		socket_pool_leave(dial->request.pool, &dial->maker.helper);
	dial->under_way = false;
}

void dial_free(struct dial *dial)
{
	if (!dial)
		return;
	resolver_free(dial->resolver);
	leave_maker(dial);
	close_fd(&dial->fd);
	free(dial);
}

int dial_take(struct dial *dial)
{
	return take_fd(&dial->fd);
}

static int failed(const struct dial *dial, int r, struct cj_error *err)
{
	return cj_fail(err, -r, "connect to %s", dial->request.text);
}

/* A process that may block does it: UNIX sockets have a queue. */
static int start_unix(struct dial *dial, struct cj_error *err)
{
	const struct address *address = dial->request.address;
	struct socket_order order = {.act = SOCKET_CONNECT,
				     .domain = AF_UNIX,
				     .type = SOCK_STREAM,
				     .text = dial->request.text};
	int r;

	socket_order_unix(&order, address);
	r = socket_pool_enter(dial->request.pool);
	if (r < 0)
		return cj_fail(err, -r, "connect to %s, as too many others do", dial->request.text);
	dial->under_way = true;
	dial->state = DIAL_MAKER;
	return maker_start(dial->request.place, &order, &dial->maker, err);
}

static int start_numbers(struct dial *dial)
{
	const struct address *address = dial->request.address;

	dial->state = DIAL_NEXT;
	dial->candidates = dial->numbers;
	if (address->host[0]) {
		dial->n = address_is_numeric(address, &dial->numbers[0]) ? 1 : 0;
		return 0;
	}
	if (address->family != AF_INET6)
		address_loopback(AF_INET, address->port, &dial->numbers[dial->n++]);
	if (address->family != AF_INET)
		address_loopback(AF_INET6, address->port, &dial->numbers[dial->n++]);
	return 0;
}

int dial_start(const struct dial_request *request, struct dial **ret, struct cj_error *err)
{
	struct dial *dial = calloc(1, sizeof(*dial));
	int r;

	if (!dial)
		return cj_fail(err, ENOMEM, "connect to %s", request->text);
	dial->request = *request;
	dial->fd = -EBADF;
	dial->maker = (struct maker)MAKER_INIT;
	if (request->address->kind != ADDRESS_TCP)
		r = start_unix(dial, err);
	else if (dial_needs_names(request->address))
		r = resolver_start(request->names_place, request->names, request->address,
				   &dial->resolver, err);
	else
		r = start_numbers(dial);
	if (r < 0) {
		dial_free(dial);
		return r;
	}
	*ret = dial;
	return 0;
}

int dial_fd(const struct dial *dial)
{
	switch (dial->state) {
	case DIAL_NAME:
		return resolver_fd(dial->resolver);
	case DIAL_MAKER:
		return dial->maker.answer;
	case DIAL_CONNECT:
		return dial->fd;
	default:
		return -EBADF;
	}
}

short dial_events(const struct dial *dial)
{
	return dial->state == DIAL_CONNECT ? POLLOUT : POLLIN;
}

static int left_until(int64_t end)
{
	int64_t left = end - clock_ms();

	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

int dial_timeout(const struct dial *dial)
{
	int left = left_until(dial->state == DIAL_CONNECT ? dial->until : dial->request.deadline);
	int timeout = dial->state == DIAL_NAME ? resolver_timeout(dial->resolver) : -1;

	if (dial->state == DIAL_NEXT || dial->state == DIAL_DONE)
		return 0;
	return timeout >= 0 && timeout < left ? timeout : left;
}

static bool is_ready(int fd, short events)
{
	struct pollfd ready = {.fd = fd, .events = events};

	return poll(&ready, 1, 0) > 0;
}

static int step_name(struct dial *dial, struct cj_error *err)
{
	int r = resolver_step(dial->resolver, err);

	if (r <= 0)
		return r;
	dial->candidates = resolver_found(dial->resolver, &dial->n);
	dial->state = DIAL_NEXT;
	return 0;
}

static int step_maker(struct dial *dial, struct cj_error *err)
{
	int r, fd;

	if (!is_ready(dial->maker.answer, POLLIN))
		return 0;
	r = maker_finish(&dial->maker, 0, &fd, 1, NULL,
			 err); /* it has answered, so its end is at hand */
	leave_maker(dial);
	if (r != 1)
		return r < 0 ? r : failed(dial, -EIO, err);
	dial->fd = fd;
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return failed(dial, -errno, err);
	dial->state = DIAL_DONE;
	return 1;
}

/* The next address; each has its share of the time that is left. */
static int begin(struct dial *dial, struct cj_error *err)
{
	const struct dial_request *request = &dial->request;
	struct sockaddr_storage name = dial->candidates[dial->next++];
	const char *interface = request->address->interface;
	int r;

	close_fd(&dial->fd);
	dial->fd = socket_pool_take(request->pool, request->place, name.ss_family, err);
	if (dial->fd < 0)
		return dial->fd;
	r = interface[0] ? socket_name_interface(dial->fd, interface, &name) : 0;
	if (r < 0)
		return cj_fail(err, -r, "look for interface %s", interface);
	dial->until =
		clock_ms() + left_until(request->deadline) / (int64_t)(dial->n - dial->next + 1);
	dial->state = DIAL_CONNECT;
	if (connect(dial->fd, (const struct sockaddr *)&name, address_length(&name)) == 0)
		return 1;
	return errno == EINPROGRESS ? 0 : -errno;
}

static int look_at_connection(struct dial *dial)
{
	socklen_t size = sizeof(int);
	int error;

	if (!is_ready(dial->fd, POLLOUT))
		return clock_ms() < dial->until ? 0 : -ETIMEDOUT;
	if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return error ? -error : 1;
}

/* That somebody refused says more than that a family isn't there. */
static void note_refusal(struct dial *dial, int r)
{
	if (r < 0 && dial->refusal != -ECONNREFUSED)
		dial->refusal = r;
}

static int step_connect(struct dial *dial, struct cj_error *err)
{
	int r = dial->state == DIAL_CONNECT ? look_at_connection(dial) : -EAGAIN;
	struct cj_error own;

	while (r < 0 && dial->next < dial->n) {
		note_refusal(dial, r);
		own = (struct cj_error)CJ_ERROR_INIT;
		r = begin(dial, &own);
		if (dial->fd < 0 && r != -EAFNOSUPPORT) {
			if (err && !err->code)
				*err = own;
			return r; /* no socket can be made */
		}
	}
	note_refusal(dial, r);
	if (r == 1)
		dial->state = DIAL_DONE;
	return r < 0 ? failed(dial, dial->refusal, err) : r;
}

int dial_step(struct dial *dial, struct cj_error *err)
{
	int r = 0;

	if (dial->state == DIAL_NAME)
		r = step_name(dial, err);
	if (r == 0 && dial->state == DIAL_MAKER)
		r = step_maker(dial, err);
	if (r == 0 && (dial->state == DIAL_NEXT || dial->state == DIAL_CONNECT))
		r = step_connect(dial, err);
	if (r == 0 && left_until(dial->request.deadline) == 0 && dial->state == DIAL_NAME)
		return cj_fail(err, ETIMEDOUT, "look for %s", dial->request.address->host);
	if (r == 0 && left_until(dial->request.deadline) == 0)
		return failed(dial, -ETIMEDOUT, err);
	return dial->state == DIAL_DONE ? 1 : r;
}
