/* SPDX-License-Identifier: MIT */
#include "lib/socket/pool.h"

#include <stdbool.h>

#include "base/cleanup.h"
#include "lib/socket/maker.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"

/* For each that is left in the end. */
enum { LAST_MS = 10 };

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

/* Who has ended by now is waited for. */
static bool is_gone(int helper)
{
	siginfo_t info = {.si_pid = 0};

	return sys_waitid(P_PIDFD, (id_t)helper, &info, WEXITED | WNOHANG | __WALL) < 0 ||
	       info.si_pid != 0;
}

bool socket_pool_reap(struct socket_pool *pool)
{
	for (size_t i = 0; i < pool->n_given_up;) {
		if (is_gone(pool->given_up[i])) {
			close_fd(&pool->given_up[i]);
			pool->given_up[i] = pool->given_up[--pool->n_given_up];
		} else {
			i++;
		}
	}
	return pool->n_given_up == 0;
}

int socket_pool_enter(struct socket_pool *pool)
{
	(void)socket_pool_reap(pool);
	if (pool->under_way + pool->n_given_up >= POOL_HELPERS)
		return -EAGAIN;
	pool->under_way++;
	return 0;
}

void socket_pool_leave(struct socket_pool *pool, int *helper)
{
	pool->under_way--;
	if (*helper < 0)
		return;
	(void)sys_pidfd_send_signal(*helper, SIGKILL);
	if (is_gone(*helper))
		close_fd(helper);
	else
		pool->given_up[pool->n_given_up++] =
			take_fd(helper); /* there is room: it was counted */
}

void socket_pool_done(struct socket_pool *pool)
{
	while (pool->n_given_up > 0)
		process_end_within(&pool->given_up[--pool->n_given_up], LAST_MS);
	for (int which = 0; which < 2; which++)
		while (pool->n[which] > 0)
			close_fd(&pool->fds[which][--pool->n[which]]);
}
