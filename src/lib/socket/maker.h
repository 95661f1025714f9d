/* SPDX-License-Identifier: MIT
 *
 * The short-lived process that joins a target's net namespace, makes sockets there and passes them back. It can be waited for by a
 * loop: `answer` becomes readable.
 * Not here: what addresses mean (address.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <conjoin/error.h>

#include "lib/socket/address.h"
#include "lib/socket/place.h"
#include "sys/unix_beneath.h"

enum socket_act {
	SOCKET_MAKE,	/* as many as are wanted */
	SOCKET_LISTEN,	/* one, bound to `name` or `path`, and listening */
	SOCKET_CONNECT, /* one, connected to `path` or to an abstract `name`: a UNIX socket's end blocks while its queue is full */
	SOCKET_UNLINK,	/* none: the file of a UNIX socket is removed */
};

/* Plain data, but for what it points to. */
struct socket_order {
	enum socket_act act;
	int domain, type, protocol;
	size_t count; /* of SOCKET_MAKE: PARCEL_FILES_MAX at most */
	struct sockaddr_storage name;
	socklen_t length;
	const char *interface; /* whose index `name` lacks; NULL: none */
	const char *path;      /* beneath the target's root, in place of `name`; NULL: none */
	int v6only;	       /* IPV6_V6ONLY(7), with AF_INET6 */
	int backlog;
	mode_t mode;
	struct unix_file file; /* of SOCKET_UNLINK: which one it has to be */
	const char *text;      /* the address, for errors */
};

/* Where a UNIX address leads: its path, or the name of an abstract one, which has a NUL before it. The address must live as long. unix(7) */
void socket_order_unix(struct socket_order *order, const struct address *address);

/* MAKER_MS: for what waits for nobody. */
enum { MAKER_MS = 2000 };

struct maker {
	int helper; /* pidfd */
	int answer;
};

#define MAKER_INIT {.helper = -EBADF, .answer = -EBADF}

int maker_start(const struct socket_place *place, const struct socket_order *order,
		struct maker *ret, struct cj_error *err);

/*
 * Takes the sockets, `max` at most, waiting no longer than `ms`. Returns how many; `ret_file` is written with SOCKET_LISTEN and a path,
 * may be NULL else. Ends the process. The error is that of its step.
 */
int maker_finish(struct maker *maker, int ms, int *ret_sockets, size_t max,
		 struct unix_file *ret_file, struct cj_error *err);
void maker_done(struct maker *maker);

/* Both, for who can wait. */
int sockets_make(const struct socket_place *place, const struct socket_order *order, int ms,
		 int *ret_sockets, size_t max, struct unix_file *ret_file, struct cj_error *err);

/* Writes the index of an interface, as the socket's net namespace numbers it, into an IPv6 address. netdevice(7). Async-signal-safe. */
int socket_name_interface(int socket, const char *interface, struct sockaddr_storage *name);
