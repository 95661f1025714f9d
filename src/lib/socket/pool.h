/* SPDX-License-Identifier: MIT
 *
 * Sockets to connect with, made in a place several at a time: each process for it costs as much as ten connections.
 */
#pragma once

#include <conjoin/error.h>

#include "lib/socket/place.h"

enum { POOL_MAX = 32 };

/* Of the two families; all don't block. */
struct socket_pool {
	int fds[2][POOL_MAX];
	size_t n[2];
	size_t batch; /* so many at a time, POOL_MAX at most; 0: one */
};

#define SOCKET_POOL_INIT {.batch = 1}

/* A TCP socket of AF_INET or AF_INET6, the caller's. Returns it, or -errno. */
int socket_pool_take(struct socket_pool *pool, const struct socket_place *place, int family,
		     struct cj_error *err);

/* Closes what is left. */
void socket_pool_done(struct socket_pool *pool);
