/* SPDX-License-Identifier: MIT
 *
 * Requests of HTTP/1.1 as they come in: whole, in pieces, several at once, and what is refused.
 */
#include "net/http.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum { BODY_LIMIT = 100 };

/* Of bytes that come `step` at a time; stops where there is nothing more to do. Returns how many were taken. */
static size_t feed(struct http_reader *reader, const char *text, size_t size, size_t step)
{
	size_t at = 0;

	while (at < size && reader->progress != HTTP_WHOLE && reader->progress != HTTP_BAD) {
		size_t n = size - at < step ? size - at : step;

		at += http_read(reader, text + at, n);
		if (reader->progress == HTTP_HAS_HEAD)
			http_read_body(reader);
	}
	return at;
}

static const char whole[] = "POST /v1/popen?a=b%20c HTTP/1.1\r\n"
			    "Host: x\r\n"
			    "Accept: text/plain, application/json;q=0.9\r\n"
			    "X-Empty:\r\n"
			    "Content-Length: 5\r\n"
			    "\r\n"
			    "hello";

static void check_whole(const struct http_reader *reader)
{
	assert_int_equal(reader->progress, HTTP_WHOLE);
	assert_int_equal(http_method_of(reader), HTTP_POST);
	assert_string_equal(http_target(reader), "/v1/popen?a=b%20c");
	assert_string_equal(http_header(reader, "HOST", NULL), "x");
	assert_string_equal(http_header(reader, "x-empty", NULL), "");
	assert_null(http_header(reader, "none", NULL));
	assert_true(http_header_has(reader, "accept", "application/json"));
	assert_false(http_header_has(reader, "accept", "application"));
	assert_int_equal(reader->body.size, 5);
	assert_memory_equal(reader->body.data, "hello", 5);
	assert_true(http_keeps_alive(reader));
}

static void a_request_is_read_however_it_comes(void **state)
{
	struct http_reader reader;

	(void)state;
	http_reader_init(&reader, BODY_LIMIT);
	for (size_t step = 1; step <= sizeof(whole); step++) {
		assert_int_equal(feed(&reader, whole, strlen(whole), step), strlen(whole));
		check_whole(&reader);
		http_reader_reset(&reader);
	}
	http_reader_done(&reader);
}

static void the_next_one_is_left(void **state)
{
	char twice[2 * sizeof(whole)];
	struct http_reader reader;
	size_t n;

	(void)state;
	(void)snprintf(twice, sizeof(twice), "%s%s", whole, whole);
	http_reader_init(&reader, BODY_LIMIT);
	for (size_t step = 1; step <= strlen(twice); step += 7) {
		n = feed(&reader, twice, strlen(twice), step);
		assert_int_equal(n, strlen(whole));
		check_whole(&reader);
		http_reader_reset(&reader);
		assert_int_equal(feed(&reader, twice + n, strlen(twice) - n, step), strlen(whole));
		check_whole(&reader);
		http_reader_reset(&reader);
	}
	http_reader_done(&reader);
}

static void chunks_are_put_together(void **state)
{
	static const char text[] =
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\nGET ";
	struct http_reader reader;

	(void)state;
	http_reader_init(&reader, BODY_LIMIT);
	for (size_t step = 1; step < sizeof(text); step++) {
		assert_int_equal(feed(&reader, text, strlen(text), step), strlen(text) - 4);
		assert_int_equal(reader.progress, HTTP_WHOLE);
		assert_int_equal(reader.body.size, 13);
		assert_memory_equal(reader.body.data, "abc0123456789", 13);
		http_reader_reset(&reader);
	}
	http_reader_done(&reader);
}

static void without_a_body_it_ends_with_the_head(void **state)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
		"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /exec HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
	};
	struct http_reader reader;

	(void)state;
	http_reader_init(&reader, BODY_LIMIT);
	for (size_t i = 0; i < ELEMENTS(texts); i++)
		for (size_t step = 1; step < 100; step += 13) {
			assert_int_equal(feed(&reader, texts[i], strlen(texts[i]), step),
					 strlen(texts[i]));
			assert_int_equal(reader.progress, HTTP_WHOLE);
			assert_int_equal(reader.body.size, 0);
			http_reader_reset(&reader);
		}
	http_reader_done(&reader);
}

