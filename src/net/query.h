/* SPDX-License-Identifier: MIT
 *
 * Query strings: "command=ls&command=-l&tty=1", keys in their order, each as often as it's there.
 * Not here: which keys there are, and what they mean.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <conjoin/error.h>

enum {
	QUERY_SIZE_MAX = 64 * 1024, /* bytes, as they came */
	QUERY_ITEMS_MAX = 1024,
};

/* Decoded, NUL-ended: bytes, not always UTF-8. */
struct query_item {
	const char *key, *value; /* a value of "" where there is no "=" */
};

/* Owned: query_done(). */
struct query {
	struct query_item *items;
	size_t n;
	char *storage;
};

#define QUERY_INIT {.items = NULL}

/*
 * Parses what stands behind the "?": %XX and + are decoded, empty parts ("a=1&&b=2") left out.
 *
 *	EINVAL	a % without two hexadecimal digits, a NUL (%00 or as it is), or an empty key
 *	E2BIG	more than QUERY_SIZE_MAX or QUERY_ITEMS_MAX
 */
int query_parse(const char *text, size_t size, struct query *ret, struct cj_error *err);

/* The value of the first `key`; NULL: there is none. */
const char *query_get(const struct query *query, const char *key);

/* The value of the next `key` from item `*at` on, which is moved behind it; NULL: there is none any more. Begin with 0. */
const char *query_next(const struct query *query, const char *key, size_t *at);

/*
 * "true" or "1", "false" or "0", in any case of letters (Python's clients send "True"). False if it's not there.
 *
 *	EINVAL	something else, or it's there twice
 */
int query_flag(const struct query *query, const char *key, bool *ret, struct cj_error *err);

void query_done(struct query *query);
