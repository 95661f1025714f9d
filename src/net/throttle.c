/* SPDX-License-Identifier: MIT */
#include "net/throttle.h"

#include <stdlib.h>
#include <string.h>

#include "net/networks.h"

#define NONE UINT32_MAX

struct key {
	unsigned char bytes[8];
	uint32_t size; /* 4, 8, or 0: no address */
};

struct source {
	struct key key;
	uint32_t chain;		 /* the next one with the same head, or NONE */
	uint32_t older, younger; /* by when they were heard of */
	bool logged_once;
	int64_t level; /* milliseconds' worth of attempts that are there, at `then` */
	int64_t then;
	int64_t logged;
	uint64_t unreported;
};

struct throttle {
	struct throttle_options options;
	struct source *sources;
	uint32_t *heads;
	uint32_t mask, n;
	uint32_t oldest, youngest;
};

struct throttle *throttle_new(const struct throttle_options *options)
{
	struct throttle *throttle = calloc(1, sizeof(*throttle));
	size_t heads = 1;

	if (!throttle)
		return NULL;
	if (options)
		throttle->options = *options;
	if (throttle->options.sources == 0)
		throttle->options.sources = 1024;
	if (throttle->options.sources > 1 << 20)
		throttle->options.sources = 1 << 20;
	if (throttle->options.burst == 0)
		throttle->options.burst = 10;
	if (throttle->options.interval <= 0)
		throttle->options.interval = 1000;
	if (throttle->options.log_interval <= 0)
		throttle->options.log_interval = 1000;
	while (heads < throttle->options.sources)
		heads *= 2;
	throttle->sources = calloc(throttle->options.sources, sizeof(struct source));
	throttle->heads = malloc(heads * sizeof(uint32_t));
	throttle->mask = (uint32_t)heads - 1;
	throttle->oldest = throttle->youngest = NONE;
	if (!throttle->sources || !throttle->heads) {
		throttle_free(throttle);
		return NULL;
	}
	for (size_t i = 0; i < heads; i++)
		throttle->heads[i] = NONE;
	return throttle;
}

void throttle_free(struct throttle *throttle)
{
	if (!throttle)
		return;
	free(throttle->sources);
	free(throttle->heads);
	free(throttle);
}

size_t throttle_sources(const struct throttle *throttle)
{
	return throttle->n;
}

static struct key key_of(const struct sockaddr *address, socklen_t length)
{
	struct key key = {.size = 0};
	unsigned char bytes[16] = {0};
	size_t size = network_address(address, length, bytes);

	key.size = size == 16 ? 8 : (uint32_t)size;
	memcpy(key.bytes, bytes, key.size);
	return key;
}

static uint32_t *head_of(const struct throttle *throttle, const struct key *key)
{
	uint64_t hash = throttle->options.seed ^ key->size;
	uint64_t bytes;

	memcpy(&bytes, key->bytes, sizeof(bytes));
	hash = (hash ^ bytes) * 0x9e3779b97f4a7c15ULL; /* splitmix64's mixing */
	hash = (hash ^ hash >> 30 ^ throttle->options.seed) * 0xbf58476d1ce4e5b9ULL;
	return &throttle->heads[(hash >> 32) & throttle->mask];
}

static uint32_t find(const struct throttle *throttle, const struct key *key)
{
	uint32_t at = *head_of(throttle, key);

	while (at != NONE && memcmp(&throttle->sources[at].key, key, sizeof(*key)) != 0)
		at = throttle->sources[at].chain;
	return at;
}

/* --- the order in which they were heard of --- */

static void take_out(struct throttle *throttle, uint32_t at)
{
	const struct source *source = &throttle->sources[at];

	if (source->older != NONE)
		throttle->sources[source->older].younger = source->younger;
	else
		throttle->oldest = source->younger;
	if (source->younger != NONE)
		throttle->sources[source->younger].older = source->older;
	else
		throttle->youngest = source->older;
}

static void put_last(struct throttle *throttle, uint32_t at)
{
	struct source *source = &throttle->sources[at];

	source->older = throttle->youngest;
	source->younger = NONE;
	if (throttle->youngest != NONE)
		throttle->sources[throttle->youngest].younger = at;
	else
		throttle->oldest = at;
	throttle->youngest = at;
}

static void unchain(struct throttle *throttle, uint32_t at)
{
	uint32_t *link = head_of(throttle, &throttle->sources[at].key);

	while (*link != at)
		link = &throttle->sources[*link].chain;
	*link = throttle->sources[at].chain;
}

/* --- buckets --- */

static int64_t capacity(const struct throttle *throttle)
{
	return (int64_t)throttle->options.burst * throttle->options.interval;
}

static int64_t level_at(const struct throttle *throttle, const struct source *source, int64_t now)
{
	int64_t passed = now > source->then ? now - source->then : 0;
	int64_t most = capacity(throttle);

	return passed >= most - source->level ? most : source->level + passed;
}

static int64_t wait_at(const struct throttle *throttle, int64_t level)
{
	return level >= throttle->options.interval ? 0 : throttle->options.interval - level;
}

/* The source's place, a new one with a full bucket if need be. */
static struct source *get(struct throttle *throttle, const struct key *key, int64_t now)
{
	uint32_t at = find(throttle, key), *head;

	if (at != NONE) {
		take_out(throttle, at);
		put_last(throttle, at);
		return &throttle->sources[at];
	}
	if (throttle->n < throttle->options.sources) {
		at = throttle->n++;
	} else {
		at = throttle->oldest;
		take_out(throttle, at);
		unchain(throttle, at);
	}
	head = head_of(throttle, key);
	throttle->sources[at] = (struct source){
		.key = *key,
		.chain = *head,
		.level = capacity(throttle),
		.then = now,
	};
	*head = at;
	put_last(throttle, at);
	return &throttle->sources[at];
}

int64_t throttle_wait(const struct throttle *throttle, const struct sockaddr *address,
		      socklen_t length, int64_t now)
{
	struct key key = key_of(address, length);
	uint32_t at = find(throttle, &key);

	return at == NONE ? 0 : wait_at(throttle, level_at(throttle, &throttle->sources[at], now));
}

struct throttle_verdict throttle_fail(struct throttle *throttle, const struct sockaddr *address,
				      socklen_t length, int64_t now)
{
	struct key key = key_of(address, length);
	struct source *source = get(throttle, &key, now);
	struct throttle_verdict verdict = {.log = false};

	source->level = level_at(throttle, source, now);
	if (now > source->then)
		source->then = now;
	verdict.wait = wait_at(throttle, source->level);
	if (verdict.wait == 0)
		source->level -= throttle->options.interval;
	if (!source->logged_once || now - source->logged >= throttle->options.log_interval) {
		verdict.log = true;
		verdict.unreported = source->unreported;
		source->logged_once = true;
		source->logged = now;
		source->unreported = 0;
	} else {
		source->unreported++;
	}
	return verdict;
}
