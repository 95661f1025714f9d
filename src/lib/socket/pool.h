/* SPDX-License-Identifier: MIT
 *
 * Sockets to connect with, made in a place several at a time: each process for it costs as much as ten connections. And the processes
 * that connect to UNIX sockets, which may hang: so many at a time, and nobody waits for one that was given up.
 */
#pragma once

#include <stdbool.h>

#include <conjoin/error.h>

#include "lib/socket/place.h"

enum { POOL_MAX = 32, POOL_HELPERS = 32 };

/* Of the two families; all don't block. */
struct socket_pool {
	int fds[2][POOL_MAX];
	size_t n[2];
	size_t batch;		    /* so many at a time, POOL_MAX at most; 0: one */
	size_t under_way;	    /* processes that connect */
	int given_up[POOL_HELPERS]; /* pidfds of those that were killed, and aren't gone yet */
	size_t n_given_up;
};

#define SOCKET_POOL_INIT {.batch = 1}

/* A TCP socket of AF_INET or AF_INET6, the caller's. Returns it, or -errno. */
int socket_pool_take(struct socket_pool *pool, const struct socket_place *place, int family,
		     struct cj_error *err);

/* May one more process be made that connects? -EAGAIN: there are too many. It's then under way, until socket_pool_leave(). */
int socket_pool_enter(struct socket_pool *pool);
/* It's done, or given up: then it's killed. Takes its pidfd, also -EBADF. */
void socket_pool_leave(struct socket_pool *pool, int *helper);

/* Waits for those that are gone by now. False: some aren't. */
bool socket_pool_reap(struct socket_pool *pool);

/* Closes what is left; a process that can't be killed stays. */
void socket_pool_done(struct socket_pool *pool);
