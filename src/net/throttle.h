/* SPDX-License-Identifier: MIT
 *
 * How often somebody may try a wrong token: a bucket of attempts for each source, which fills up again with time.
 * Not here: what is an attempt, and the answer to one too many (429 and `Retry-After:`, or closing).
 *
 * A source is an IPv4 address, or the first 64 bits of an IPv6 one, since a host has as many of the others as it likes. What has no address
 * (AF_UNIX) is one source. The table is bounded: the source that was heard of least recently makes room for a new one, so who
 * has more addresses than the table has places gets more attempts; a token's length is what protects against guessing.
 *
 * Mind that in a container all of its processes share one loopback address: if right tokens are refused, too, while the bucket is
 * empty, any of them can lock the others out. So check first, and ask only about failures:
 *
 *	if (tokens_check(…))	go on
 *	else			throttle_fail(): answer 401, or 429 if it says so
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct throttle_options {
	size_t sources;	      /* places in the table; 0: 1024 */
	unsigned int burst;   /* failures that are free; 0: 10 */
	int64_t interval;     /* milliseconds in which one more is earned; 0: 1000 */
	int64_t log_interval; /* milliseconds between two log lines about one source; 0: 1000 */
	uint64_t seed; /* random, so that nobody can choose addresses that are slow to look up */
};

struct throttle;

/* NULL: memory is out. `options` may be NULL. */
struct throttle *throttle_new(const struct throttle_options *options);
void throttle_free(struct throttle *throttle);

/*
 * Milliseconds until this source may fail once more; 0: it may now. Counts nothing, and makes no room for a source that's new.
 * `now` is a monotonic clock's milliseconds (clock_ms()) in all of these.
 */
int64_t throttle_wait(const struct throttle *throttle, const struct sockaddr *address,
		      socklen_t length, int64_t now);

struct throttle_verdict {
	int64_t wait; /* as throttle_wait() would have said before this one: 0: go, it's answered as any other */
	bool log;	     /* now is the time to log it */
	uint64_t unreported; /* failures of this source that weren't logged before, this one left out */
};

/* It has failed. Takes an attempt from its bucket if there is one. */
struct throttle_verdict throttle_fail(struct throttle *throttle, const struct sockaddr *address,
				      socklen_t length, int64_t now);

/* How many sources it remembers. */
size_t throttle_sources(const struct throttle *throttle);
