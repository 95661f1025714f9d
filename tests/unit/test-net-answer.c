/* SPDX-License-Identifier: MIT
 *
 * Answers of HTTP: buffers with a limit, chunks and trailers, JSON that holds any bytes, base64.
 */
#include "unit.h"

#include <jansson.h>

#include "net/base64.h"
#include "net/chunks.h"
#include "net/reply.h"
#include "net/utf8.h"

static void assert_holds(const struct buffer *out, const char *text, size_t size)
{
	assert_int_equal(out->code, 0);
	assert_int_equal(out->size, size);
	assert_memory_equal(out->data, text, size);
}

/* --- buffers --- */

static void a_buffer_keeps_a_beginning_and_says_that_it_is_one(void **state)
{
	struct buffer buffer = {.limit = 8};

	(void)state;
	buffer_add_text(&buffer, "1234");
	buffer_print(&buffer, "%d", 5678);
	assert_int_equal(buffer.code, 0);
	buffer_add(&buffer, "", 0);
	assert_int_equal(buffer.code, 0);
	buffer_add(&buffer, "9", 1);
	assert_int_equal(buffer.code, EMSGSIZE);
	assert_int_equal(buffer.size, 8);
	buffer_reset(&buffer);
	buffer_print(&buffer, "%s", "123456789");
	assert_int_equal(buffer.size, 0);
	buffer_add_text(&buffer, "1"); /* what comes after isn't a beginning */
	assert_int_equal(buffer.size, 0);
	assert_int_equal(buffer.code, EMSGSIZE);
	buffer_done(&buffer);
	assert_int_equal(buffer.limit, 8);
	buffer_add_text(&buffer, "again");
	assert_holds(&buffer, "again", 5);
	buffer_done(&buffer);
}

/* --- chunks --- */

static void chunks_carry_bytes_and_none_ends_the_answer_early(void **state)
{
	static const char chunks[] = "3\r\na\0b\r\n10\r\n0\r\n\r\n0123456789a\r\n";
	struct buffer out = BUFFER_INIT;
	char head[CHUNK_HEAD_MAX];

	(void)state;
	chunk_add(&out, "a\0b", 3);
	chunk_add(&out, "", 0);
	chunk_add(&out, "0\r\n\r\n0123456789a", 16);
	assert_holds(&out, chunks, sizeof(chunks) - 1);
	buffer_done(&out);
	assert_int_equal(chunk_head(SIZE_MAX, head), 18);
	assert_string_equal(head, "ffffffffffffffff\r\n");
	assert_int_equal(chunk_head(0, head), 0);
}

