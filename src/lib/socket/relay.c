/* SPDX-License-Identifier: MIT */
#include "lib/socket/relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/*
 * FILLS: of a vessel, in one direction, before it's somebody else's turn.
 * NEAR: on a loopback, where nothing is on its way for long, more in flight than that only leaves the processors' caches: measured. Elsewhere
 * the kernel finds out how much a path holds.
 */
enum { FILLS = 4, NEAR = 128 << 10 };

/* A dead peer is found within three minutes, instead of two hours. tcp(7), in seconds */
static const struct {
	int level, name, value;
} tcp_settings[] = {
	{IPPROTO_TCP, TCP_NODELAY, 1},	 {SOL_SOCKET, SO_KEEPALIVE, 1},
	{SOL_SOCKET, SO_OOBINLINE, 1}, /* an urgent byte is one as any other */
	{IPPROTO_TCP, TCP_KEEPIDLE, 60}, {IPPROTO_TCP, TCP_KEEPINTVL, 20},
	{IPPROTO_TCP, TCP_KEEPCNT, 6},
};

static bool is_near(int fd)
{
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);
	const struct sockaddr_in *four = (const void *)&name;
	const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)&name)->sin6_addr;

	if (getpeername(fd, (struct sockaddr *)&name, &length) < 0)
		return false;
	if (name.ss_family == AF_INET)
		return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return name.ss_family == AF_INET6 &&
	       (IN6_IS_ADDR_LOOPBACK(six) ||
		(IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == IN_LOOPBACKNET));
}

void relay_set_end(struct relay *relay, enum relay_end end, int fd)
{
	int near = NEAR;

	relay->ends[end].fd = fd;
	relay->ends[end].readable = relay->ends[end].writable = true;
	/* The first one fails where it isn't TCP. */
	for (size_t i = 0; i < ELEMENTS(tcp_settings); i++)
		if (setsockopt(fd, tcp_settings[i].level, tcp_settings[i].name,
			       &tcp_settings[i].value, sizeof(int)) < 0)
			return;
	if (is_near(fd))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &near, sizeof(near));
}

static void note_error(struct relay *relay, int r)
{
	if (relay->error == 0)
		relay->error = r;
}

/* splice(2) never gets past an urgent byte, which read(2) takes as any other if it's asked to. tcp_read_sock() in net/ipv4/tcp.c */
static void take_urgent(struct relay *relay, enum relay_end end)
{
	int on = 1;

	relay->ends[end].copies = true;
	(void)setsockopt(relay->ends[end].fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
}

void relay_take_events(struct relay *relay, enum relay_end end, uint32_t events)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		relay->ends[end].readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		relay->ends[end].writable = true;
	if (events & EPOLLPRI)
		take_urgent(relay, end);
	/* It's seen here while its direction waits for the other end. */
	if ((events & EPOLLERR) &&
	    getsockopt(relay->ends[end].fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error)
		note_error(relay, -error);
}

static void end_direction(struct relay *relay, enum relay_end from, struct vessels *vessels)
{
	relay->directions[from].ended = true;
	vessel_return(vessels, take_ptr(relay->directions[from].vessel));
}

static int drain(struct relay *relay, enum relay_end from, struct vessels *vessels)
{
	struct vessel **vessel = &relay->directions[from].vessel;
	enum relay_end to = !from;
	ssize_t n = vessel_drain(vessels, *vessel, relay->ends[to].fd);

	if (n == -EINVAL && (*vessel)->in >= 0)
		return vessel_pour(vessels, vessel);
	if (n == -EAGAIN) {
		relay->ends[to].writable = false;
		return 0;
	}
	if (n < 0) {
		/* What it had sent is still to be read; reading then ends with an error, or as if all were well. */
		relay->ends[to].readable = true;
		return (int)n;
	}
	relay->directions[from].moved += (uint64_t)n;
	return 0;
}

static int fill(struct relay *relay, enum relay_end from, struct vessels *vessels)
{
	struct vessel **vessel = &relay->directions[from].vessel;
	ssize_t n;

	if (*vessel && relay->ends[from].copies && (*vessel)->in >= 0)
		vessel_return(vessels, take_ptr(*vessel));
	if (!*vessel)
		*vessel = relay->ends[from].copies ? vessel_take_memory(vessels)
						   : vessel_take_pipe(vessels);
	if (!*vessel)
		return -ENOMEM;
	n = vessel_fill(*vessel, relay->ends[from].fd);
	if (n == -EINVAL && (*vessel)->in >= 0) {
		relay->ends[from].copies = true;
		return 0;
	}
	if (n == -EAGAIN) {
		relay->ends[from].readable = false;
		return 0;
	}
	if (n == 0) {
		end_direction(relay, from, vessels);
		/* After a failure it isn't an end as any other: they'll be reset. ENOTCONN: it has gone. */
		if (relay->error == 0)
			(void)shutdown(relay->ends[!from].fd, SHUT_WR);
	}
	return n < 0 ? (int)n : 0;
}

static bool has_load(const struct relay *relay, enum relay_end from)
{
	return relay->directions[from].vessel && relay->directions[from].vessel->load > 0;
}

/* One direction. It's read only when all is written that was read before: so there's never more than a vessel of it. */
static enum relay_state move(struct relay *relay, enum relay_end from, struct vessels *vessels)
{
	int fills = 0, r;

	while (!relay->directions[from].ended) {
		bool load = has_load(relay, from);

		if (load ? !relay->ends[!from].writable : !relay->ends[from].readable)
			break;
		if (!load && fills++ == FILLS) {
			vessel_return(vessels, take_ptr(relay->directions[from].vessel));
			return RELAY_BUSY;
		}
		r = load ? drain(relay, from, vessels) : fill(relay, from, vessels);
		if (r < 0) {
			note_error(relay, r);
			end_direction(relay, from, vessels);
		}
	}
	if (relay->directions[from].vessel && !has_load(relay, from))
		vessel_return(vessels, take_ptr(relay->directions[from].vessel));
	return relay->directions[from].ended ? RELAY_ENDED : RELAY_WAITS;
}

int relay_turn(struct relay *relay, struct vessels *vessels)
{
	enum relay_state there = move(relay, RELAY_CLIENT, vessels);
	enum relay_state back = move(relay, RELAY_OTHER, vessels);

	/* A failed write has something to be read first, which the direction before may have left. */
	if (relay->error && there == RELAY_WAITS)
		there = move(relay, RELAY_CLIENT, vessels);
	if (there == RELAY_BUSY || back == RELAY_BUSY)
		return RELAY_BUSY;
	if (relay->error)
		return relay->error;
	return there == RELAY_ENDED && back == RELAY_ENDED ? RELAY_ENDED : RELAY_WAITS;
}

void relay_done(struct relay *relay, struct vessels *vessels)
{
	for (int end = 0; end < RELAY_ENDS; end++) {
		vessel_return(vessels, take_ptr(relay->directions[end].vessel));
		close_fd(&relay->ends[end].fd);
	}
}

void relay_reset(struct relay *relay, struct vessels *vessels)
{
	struct linger none = {.l_onoff = 1, .l_linger = 0};

	for (int end = 0; end < RELAY_ENDS; end++)
		if (relay->ends[end].fd >= 0)
			(void)setsockopt(relay->ends[end].fd, SOL_SOCKET, SO_LINGER, &none,
					 sizeof(none));
	relay_done(relay, vessels);
}
