/* SPDX-License-Identifier: MIT
 *
 * cj_socket() and cj_listen(): sockets of a target's net namespace that wait for others.
 * Not here: connecting (connect.c), the process that makes them (maker.c).
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <conjoin/socket.h>

#include "base/cleanup.h"
#include "lib/options.h"
#include "lib/socket/address.h"
#include "lib/socket/maker.h"
#include "lib/target.h"

/* TRIES: of a port that is free in both families. */
enum { TRIES = 16, MODE = 0666 };

int cj_socket(const struct cj_target *target, int domain, int type, int protocol,
	      struct cj_error *err)
{
	_cleanup_(socket_place_done) struct socket_place place = SOCKET_PLACE_INIT;
	struct socket_order order = {.act = SOCKET_MAKE,
				     .domain = domain,
				     .type = type,
				     .protocol = protocol,
				     .count = 1};
	int r = socket_place_open(target, &place, err), fd = -EBADF;

	if (r == 0)
		r = sockets_make(&place, &order, MAKER_MS, &fd, 1, NULL, err);
	return r < 0 ? socket_place_explain(target, r, err) : fd;
}

struct listening {
	const struct socket_place *place;
	const struct address *address;
	const char *text; /* the same, for errors */
	const struct cj_listen_options *options;
};

static struct socket_order order_of(const struct listening *l)
{
	return (struct socket_order){
		.act = SOCKET_LISTEN,
		.domain = AF_UNIX,
		.type = SOCK_STREAM,
		.backlog = l->options->backlog > 0 ? l->options->backlog : INT_MAX,
		.mode = l->options->mode ? l->options->mode & 0777 : MODE,
		.interface = l->address->interface[0] ? l->address->interface : NULL,
		.text = l->text,
	};
}

static int make(const struct listening *l, const struct socket_order *order,
		struct cj_listener *ret, struct cj_error *err)
{
	struct unix_file file = {0};
	int r = sockets_make(l->place, order, MAKER_MS, &ret->fd, 1, &file, err);

	if (r < 0)
		return r;
	ret->device = file.device;
	ret->inode = file.inode;
	return 0;
}

static int listen_unix(const struct listening *l, struct cj_listener *ret, struct cj_error *err)
{
	bool is_abstract = l->address->kind == ADDRESS_ABSTRACT;
	struct socket_order order = order_of(l);
	int r;

	socket_order_unix(&order, l->address);
	r = make(l, &order, ret, err);
	if (r < 0)
		return r;
	(void)snprintf(ret->address, sizeof(ret->address), "unix:%s%s", is_abstract ? "@" : "",
		       l->address->path);
	return 1;
}

static int listen_tcp(const struct listening *l, const struct sockaddr_storage *name, int v6only,
		      struct cj_listener *ret, struct cj_error *err)
{
	struct socket_order order = order_of(l);
	struct sockaddr_storage got;
	socklen_t length = sizeof(got);
	int r;

	order.domain = name->ss_family;
	order.name = *name;
	order.length = address_length(name);
	order.v6only = v6only;
	r = make(l, &order, ret, err);
	if (r < 0)
		return r;
	if (getsockname(ret->fd, (struct sockaddr *)&got, &length) < 0 ||
	    !address_format(&got, l->address->interface, ret->address, sizeof(ret->address))) {
		close_fd(&ret->fd);
		return cj_fail(err, EIO, "read the address of a socket");
	}
	return 1;
}

/* The kernel has no such family, or the namespace none of its addresses. */
static bool is_absent(int r)
{
	return r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL;
}

