/* SPDX-License-Identifier: MIT
 *
 * Connections that are accepted in one place and made in another, and the bytes between them: many at a time in one loop of the caller's.
 * The kernel moves the bytes (splice(2)); the end of one direction is passed on and leaves the other as it is; who doesn't read is
 * waited for, and only who sends to him with him.
 *
 *	cj_listen()  →  cj_forward_new()  →  cj_forward_add()  →  poll(2) cj_forward_fd()  →  cj_forward_step()  …
 *
 * A forward is for one thread, which has to live as long. What a step waits for is bounded and rare: names and sockets of the target's place take
 * a process, which may take its time.
 *
 * Not here: where addresses lie (socket.h), when a target is there again (follow.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <conjoin/error.h>
#include <conjoin/log.h>
#include <conjoin/socket.h>
#include <conjoin/target.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cj_forward;

struct cj_forward_options {
	size_t size;
	/* At a time, of all ways; more wait in the queue of their listening socket. 0: 4096. */
	unsigned int max_connections;
	int64_t connect_timeout; /* milliseconds until the other end has to be there, its name included; 0: 30 s */
	int64_t idle_timeout; /* milliseconds without a byte in either direction, then both are reset; 0: as long as they like */
	enum cj_resolve resolve;
	/* CJ_LOG_WARNING: a connection that couldn't be made, no more descriptors; CJ_LOG_STEP: each one's beginning and end. NULL: nobody listens. */
	cj_log_function *log;
	void *log_data;
};

#define CJ_FORWARD_OPTIONS_INIT {.size = sizeof(struct cj_forward_options)}

/* `options` may be NULL. Free with cj_forward_free(). */
int cj_forward_new(const struct cj_forward_options *options, struct cj_forward **ret,
		   struct cj_error *err);

/*
 * A way: what is accepted on `listening` is connected to `address` in the place of `target` (NULL: here), which has to live until the way
 * leads elsewhere or the forward is freed. `listening` stays the caller's, is made non-blocking, and must stay open as long. Returns the number of the way, or
 *
 *	EINVAL	not an address that can be connected to
 *	others	of cj_connect(), of its place
 */
int cj_forward_add(struct cj_forward *forward, int listening, const struct cj_target *target,
		   const char *address, struct cj_error *err);

/* From now on nothing is accepted there; connections that are there go on. The listening socket, and the target, may be let go of. */
void cj_forward_pause(struct cj_forward *forward, int way);

/* Accepts again, from `listening`, and leads to `target`. After a failure it's paused. */
int cj_forward_resume(struct cj_forward *forward, int way, int listening,
		      const struct cj_target *target, struct cj_error *err);

/* Readable when cj_forward_step() has something to do; the forward's own. */
int cj_forward_fd(const struct cj_forward *forward);
/* Milliseconds until it has in any case; -1: none. */
int cj_forward_timeout(const struct cj_forward *forward);

/* Does what can be done now without waiting. A connection's failure is its own, and logged. */
void cj_forward_step(struct cj_forward *forward);

/* How many ways have stopped by a failure that was logged: their listening socket was shut down by somebody else, say. */
size_t cj_forward_lost(const struct cj_forward *forward);

/* How many connections there are, those that are being made included. */
size_t cj_forward_connections(const struct cj_forward *forward);

/* Ends all connections (their ends see a reset or an end, as with any process that dies). NULL: does nothing. */
void cj_forward_free(struct cj_forward *forward);

#ifdef __cplusplus
}
#endif
