/* SPDX-License-Identifier: MIT
 *
 * Query strings: what is read, written again with everything escaped, is read as the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/buffer.h"
#include "net/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_escaped(struct buffer *out, const char *text)
{
	for (; *text; text++)
		buffer_print(out, "%%%02x", (unsigned int)(unsigned char)*text);
}

static void read_again(const struct query *query)
{
	struct buffer out = BUFFER_INIT;
	struct query again = QUERY_INIT;

	for (size_t i = 0; i < query->n; i++) {
		add_escaped(&out, query->items[i].key);
		buffer_add_text(&out, "=");
		add_escaped(&out, query->items[i].value);
		buffer_add_text(&out, "&");
	}
	assert(out.code == 0);
	if (out.size <= QUERY_SIZE_MAX) {
		assert(query_parse(out.size ? out.data : "", out.size, &again, NULL) == 0);
		assert(again.n == query->n);
		for (size_t i = 0; i < query->n; i++)
			assert(strcmp(again.items[i].key, query->items[i].key) == 0 &&
			       strcmp(again.items[i].value, query->items[i].value) == 0);
	}
	query_done(&again);
	buffer_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text =
		malloc(size ? size : 1); /* of its own, so that reading beyond its end is seen */
	struct query query = QUERY_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	size_t at = 0;
	bool flag;

	assert(text);
	if (size > 0)
		memcpy(text, data, size);
	if (query_parse(text, size, &query, &err) < 0) {
		assert(err.code && err.text[0] && !query.items);
	} else {
		assert(query.n <= QUERY_ITEMS_MAX);
		for (size_t i = 0; i < query.n; i++)
			assert(query.items[i].key[0] &&
			       query_get(&query, query.items[i].key) != NULL);
		while (query_next(&query, "command", &at))
			assert(at <= query.n);
		(void)query_flag(&query, "tty", &flag, &err);
		read_again(&query);
	}
	query_done(&query);
	free(text);
	return 0;
}