/* Is the loopback interface of the socket's namespace up? Else a family that is missing may still come. netdevice(7) */
static bool is_up(int socket)
{
	struct ifreq request = {.ifr_name = "lo"};

	return ioctl(socket, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_UP;
}

/* Its port goes for both: so the second may find one taken that was free for the first. */
static int listen_loopback(const struct listening *l, struct cj_listener *ret, struct cj_error *err)
{
	struct cj_error first = CJ_ERROR_INIT, second;
	struct sockaddr_storage name;
	int r = 0, six;

	for (int i = 0; i < TRIES; i++) {
		uint16_t port = l->address->port;
		socklen_t length = sizeof(name);

		address_loopback(AF_INET, port, &name);
		r = listen_tcp(l, &name, 1, &ret[0], &first);
		if (r < 0 && !is_absent(r))
			break;
		if (r > 0 && getsockname(ret[0].fd, (struct sockaddr *)&name, &length) == 0)
			port = address_port(&name);
		second = (struct cj_error)CJ_ERROR_INIT;
		address_loopback(AF_INET6, port, &name);
		six = listen_tcp(l, &name, 1, r > 0 ? &ret[1] : &ret[0], &second);
		if (six > 0)
			return r > 0 ? 2 : 1;
		if (is_absent(six) && r > 0 && !is_up(ret[0].fd)) {
			close_fd(&ret[0].fd); /* it would lack the other for ever */
			r = six;
			first = second;
		}
		if (is_absent(six))
			break; /* only one of them is there, or none */
		if (r > 0)
			close_fd(&ret[0].fd);
		r = six;
		first = second;
		if (six != -EADDRINUSE || l->address->port)
			break;
	}
	if (r < 0 && err && !err->code)
		*err = first;
	if (is_absent(r))
		cj_hint(err, "is its loopback interface down?");
	return r;
}

static int listen_any(const struct listening *l, struct cj_listener *ret, struct cj_error *err)
{
	struct sockaddr_storage name;
	int r;

	address_any(l->address->family == AF_INET ? AF_INET : AF_INET6, l->address->port, &name);
	if (l->address->family != AF_UNSPEC)
		return listen_tcp(l, &name, 1, ret, err);
	r = listen_tcp(l, &name, 0, ret, NULL);
	if (r >= 0 || !is_absent(r))
		return r < 0 ? cj_fail(err, -r, "listen on %s", l->text) : r;
	address_any(AF_INET, l->address->port, &name);
	return listen_tcp(l, &name, 1, ret, err);
}

static int listen_there(const struct listening *l, struct cj_listener *ret, struct cj_error *err)
{
	const struct address *address = l->address;
	struct sockaddr_storage name;

	if (address->kind != ADDRESS_TCP)
		return listen_unix(l, ret, err);
	if (address->any)
		return listen_any(l, ret, err);
	if (!address->host[0] && address->family == AF_UNSPEC)
		return listen_loopback(l, ret, err);
	if (!address->host[0])
		address_loopback(address->family, address->port, &name);
	else if (!address_is_numeric(address, &name))
		return cj_fail(err, EINVAL, "%s is no number to listen on", address->host);
	return listen_tcp(l, &name, 1, ret, err);
}

int cj_listen(const struct cj_target *target, const char *text,
	      const struct cj_listen_options *given, struct cj_listener ret[CJ_LISTENERS_MAX],
	      struct cj_error *err)
{
	_cleanup_(socket_place_done) struct socket_place place = SOCKET_PLACE_INIT;
	struct cj_listener made[CJ_LISTENERS_MAX] = {CJ_LISTENER_INIT, CJ_LISTENER_INIT};
	struct cj_listen_options options = CJ_LISTEN_OPTIONS_INIT;
	struct address address;
	struct listening l = {&place, &address, text, &options};
	int r = given ? options_take(given, &options, sizeof(options), "options to listen with",
				     err)
		      : 0;

	if (r == 0)
		r = address_parse(text, ADDRESS_TO_LISTEN, &address, err);
	if (r == 0)
		r = socket_place_open(target, &place, err);
	if (r == 0)
		r = listen_there(&l, made, err);
	if (r < 0)
		return socket_place_explain(target, r, err);
	for (int i = 0; i < r; i++)
		ret[i] = made[i];
	return r;
}

void cj_listener_done(const struct cj_target *target, struct cj_listener *listener)
{
	_cleanup_(socket_place_done) struct socket_place place = SOCKET_PLACE_INIT;
	struct socket_order order = {.act = SOCKET_UNLINK,
				     .path = listener->address + strlen("unix:"),
				     .file = {listener->device, listener->inode}};
	bool has_file = listener->fd >= 0 && listener->inode != 0;

	close_fd(&listener->fd);
	/* What can't be removed stays: the next who listens there replaces it. */
	if (has_file && socket_place_open(target, &place, NULL) == 0)
		(void)sockets_make(&place, &order, MAKER_MS, NULL, 0, NULL, NULL);
	*listener = (struct cj_listener)CJ_LISTENER_INIT;
}
