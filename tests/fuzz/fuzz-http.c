/* SPDX-License-Identifier: MIT
 *
 * HTTP answers: whole and in pieces of any size they are read as the same thing.
 * The first byte of the input says how big the pieces are.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "engine/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(const char *text, size_t size, size_t step, struct http_answer *ret)
{
	struct http *http;
	int r = http_new("/", &http);

	assert(r == 0);
	for (size_t at = 0; r == 0 && at < size; at += step)
		r = http_feed(http, text + at, size - at < step ? size - at : step, false, ret);
	if (r == 0)
		r = http_feed(http, NULL, 0, true, ret);
	http_free(http);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_answer whole = HTTP_ANSWER_INIT, pieces = HTTP_ANSWER_INIT;
	const char *text = (const char *)data + 1;
	int a, b;

	if (size == 0)
		return 0;
	a = http_parse(text, size - 1, &whole);
	b = feed(text, size - 1, data[0] % 64 + 1U, &pieces);
	assert(a == b && a != 0);
	if (a > 0) {
		assert(whole.status == pieces.status && whole.body.size == pieces.body.size);
		assert(memcmp(whole.body.data, pieces.body.data, whole.body.size + 1) == 0);
		assert(whole.body.size < size);
	}
	http_answer_done(&whole);
	http_answer_done(&pieces);
	return 0;
}
