/* SPDX-License-Identifier: MIT */
#include "lib/socket/pool.h"

#include <stdbool.h>

#include "base/cleanup.h"
#include "lib/socket/maker.h"

int socket_pool_take(struct socket_pool *pool, const struct socket_place *place, int family,
		     struct cj_error *err)
{
	int which = family == AF_INET6;
	struct socket_order order = {
		.act = SOCKET_MAKE,
		.domain = family,
		.type = SOCK_STREAM | SOCK_NONBLOCK,
		.count = place->pidfd >= 0 && pool->batch > 1 ? pool->batch : 1,
	};
	int r;

	if (pool->n[which] == 0) {
		r = sockets_make(place, &order, MAKER_MS, pool->fds[which], POOL_MAX, NULL, err);
		if (r < 0)
			return r;
		pool->n[which] = (size_t)r;
	}
	return take_fd(&pool->fds[which][--pool->n[which]]);
}

void socket_pool_done(struct socket_pool *pool)
{
	for (int which = 0; which < 2; which++)
		while (pool->n[which] > 0)
			close_fd(&pool->fds[which][--pool->n[which]]);
}
