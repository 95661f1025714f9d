/* SPDX-License-Identifier: MIT
 *
 * What the server counts, and how Prometheus reads it: the text format 0.0.4.
 * Not here: when something is counted.
 *
 * All names begin with conjoin_. Series of one name lie one behind the other in the table of metrics.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "net/buffer.h"

/* The value of `Content-Type:`. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric {
	METRIC_CONNECTIONS,		    /* gauge: there now */
	METRIC_CONNECTIONS_TOTAL,	    /* accepted */
	METRIC_CONNECTIONS_REFUSED_NETWORK, /* not allowed from there */
	METRIC_CONNECTIONS_REFUSED_LIMIT,   /* too many */
	METRIC_ACCEPT_ERRORS,
	METRIC_RUNNING,	      /* gauge: requests whose command runs */
	METRIC_REQUESTS_HTTP, /* that ran, by protocol */
	METRIC_REQUESTS_WEBSOCKET,
	METRIC_REQUESTS_TEXT,
	METRIC_REFUSED_BAD,	 /* not a request that makes sense */
	METRIC_REFUSED_LIMIT,	 /* too many at a time, or too big */
	METRIC_REFUSED_AUTH,	 /* no or a wrong token, certificate or uid */
	METRIC_REFUSED_THROTTLE, /* too many wrong ones */
	METRIC_FAILURES,	 /* ours: it should have run */
	METRIC_TIMEOUTS,	 /* of commands */
	METRIC_TRUNCATED,	 /* requests with more output than is given away */
	METRIC_ABANDONED,	 /* whose client went away */
	METRIC_BYTES_IN,
	METRIC_BYTES_OUT,
	METRIC_AUDIT_LOST,
	METRICS,
};

enum { METRICS_BUCKETS = 14 };

struct metrics {
	uint64_t values[METRICS];
	uint64_t buckets[METRICS_BUCKETS +
			 1]; /* each alone; the last is for what is longer than all */
	uint64_t total_us;
};

#define METRICS_INIT {.total_us = 0}

static inline void metrics_add(struct metrics *metrics, enum metric metric, uint64_t n)
{
	metrics->values[metric] += n;
}

/* A gauge. */
static inline void metrics_set(struct metrics *metrics, enum metric metric, uint64_t n)
{
	metrics->values[metric] = n;
}

/* A request took so long, in microseconds. */
void metrics_observe(struct metrics *metrics, uint64_t us);

/* Adds the text. `version` and `target` (a name of others; bytes that aren't UTF-8 are U+FFFD) become labels of conjoin_build_info. */
void metrics_format(struct buffer *out, const struct metrics *metrics, const char *version,
		    const char *target);