static void the_trailer_says_how_it_ended(void **state)
{
	static const struct {
		struct outcome outcome;
		const char *text;
	} ends[] = {
		{{.exit_code = 0}, "0\r\nExit-Code: 0\r\n\r\n"},
		{{.exit_code = 7, .truncated = true},
		 "0\r\nExit-Code: 7\r\nTruncated: true\r\n\r\n"},
		{{.exit_code = 143, .signal = SIGTERM},
		 "0\r\nExit-Code: 143\r\nSignal: TERM\r\n\r\n"},
		{{.exit_code = 125, .failure = "x\r\nSet-Cookie: y"},
		 "0\r\nExit-Code: 125\r\n\r\n"},
		{{.exit_code = INT32_MIN, .signal = INT32_MIN, .truncated = true},
		 "0\r\nExit-Code: -2147483648\r\nSignal: -2147483648\r\nTruncated: true\r\n\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(ends); i++) {
		struct buffer out = BUFFER_INIT;

		chunks_add_end(&out, &ends[i].outcome);
		assert_holds(&out, ends[i].text, strlen(ends[i].text));
		assert_true(out.size <= CHUNKS_END_MAX);
		buffer_done(&out);
	}
}

/* --- UTF-8 and JSON --- */

#define FFFD "\xef\xbf\xbd"

static const struct {
	const char *bytes;
	size_t size;
	const char *utf8, *ascii; /* without the quotes */
} strings[] = {
	{"", 0, "", ""},
	{"a/b", 3, "a/b", "a/b"},
	{"\"\\\b\f\n\r\t", 7, "\\\"\\\\\\b\\f\\n\\r\\t", "\\\"\\\\\\b\\f\\n\\r\\t"},
	{"a\0b", 3, "a\\u0000b", "a\\u0000b"},
	{"\033\x1f\x7f", 3, "\\u001b\\u001f\\u007f", "\\u001b\\u001f\\u007f"},
	{"\xc3\xa9", 2, "\xc3\xa9", "\\u00e9"},
	{"\xe2\x82\xac", 3, "\xe2\x82\xac", "\\u20ac"},
	{"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80", "\\ud83d\\ude00"},
	{"\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf", "\\udbff\\udfff"},
	/* What isn't UTF-8: the table of Unicode 15, 3.9, and each kind of fault. */
	{"\xff", 1, FFFD, "\\ufffd"},
	{"a\x80z", 3, "a" FFFD "z", "a\\ufffdz"},
	{"\xc3", 1, FFFD, "\\ufffd"},
	{"\xc3z", 2, FFFD "z", "\\ufffdz"},
	{"\xe2\x82", 2, FFFD, "\\ufffd"},
	{"\xe2\x82z", 3, FFFD "z", "\\ufffdz"},
	{"\xf0\x9f\x98", 3, FFFD, "\\ufffd"},
	{"\xc0\xaf", 2, FFFD FFFD, "\\ufffd\\ufffd"},
	{"\xe0\x80\xaf", 3, FFFD FFFD FFFD, "\\ufffd\\ufffd\\ufffd"},
	{"\xed\xa0\x80", 3, FFFD FFFD FFFD, "\\ufffd\\ufffd\\ufffd"},
	{"\xf4\x90\x80\x80", 4, FFFD FFFD FFFD FFFD, "\\ufffd\\ufffd\\ufffd\\ufffd"},
	{"\xf0\x80\x80\x41", 4, FFFD FFFD FFFD "A", "\\ufffd\\ufffd\\ufffdA"},
	{"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", 9, FFFD FFFD FFFD FFFD "A",
	 "\\ufffd\\ufffd\\ufffd\\ufffdA"},
};

static void any_bytes_become_a_json_string(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(strings); i++) {
		_cleanup_free_ char *own = malloc(strings[i].size + 1);
		struct buffer out = BUFFER_INIT, wanted = BUFFER_INIT;

		assert_non_null(own);
		memcpy(own, strings[i].bytes, strings[i].size);
		json_add_string(&out, own, strings[i].size, JSON_UTF8);
		buffer_print(&wanted, "\"%s\"", strings[i].utf8);
		assert_holds(&out, wanted.data, wanted.size);
		buffer_reset(&out);
		buffer_reset(&wanted);
		json_add_string(&out, own, strings[i].size, JSON_ASCII);
		buffer_print(&wanted, "\"%s\"", strings[i].ascii);
		assert_holds(&out, wanted.data, wanted.size);
		assert_int_equal(utf8_is_valid(own, strings[i].size),
				 !strstr(strings[i].utf8, FFFD));
		buffer_done(&out);
		buffer_done(&wanted);
	}
}

