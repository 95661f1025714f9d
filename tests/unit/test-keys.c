/* SPDX-License-Identifier: MIT
 *
 * A sequence of keys among others: what is passed on is what a plain search would leave.
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/keys.h"

enum { ROUNDS = 20000, TYPED = 40 };

/* Types `text` in pieces of one to `piece` bytes; what was passed on until the sequence was there, or the end. */
static size_t type(struct keys *keys, const char *text, size_t n, size_t piece, char *ret)
{
	size_t out = 0;

	for (size_t at = 0; at < n && !keys->complete;) {
		size_t length = 1 + (size_t)rand() % piece;
		char buf[TYPED + KEYS_MAX];

		length = length < n - at ? length : n - at;
		memcpy(buf, text + at, length);
		at += length;
		length = keys_pass(keys, buf, length);
		memcpy(ret + out, buf, length);
		out += length;
	}
	if (!keys->complete)
		out += keys_pass(keys, ret + out, 0);
	return out;
}

/* Few different keys, so that false beginnings overlap. */
static void it_is_found_as_by_a_search_however_it_comes(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < ROUNDS; i++) {
		struct keys keys = {.size = 1 + (size_t)rand() % 5};
		char text[TYPED], out[TYPED + KEYS_MAX];
		const char *found;
		size_t n = (size_t)rand() % sizeof(text), expected;

		for (size_t k = 0; k < keys.size; k++)
			keys.sequence[k] = (unsigned char)(rand() % 2);
		for (size_t k = 0; k < n; k++)
			text[k] = (char)(rand() % 2);
		found = memmem(text, n, keys.sequence, keys.size);
		expected = found ? (size_t)(found - text) : n;
		assert_int_equal(type(&keys, text, n, 3, out), expected);
		assert_int_equal(keys.complete, found != NULL);
		assert_memory_equal(out, text, expected);
	}
}

static void without_a_sequence_all_passes(void **state)
{
	struct keys keys = {.size = 0};
	char buf[3 + KEYS_MAX] = "abc";

	(void)state;
	assert_int_equal(keys_pass(&keys, buf, 3), 3);
	assert_memory_equal(buf, "abc", 3);
	assert_false(keys.complete);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_found_as_by_a_search_however_it_comes),
		cmocka_unit_test(without_a_sequence_all_passes),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