static void whether_it_stays_open(void **state)
{
	static const struct {
		const char *text;
		bool stays;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n", false},
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
	};
	struct http_reader reader;

	(void)state;
	http_reader_init(&reader, BODY_LIMIT);
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		(void)feed(&reader, cases[i].text, strlen(cases[i].text), 1000);
		assert_int_equal(reader.progress, HTTP_WHOLE);
		assert_int_equal(http_keeps_alive(&reader), cases[i].stays);
		http_reader_reset(&reader);
	}
	http_reader_done(&reader);
}

#define HEAD "POST / HTTP/1.1\r\nHost: x\r\n"

static void what_is_refused_and_how(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{"nonsense\r\n\r\n", 400},
		{"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
		{"GET / HTTP/1.1\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
		{HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
		{HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
		{HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{HEAD "Transfer-Encoding: gzip\r\n\r\n", 501},
		{HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
		{HEAD "Content-Length: 5x\r\n\r\nhello", 400},
		{HEAD "Content-Length: -5\r\n\r\nhello", 400},
		{HEAD "Content-Length: 99999999999999999999999\r\n\r\nhello", 400},
		{HEAD "Content-Length: 101\r\n\r\n", 413},
		{HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		{HEAD "Expect: something\r\n\r\n", 417},
		{HEAD "X: a\x01"
		      "b\r\n\r\n",
		 400},
		{HEAD "X : a\r\n\r\n", 400},
		{HEAD " folded\r\n\r\n", 400},
		{"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
	};
	struct http_reader reader;

	(void)state;
	http_reader_init(&reader, BODY_LIMIT);
	for (size_t i = 0; i < ELEMENTS(cases); i++)
		for (size_t step = 1; step < 200; step += 17) {
			(void)feed(&reader, cases[i].text, strlen(cases[i].text), step);
			if (reader.progress != HTTP_BAD || reader.status != cases[i].status)
				print_error("%s: %d %d %s\n", cases[i].text, reader.progress,
					    reader.status, reader.why ? reader.why : "");
			assert_int_equal(reader.progress, HTTP_BAD);
			assert_int_equal(reader.status, cases[i].status);
			assert_non_null(reader.why);
			assert_int_equal(http_read(&reader, "x", 1), 0);
			http_reader_reset(&reader);
		}
	http_reader_done(&reader);
}

static char *made_of(const char *before, char filler, size_t n, const char *after)
{
	char *text = malloc(strlen(before) + n + strlen(after) + 1);

	assert_non_null(text);
	memcpy(text, before, strlen(before));
	memset(text + strlen(before), filler, n);
	memcpy(text + strlen(before) + n, after, strlen(after) + 1);
	return text;
}

static void lengths_are_bounded(void **state)
{
	static const char many[] = "GET / HTTP/1.1\r\nHost: x\r\n";
	struct http_reader reader;
	char *text, *headers;

	(void)state;
	http_reader_init(&reader, BODY_LIMIT);
	text = made_of("GET /", 'a', HTTP_TARGET_MAX, " HTTP/1.1\r\nHost: x\r\n\r\n");
	(void)feed(&reader, text, strlen(text), 1000);
	assert_int_equal(reader.status, 414);
	http_reader_reset(&reader);
	free(text);
	text = made_of("GET / HTTP/1.1\r\nHost: x\r\nX: ", 'a', HTTP_HEAD_MAX, "\r\n\r\n");
	(void)feed(&reader, text, strlen(text), 1000);
	assert_int_equal(reader.status, 431);
	http_reader_reset(&reader);
	free(text);
	headers = malloc(sizeof(many) + HTTP_HEADERS_MAX * 8 + 8);
	assert_non_null(headers);
	memcpy(headers, many, sizeof(many));
	for (size_t i = 0, at = strlen(many); i < HTTP_HEADERS_MAX; i++, at += 6)
		memcpy(headers + at, "a: b\r\n", 7);
	(void)feed(&reader, headers, strlen(headers), 1000);
	assert_int_equal(reader.status, 431);
	http_reader_reset(&reader);
	free(headers);
	text = made_of(HEAD "Transfer-Encoding: chunked\r\n\r\n65\r\n", 'a', BODY_LIMIT + 1,
		       "\r\n0\r\n\r\n");
	(void)feed(&reader, text, strlen(text), 10);
	assert_int_equal(reader.status, 413);
	free(text);
	http_reader_done(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_read_however_it_comes),
		cmocka_unit_test(the_next_one_is_left),
		cmocka_unit_test(chunks_are_put_together),
		cmocka_unit_test(without_a_body_it_ends_with_the_head),
		cmocka_unit_test(whether_it_stays_open),
		cmocka_unit_test(what_is_refused_and_how),
		cmocka_unit_test(lengths_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