/* All sequences of three bytes out of those at the borders: jansson must take what comes out, and say the same of what goes in. */
static void jansson_agrees_on_what_is_utf8(void **state)
{
	static const char bytes[] =
		"A\x7f\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf3\xf4\xf5\xff";
	const size_t n = sizeof(bytes) - 1;

	(void)state;
	for (size_t i = 0; i < n * n * n * n; i++) {
		const char text[] = {bytes[i % n], bytes[i / n % n], bytes[i / n / n % n],
				     bytes[i / n / n / n]};
		struct buffer out = BUFFER_INIT;
		json_t *given = json_stringn(text, 4), *taken;

		assert_int_equal(given != NULL, utf8_is_valid(text, 4));
		json_decref(given);
		if (i % 16)
			continue;
		json_add_string(&out, text, 4, i % 32 ? JSON_UTF8 : JSON_ASCII);
		taken = json_loadb(out.data, out.size, JSON_DECODE_ANY, NULL);
		assert_non_null(taken);
		json_decref(taken);
		buffer_done(&out);
	}
}

static void a_cut_goes_between_characters(void **state)
{
	static const char text[] = "a\xc3\xa9\xf0\x9f\x98\x80z";

	(void)state;
	assert_int_equal(utf8_cut(text, 8, 8), 8);
	assert_int_equal(utf8_cut(text, 8, 100), 8);
	assert_int_equal(utf8_cut(text, 8, 7), 7);
	for (size_t limit = 3; limit < 7; limit++)
		assert_int_equal(utf8_cut(text, 8, limit), 3);
	assert_int_equal(utf8_cut(text, 8, 2), 1);
	assert_int_equal(utf8_cut(text, 8, 0), 0);
	assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80\x80\x80\x80", 8, 6), 6);
}

/* --- base64 --- */

static void base64_is_what_rfc_4648_has(void **state)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(pairs); i++) {
		struct buffer out = BUFFER_INIT;
		char back[16];
		size_t size;

		base64_add(&out, pairs[i][0], strlen(pairs[i][0]));
		assert_holds(&out, pairs[i][1], strlen(pairs[i][1]));
		assert_int_equal(base64_decode(BASE64_PLAIN, pairs[i][1], strlen(pairs[i][1]), back,
					       &size),
				 0);
		assert_int_equal(size, strlen(pairs[i][0]));
		assert_memory_equal(back, pairs[i][0], size);
		buffer_done(&out);
	}
}

