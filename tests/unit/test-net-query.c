/* SPDX-License-Identifier: MIT
 *
 * Query strings: which keys and values they hold, and what is refused.
 */
#include "unit.h"

#include "net/query.h"

static void assert_items(const char *text, const char *const *items)
{
	struct query query = QUERY_INIT;
	size_t n = 0;

	assert_int_equal(query_parse(text, strlen(text), &query, NULL), 0);
	for (; items[2 * n]; n++) {
		assert_true(n < query.n);
		assert_string_equal(query.items[n].key, items[2 * n]);
		assert_string_equal(query.items[n].value, items[2 * n + 1]);
	}
	assert_int_equal(query.n, n);
	query_done(&query);
}

#define ITEMS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void keys_come_in_their_order_decoded(void **state)
{
	(void)state;
	assert_items("", ITEMS(NULL));
	assert_items("&", ITEMS(NULL));
	assert_items("a=1", ITEMS("a", "1"));
	assert_items("a=1&a=2&b=&c", ITEMS("a", "1", "a", "2", "b", "", "c", ""));
	assert_items("&&a=1&&b=2&", ITEMS("a", "1", "b", "2"));
	assert_items("a=b=c", ITEMS("a", "b=c"));
	assert_items("command=ls+-l&command=%2Fa%20b",
		     ITEMS("command", "ls -l", "command", "/a b"));
	assert_items("%61%3d=%26%2b%25", ITEMS("a=", "&+%"));
	assert_items("a=%c3%A9%ff%0a", ITEMS("a", "\xc3\xa9\xff\n"));
	assert_items("a=;b=2", ITEMS("a", ";b=2"));
	assert_items("a=x#y?z", ITEMS("a", "x#y?z"));
}

static void what_cannot_be_decoded_is_refused(void **state)
{
	static const struct {
		const char *text, *word;
	} bad[] = {
		{"a=%", "%"},	   {"a=%4", "%"},    {"a=%4g", "%"},	{"a=%g4", "%"},
		{"%=1", "%"},	   {"a=%%41", "%"},  {"a=%+1", "%"},	{"a=%-1", "%"},
		{"a=%0x", "%"},	   {"a=%00", "NUL"}, {"%00=a", "NUL"},	{"=1", "key"},
		{"a=1&=2", "key"}, {"=", "key"},     {"a=%4&b=1", "%"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(bad); i++) {
		struct query query = QUERY_INIT;
		struct cj_error err = CJ_ERROR_INIT;

		if (query_parse(bad[i].text, strlen(bad[i].text), &query, &err) != -EINVAL)
			fail_msg("%s was taken", bad[i].text);
		assert_names(&err, bad[i].word);
		assert_null(query.items);
	}
	assert_int_equal(query_parse("a=\0b", 4, &(struct query)QUERY_INIT, NULL), -EINVAL);
	/* What lies behind it isn't looked at. */
	assert_int_equal(query_parse("a=%41", 4, &(struct query)QUERY_INIT, NULL), -EINVAL);
}

static void number_and_size_have_limits(void **state)
{
	char *text = malloc(QUERY_SIZE_MAX + 1);
	struct query query = QUERY_INIT;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < QUERY_ITEMS_MAX + 1; i++)
		memcpy(text + 2 * i, "a&", 2);
	assert_int_equal(query_parse(text, 2 * QUERY_ITEMS_MAX, &query, NULL), 0);
	assert_int_equal(query.n, QUERY_ITEMS_MAX);
	query_done(&query);
	assert_int_equal(query_parse(text, 2 * QUERY_ITEMS_MAX + 1, &query, NULL), -E2BIG);
	memset(text, '&', QUERY_SIZE_MAX + 1); /* empty ones don't count */
	assert_int_equal(query_parse(text, QUERY_SIZE_MAX, &query, NULL), 0);
	query_done(&query);
	memset(text, 'x', QUERY_SIZE_MAX + 1);
	assert_int_equal(query_parse(text, QUERY_SIZE_MAX, &query, NULL), 0);
	assert_int_equal(strlen(query.items[0].key), QUERY_SIZE_MAX);
	query_done(&query);
	assert_int_equal(query_parse(text, QUERY_SIZE_MAX + 1, &query, NULL), -E2BIG);
	free(text);
}

static void a_key_is_looked_up_once_or_as_often_as_it_is_there(void **state)
{
	static const char text[] = "command=ls&tty=1&command=-l&commands=x&Command=y";
	struct query query = QUERY_INIT;
	size_t at = 0;

	(void)state;
	assert_int_equal(query_parse(text, strlen(text), &query, NULL), 0);
	assert_string_equal(query_get(&query, "command"), "ls");
	assert_null(query_get(&query, "comman"));
	assert_string_equal(query_next(&query, "command", &at), "ls");
	assert_string_equal(query_next(&query, "command", &at), "-l");
	assert_null(query_next(&query, "command", &at));
	assert_null(query_next(&query, "command", &at));
	query_done(&query);
	assert_null(query_get(&query, "command"));
}

static void a_flag_is_true_false_or_not_there(void **state)
{
	static const struct {
		const char *text;
		int r;
		bool value;
	} flags[] = {
		{"", 0, false},
		{"tty=true", 0, true},
		{"tty=1", 0, true},
		{"tty=True", 0, true},
		{"tty=false", 0, false},
		{"tty=0", 0, false},
		{"tty=False", 0, false},
		{"tty=", -EINVAL, false},
		{"tty", -EINVAL, false},
		{"tty=yes", -EINVAL, false},
		{"tty=2", -EINVAL, false},
		{"tty=01", -EINVAL, false},
		{"tty=true ", -EINVAL, false},
		{"tty=1&tty=1", -EINVAL, false},
		{"tty=0&x=1&tty=1", -EINVAL, false},
		{"TTY=1", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(flags); i++) {
		struct query query = QUERY_INIT;
		struct cj_error err = CJ_ERROR_INIT;
		bool value = !flags[i].value;

		assert_int_equal(query_parse(flags[i].text, strlen(flags[i].text), &query, NULL),
				 0);
		assert_int_equal(query_flag(&query, "tty", &value, &err), flags[i].r);
		if (flags[i].r == 0)
			assert_int_equal(value, flags[i].value);
		else
			assert_names(&err, "tty");
		query_done(&query);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_come_in_their_order_decoded),
		cmocka_unit_test(what_cannot_be_decoded_is_refused),
		cmocka_unit_test(number_and_size_have_limits),
		cmocka_unit_test(a_key_is_looked_up_once_or_as_often_as_it_is_there),
		cmocka_unit_test(a_flag_is_true_false_or_not_there),
	};

	return cmocka_run_group_tests_name("net-query", tests, NULL, NULL);
}
