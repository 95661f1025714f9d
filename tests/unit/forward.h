/* SPDX-License-Identifier: MIT
 *
 * What tests of forwarding share: one way between two listening sockets, the loop that a caller has, bytes that are known again.
 */
#pragma once

#include "unit.h"

#include <poll.h>
#include <sys/socket.h>

#include <conjoin/forward.h>
#include <conjoin/socket.h>

/* PERIOD: a prime, so that a piece in the wrong place is noticed. DEADLINE_MS: what takes longer has failed. */
enum { PERIOD = 1048573, PIECE = 64 << 10, DEADLINE_MS = 20000 };

static char pattern[PERIOD + PIECE];

/* One way from `front` to `back`. */
struct rig {
	struct cj_forward *forward;
	struct cj_listener front, back;
	unsigned int warnings;
	char warning[1024];
};

static inline void take_log(void *data, enum cj_log_level level, const char *text)
{
	struct rig *rig = data;

	if (level != CJ_LOG_WARNING)
		return;
	rig->warnings++;
	(void)snprintf(rig->warning, sizeof(rig->warning), "%s", text);
}

static inline void check(int r, const struct cj_error *err)
{
	if (r < 0)
		fail_msg("%s: %s", err->text, strerror(err->code));
}

enum kind { TCP4, TCP6, ABSTRACT, PATH };

/* Of its own, whoever else runs this test. */
static inline void listen_at(enum kind kind, const char *end, struct cj_listener *ret)
{
	static const char *const tcp[] = {"tcp4:0", "tcp6:0"};
	struct cj_listener listeners[CJ_LISTENERS_MAX] = {CJ_LISTENER_INIT, CJ_LISTENER_INIT};
	struct cj_error err = CJ_ERROR_INIT;
	char address[64];

	(void)snprintf(address, sizeof(address), "unix:%s-%s-%d",
		       kind == PATH ? "/tmp/conjoin-unit" : "@conjoin-unit", end, getpid());
	check(cj_listen(NULL, kind <= TCP6 ? tcp[kind] : address, NULL, listeners, &err), &err);
	*ret = listeners[0];
	(void)fcntl(ret->fd, F_SETFL, O_NONBLOCK);
}

static inline struct rig *open_rig(struct cj_forward_options options, enum kind front,
				   enum kind back)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct cj_error err = CJ_ERROR_INIT;

	options.log = take_log;
	options.log_data = rig;
	listen_at(front, "front", &rig->front);
	listen_at(back, "back", &rig->back);
	check(cj_forward_new(&options, &rig->forward, &err), &err);
	check(cj_forward_add(rig->forward, rig->front.fd, NULL, rig->back.address, &err), &err);
	return rig;
}

static inline struct rig *open_plain(void)
{
	return open_rig((struct cj_forward_options)CJ_FORWARD_OPTIONS_INIT, TCP4, TCP4);
}

static inline void close_rig(struct rig *rig)
{
	cj_forward_free(rig->forward);
	cj_listener_done(NULL, &rig->front);
	cj_listener_done(NULL, &rig->back);
	free(rig);
}

static inline int64_t deadline(void)
{
	return clock_ms() + DEADLINE_MS;
}

/* The loop that a caller has, once: it waits for the forward, or for one of two sockets. */
static inline void turn(struct rig *rig, int64_t end, int a, short a_events, int b, short b_events)
{
	struct pollfd ready[] = {{.fd = cj_forward_fd(rig->forward), .events = POLLIN},
				 {.fd = a, .events = a_events},
				 {.fd = b, .events = b_events}};
	int ms = cj_forward_timeout(rig->forward);

	if (clock_ms() > end)
		fail_msg("it takes too long");
	(void)poll(ready, 3, ms < 0 || ms > 1000 ? 1000 : ms);
	cj_forward_step(rig->forward);
}

/* As long as there is something to do at once: then the kernel has nothing more for us. */
static inline void settle(struct rig *rig)
{
	struct pollfd ready = {.fd = cj_forward_fd(rig->forward), .events = POLLIN};

	while (cj_forward_timeout(rig->forward) == 0 || poll(&ready, 1, 0) > 0)
		cj_forward_step(rig->forward);
}

static inline void await_connections(struct rig *rig, size_t wanted)
{
	int64_t end = deadline();

	while (cj_forward_connections(rig->forward) != wanted)
		turn(rig, end, -1, 0, -1, 0);
}

static inline int call(const struct cj_listener *there)
{
	struct cj_error err = CJ_ERROR_INIT;
	int fd = cj_connect(NULL, there->address, NULL, &err);

	check(fd, &err);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static inline int answer(struct rig *rig)
{
	int64_t end = deadline();
	int fd;

	while ((fd = accept4(rig->back.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
		turn(rig, end, rig->back.fd, POLLIN, -1, 0);
	return fd;
}

/* What comes before the end, or before the reset that is wanted. */
static inline void assert_receives(struct rig *rig, int fd, const char *text, int code)
{
	int64_t end = deadline();
	char got[256];
	size_t n = 0;
	ssize_t r;

	while ((r = recv(fd, got + n, sizeof(got) - n, 0)) > 0 || (r < 0 && errno == EAGAIN))
		if (r > 0)
			n += (size_t)r;
		else
			turn(rig, end, fd, POLLIN, -1, 0);
	assert_int_equal(r < 0 ? errno : 0, code);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, n);
}

static inline void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void reset(int fd)
{
	struct linger none = {.l_onoff = 1, .l_linger = 0};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
	(void)close(fd);
}

/* --- many bytes --- */

struct end {
	int fd;
	size_t to_send, sent, received;
};

static inline ssize_t send_some(struct end *end)
{
	size_t left = end->to_send - end->sent;
	ssize_t n = send(end->fd, pattern + end->sent % PERIOD, left < PIECE ? left : PIECE,
			 MSG_NOSIGNAL);

	if (n > 0)
		end->sent += (size_t)n;
	if (n > 0 && end->sent == end->to_send)
		(void)shutdown(end->fd, SHUT_WR);
	return n;
}

static inline ssize_t receive_some(struct end *end)
{
	static char got[PIECE];
	ssize_t n = recv(end->fd, got, sizeof(got), 0);

	if (n > 0) {
		assert_memory_equal(got, pattern + end->received % PERIOD, (size_t)n);
		end->received += (size_t)n;
	}
	return n;
}

/* Until both have received the other's end. */
static inline void exchange(struct rig *rig, struct end *a, struct end *b)
{
	bool a_open = true, b_open = true;
	int64_t end = deadline();

	while (a_open || b_open) {
		ssize_t n = a->sent < a->to_send ? send_some(a) : -1, m;
		ssize_t k = b->sent < b->to_send ? send_some(b) : -1;

		m = a_open ? receive_some(a) : -1;
		a_open &= m != 0;
		if (n <= 0 && k <= 0 && m <= 0)
			turn(rig, end, a->fd, POLLIN, b->fd, b_open ? POLLIN : 0);
		else
			cj_forward_step(rig->forward);
		m = b_open ? receive_some(b) : -1;
		b_open &= m != 0;
	}
}

/* Until it takes no more, and nothing is under way. */
static inline void fill_up(struct rig *rig, struct end *end)
{
	do
		settle(rig);
	while (end->sent < end->to_send && send_some(end) > 0);
}

static inline void fill_pattern(void)
{
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)((i % PERIOD) * 2654435761U >> 13);
}