static void no_two_texts_of_base64_mean_the_same(void **state)
{
	static const struct {
		enum base64_alphabet alphabet;
		const char *text;
		int r;
	} texts[] = {
		{BASE64_URL, "", 0},
		{BASE64_URL, "AA", 0},
		{BASE64_URL, "AAA", 0},
		{BASE64_URL, "-_-_", 0},
		{BASE64_URL, "A", -EINVAL},
		{BASE64_URL, "AAAAA", -EINVAL},
		{BASE64_URL, "AA==", -EINVAL},
		{BASE64_URL, "AB", -EINVAL},
		{BASE64_URL, "AAB", -EINVAL},
		{BASE64_URL, "+/+/", -EINVAL},
		{BASE64_PLAIN, "AA==", 0},
		{BASE64_PLAIN, "AA", -EINVAL},
		{BASE64_PLAIN, "A===", -EINVAL},
		{BASE64_PLAIN, "====", -EINVAL},
		{BASE64_PLAIN, "=AAA", -EINVAL},
		{BASE64_PLAIN, "AAA=AAA=", -EINVAL},
		{BASE64_PLAIN, "AAA\n", -EINVAL},
		{BASE64_PLAIN, "AAAA\n", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(texts); i++) {
		char back[16];
		size_t size;

		assert_int_equal(base64_decode(texts[i].alphabet, texts[i].text,
					       strlen(texts[i].text), back, &size),
				 texts[i].r);
	}
}

static void every_byte_comes_back_from_base64(void **state)
{
	char bytes[256], back[BASE64_DECODED_MAX(344)];
	struct buffer out = BUFFER_INIT;
	size_t size;

	(void)state;
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	base64_add(&out, bytes, sizeof(bytes));
	assert_int_equal(out.size, 344);
	assert_int_equal(base64_decode(BASE64_PLAIN, out.data, out.size, back, &size), 0);
	assert_int_equal(size, sizeof(bytes));
	assert_memory_equal(back, bytes, size);
	buffer_done(&out);
}

/* --- the JSON answer --- */

static void assert_answer(const struct reply *reply, const char *json)
{
	struct buffer out = BUFFER_INIT;
	json_t *parsed;

	reply_add(&out, reply);
	assert_holds(&out, json, strlen(json));
	assert_true(out.size <= REPLY_SIZE_MAX(reply->output_size + reply->errors_size));
	parsed = json_loadb(out.data, out.size, JSON_ALLOW_NUL, NULL);
	assert_non_null(parsed);
	json_decref(parsed);
	buffer_done(&out);
}

static void the_answer_has_all_that_is_known(void **state)
{
	(void)state;
	assert_answer(&(struct reply){.output = "a\n", .output_size = 2, .duration_ms = 12},
		      "{\"stdout\":\"a\\n\",\"stderr\":\"\",\"exit_code\":0,\"duration_ms\":12,"
		      "\"truncated\":false}\n");
	assert_answer(&(struct reply){.errors = "e",
				      .errors_size = 1,
				      .outcome = {.exit_code = 137,
						  .signal = SIGKILL,
						  .truncated = true}},
		      "{\"stdout\":\"\",\"stderr\":\"e\",\"signal\":\"KILL\",\"duration_ms\":0,"
		      "\"truncated\":true}\n");
	assert_answer(&(struct reply){.output = "a\xff\0",
				      .output_size = 3,
				      .errors = "\xc3",
				      .errors_size = 1,
				      .outcome = {.exit_code = 1}},
		      "{\"stdout\":\"a" FFFD
		      "\\u0000\",\"stdout_base64\":\"Yf8A\",\"stderr\":\"" FFFD
		      "\",\"stderr_base64\":\"ww==\",\"exit_code\":1,\"duration_ms\":0,"
		      "\"truncated\":false}\n");
}

static void the_longest_answer_is_foreseen(void **state)
{
	enum { SIZE = 10000 };
	_cleanup_free_ char *bytes = malloc(SIZE);
	struct buffer out = {.limit = REPLY_SIZE_MAX(2 * SIZE)};
	struct reply reply = {.output = bytes,
			      .output_size = SIZE,
			      .errors = bytes,
			      .errors_size = SIZE,
			      .duration_ms = INT64_MAX,
			      .outcome = {.signal = SIGVTALRM, .truncated = true}};

	(void)state;
	assert_non_null(bytes);
	memset(bytes, '\1', SIZE);
	bytes[0] = '\xff';
	reply_add(&out, &reply);
	assert_int_equal(out.code, 0);
	assert_true(out.size > 2 * SIZE * 7);
	buffer_done(&out);
}

static void an_error_is_an_object_too(void **state)
{
	struct buffer out = BUFFER_INIT;

	(void)state;
	reply_add_error(&out, "no \"x\"");
	assert_holds(&out, "{\"error\":\"no \\\"x\\\"\"}\n", 21);
	buffer_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_keeps_a_beginning_and_says_that_it_is_one),
		cmocka_unit_test(chunks_carry_bytes_and_none_ends_the_answer_early),
		cmocka_unit_test(the_trailer_says_how_it_ended),
		cmocka_unit_test(any_bytes_become_a_json_string),
		cmocka_unit_test(jansson_agrees_on_what_is_utf8),
		cmocka_unit_test(a_cut_goes_between_characters),
		cmocka_unit_test(base64_is_what_rfc_4648_has),
		cmocka_unit_test(no_two_texts_of_base64_mean_the_same),
		cmocka_unit_test(every_byte_comes_back_from_base64),
		cmocka_unit_test(the_answer_has_all_that_is_known),
		cmocka_unit_test(the_longest_answer_is_foreseen),
		cmocka_unit_test(an_error_is_an_object_too),
	};

	return cmocka_run_group_tests_name("net-answer", tests, NULL, NULL);
}
