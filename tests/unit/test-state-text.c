/* SPDX-License-Identifier: MIT
 *
 * libcontainer's state.json by the quick reader, with the parser as the measure of what it says.
 */
#include "unit.h"

#include "engine/json.h"
#include "engine/state_text.h"

static int scan(const char *text, struct state_text *ret)
{
	/* Exactly as big as the text, so that a read beyond it is noticed by a sanitizer. */
	size_t size = strlen(text);
	_cleanup_free_ char *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, text, size);
	return state_text_scan(copy, size, ret);
}

static void what_counts_is_found_among_all_else(void **state)
{
	static const char *const texts[] = {
		"{\"id\":\"web\",\"init_process_pid\":4711,\"init_process_start\":18446744073709551615,"
		"\"created\":\"2026-11-22T12:04:32.966907713Z\",\"config\":{\"no_pivot_root\":false,"
		"\"rlimits\":[{\"hard\":18446744073709551615,\"soft\":-1.5e+3}],"
		"\"seccomp\":{\"syscalls\":[{\"name\":\"bundle=/no\",\"args\":null},[[]],{}]},"
		"\"labels\":[\"x=\\u003c\\\"\\\\\",\"\",\"b\",\"bundle=/run/web\",\"bundle=/no\"]},"
		"\"rootless\":false}",
		" {\n\t\"config\" : { \"labels\" : [ \"bundle=/run/web\" ] , \"x\" : \"}\\\"]\" } ,\r\n"
		"\"init_process_start\" : 18446744073709551615 , \"init_process_pid\" : 4711 } \n",
		"{\"config\":{\"config\":{\"labels\":[\"bundle=/no\"]},\"labels\":[\"bundle=/run/web\"],"
		"\"init_process_pid\":1},\"x\":{\"init_process_pid\":2},\"y\":[{\"init_process_pid\":3}],"
		"\"init_process_pid\":4711,\"init_process_start\":18446744073709551615,"
		"\"z\":\"\\\"init_process_pid\\\":5,\"}",
	};
	struct state_text found;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(texts); i++) {
		if (scan(texts[i], &found) < 0)
			fail_msg("text %zu isn't understood", i);
		assert_int_equal(found.pid, 4711);
		assert_true(found.start == UINT64_MAX);
		assert_string_equal(found.bundle, "/run/web");
	}
}

#define PROCESS "\"init_process_pid\":1,\"init_process_start\":2"

static void without_a_bundle_it_is_empty(void **state)
{
	static const char *const texts[] = {
		"{" PROCESS "}",
		"{" PROCESS ",\"config\":{}}",
		"{" PROCESS ",\"config\":{\"labels\":[]}}",
		"{" PROCESS ",\"config\":{\"labels\":[\"bundle\",\"Bundle=/x\",\" bundle=/x\"]}}",
		"{" PROCESS ",\"labels\":[\"bundle=/x\"]}",
	};
	struct state_text found;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(texts); i++) {
		assert_int_equal(scan(texts[i], &found), 0);
		assert_string_equal(found.bundle, "");
	}
}

/* What the quick reader leaves to the parser, and the parser finds. */
static void unusual_texts_are_parsed(void **state)
{
	static const char *const texts[] = {
		"{" PROCESS ",\"config\":{\"labels\":[\"bundle=\\u002frun/web\"]}}",
		"{" PROCESS ",\"config\":{\"labels\":[\"\\u0062undle=/run/web\"]}}",
		"{" PROCESS ",\"config\":{\"l\\u0061bels\":[\"bundle=/run/web\"]}}",
		"{" PROCESS ",\"confi\\u0067\":{\"labels\":[\"bundle=/run/web\"]}}",
		"{" PROCESS ",\"config\":{\"labels\":[1,\"bundle=/run/web\"]}}",
	};
	struct state_text found;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(texts); i++) {
		assert_int_equal(scan(texts[i], &found), -EINVAL);
		assert_int_equal(state_text_read(texts[i], strlen(texts[i]), &found), 0);
		assert_int_equal(found.pid, 1);
		assert_int_equal(found.start, 2);
		assert_string_equal(found.bundle, "/run/web");
	}
}

