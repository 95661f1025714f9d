/* SPDX-License-Identifier: MIT */
#include "net/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/escape.h"

void query_done(struct query *query)
{
	free(query->items);
	free(query->storage);
	*query = (struct query)QUERY_INIT;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* Decodes a key or value to `*to`, which is moved behind its NUL. */
static int decode(const char *text, size_t size, char **to, struct cj_error *err)
{
	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int high = i + 2 < size ? digit_of(text[i + 1]) : -1;
			int low = high >= 0 ? digit_of(text[i + 2]) : -1;

			if (low < 0)
				return cj_fail(err, EINVAL,
					       "query: %% without two hexadecimal digits");
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (!c)
			return cj_fail(err, EINVAL, "query: a NUL");
		*(*to)++ = c;
	}
	*(*to)++ = '\0';
	return 0;
}

static int add_item(struct query *query, const char *part, size_t size, char **to,
		    struct cj_error *err)
{
	const char *equals = memchr(part, '=', size);
	size_t key_size = equals ? (size_t)(equals - part) : size;
	struct query_item *item = &query->items[query->n];
	int r;

	if (key_size == 0)
		return cj_fail(err, EINVAL, "query: a value without a key");
	if (query->n == QUERY_ITEMS_MAX)
		return cj_fail(err, E2BIG, "query: more than %d keys", QUERY_ITEMS_MAX);
	item->key = *to;
	r = decode(part, key_size, to, err);
	if (r < 0)
		return r;
	item->value = *to;
	r = equals ? decode(equals + 1, size - key_size - 1, to, err) : decode("", 0, to, err);
	if (r == 0)
		query->n++;
	return r;
}

int query_parse(const char *text, size_t size, struct query *ret, struct cj_error *err)
{
	_cleanup_(query_done) struct query query = QUERY_INIT;
	const char *end = text + size;
	size_t parts = 1;
	char *to;

	if (size > QUERY_SIZE_MAX)
		return cj_fail(err, E2BIG, "query: more than %d bytes", QUERY_SIZE_MAX);
	for (size_t i = 0; i < size; i++)
		parts += text[i] == '&';
	if (parts > QUERY_ITEMS_MAX)
		parts = QUERY_ITEMS_MAX;
	query.items = calloc(parts, sizeof(query.items[0]));
	query.storage = malloc(size + 2 * parts); /* decoded it's no longer; and two NULs each */
	if (!query.items || !query.storage)
		return cj_fail(err, ENOMEM, "keep query");
	to = query.storage;
	while (text < end) {
		const char *stop = memchr(text, '&', (size_t)(end - text));
		size_t part = (size_t)((stop ? stop : end) - text);
		int r = part ? add_item(&query, text, part, &to, err) : 0;

		if (r < 0)
			return r;
		text += part + (stop ? 1 : 0);
	}
	*ret = query;
	query = (struct query)QUERY_INIT;
	return 0;
}

const char *query_next(const struct query *query, const char *key, size_t *at)
{
	while (*at < query->n) {
		const struct query_item *item = &query->items[(*at)++];

		if (strcmp(item->key, key) == 0)
			return item->value;
	}
	return NULL;
}

const char *query_get(const struct query *query, const char *key)
{
	size_t at = 0;

	return query_next(query, key, &at);
}

int query_flag(const struct query *query, const char *key, bool *ret, struct cj_error *err)
{
	size_t at = 0;
	const char *value = query_next(query, key, &at);
	char shown[64];

	if (value && query_next(query, key, &at))
		return cj_fail(err, EINVAL, "query: %s is there twice", key);
	if (!value || strcasecmp(value, "false") == 0 || strcmp(value, "0") == 0) {
		*ret = false;
		return 0;
	}
	if (strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0) {
		*ret = true;
		return 0;
	}
	(void)text_escape(shown, sizeof(shown), value);
	return cj_fail(err, EINVAL, "query: %s is neither true nor false: %s", key, shown);
}