static void what_tells_no_process_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"{}",
		"[]",
		"null",
		"\"" PROCESS "\"",
		"{\"x\":{" PROCESS "}}",
		"[{" PROCESS "}]",
		"{\"init_process_pid\":1}",
		"{\"init_process_start\":1}",
		"{\"init_process_pid\":\"1\",\"init_process_start\":2}",
		"{\"init_process_pid\":-1.5,\"init_process_start\":2}",
		"{\"init_process_pid\":01,\"init_process_start\":2}",
		"{\"init_process_pid\":1.5,\"init_process_start\":2}",
		"{\"init_process_pid\":1e2,\"init_process_start\":2}",
		"{\"init_process_pid\":18446744073709551616,\"init_process_start\":2}",
		"{\"init_process_pid\":null,\"init_process_start\":2}",
		"{\"init_process_pid\":,\"init_process_start\":2}",
		"{" PROCESS,
		"{" PROCESS "}x",
		"{" PROCESS "}{}",
		"{" PROCESS ",}",
		"{" PROCESS ",\"x\"}",
		"{" PROCESS ",\"x\":}",
		"{" PROCESS ",\"x\":\"}",
		"{" PROCESS ",\"x\":\"\\\"}",
		"{" PROCESS ",\"x\":\"\n\"}",
		"{" PROCESS ",\"x\":[}]}",
		"{" PROCESS ",\"x\":{]}",
		"{" PROCESS ",\"x\":[\"]}",
		"{" PROCESS "]",
	};
	struct state_text found;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(texts); i++)
		if (scan(texts[i], &found) != -EINVAL ||
		    state_text_read(texts[i], strlen(texts[i]), &found) != -EINVAL)
			fail_msg("%s is taken", texts[i]);
}

static void a_nul_is_no_end(void **state)
{
	static const char text[] = "{" PROCESS ",\"x\":\"\0\"}", behind[] = "{" PROCESS "}\0";
	struct state_text found;

	(void)state;
	assert_int_equal(state_text_scan(text, sizeof(text) - 1, &found), -EINVAL);
	assert_int_equal(state_text_scan(behind, sizeof(behind) - 1, &found), -EINVAL);
}

/* No stack is needed for what is nested, and there's an end to it. */
static void depth_has_a_bound(void **state)
{
	enum { DEEP = 64, TOO_DEEP = 500000 };
	static char text[2 * TOO_DEEP + 128];
	struct state_text found;

	(void)state;
	for (int depth = 1; depth <= TOO_DEEP; depth = depth == DEEP ? DEEP + 1 : depth + 1) {
		size_t n = (size_t)snprintf(text, sizeof(text), "{" PROCESS ",\"x\":");

		if (depth > DEEP + 1)
			depth = TOO_DEEP;
		memset(text + n, '[', (size_t)depth);
		memset(text + n + depth, ']', (size_t)depth);
		text[n + 2 * (size_t)depth] = '}';
		assert_int_equal(state_text_scan(text, n + 2 * (size_t)depth + 1, &found),
				 depth <= DEEP ? 0 : -EINVAL);
	}
}

static void a_bundle_longer_than_any_path_is_refused(void **state)
{
	char text[PATH_MAX + 256], path[PATH_MAX + 1];
	struct state_text found;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[PATH_MAX - 1] = '\0';
	(void)snprintf(text, sizeof(text), "{" PROCESS ",\"config\":{\"labels\":[\"bundle=%s\"]}}",
		       path);
	assert_int_equal(scan(text, &found), 0);
	assert_string_equal(found.bundle, path);
	path[PATH_MAX - 1] = 'a';
	path[PATH_MAX] = '\0';
	(void)snprintf(text, sizeof(text), "{" PROCESS ",\"config\":{\"labels\":[\"bundle=%s\"]}}",
		       path);
	assert_int_equal(state_text_read(text, strlen(text), &found), -EINVAL);
}

/* However it's cut off, a part of a record is none: it may be being written. */
static void no_part_of_a_record_is_one(void **state)
{
	static const char text[] = "{\"id\":\"a\\\"b\"," PROCESS
				   ",\"config\":{\"a\":[true,-1.5,{}],"
				   "\"labels\":[\"x\",\"bundle=/b\"]},\"y\":null}";
	struct state_text found;
	size_t size = strlen(text);

	(void)state;
	assert_int_equal(state_text_scan(text, size, &found), 0);
	for (size_t n = 0; n < size; n++) {
		_cleanup_free_ char *part = malloc(n + 1);

		assert_non_null(part);
		memcpy(part, text, n);
		assert_int_equal(state_text_scan(part, n, &found), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_counts_is_found_among_all_else),
		cmocka_unit_test(without_a_bundle_it_is_empty),
		cmocka_unit_test(unusual_texts_are_parsed),
		cmocka_unit_test(what_tells_no_process_is_refused),
		cmocka_unit_test(a_nul_is_no_end),
		cmocka_unit_test(depth_has_a_bound),
		cmocka_unit_test(a_bundle_longer_than_any_path_is_refused),
		cmocka_unit_test(no_part_of_a_record_is_one),
	};

	return cmocka_run_group_tests_name("state-text", tests, NULL, NULL);
}
