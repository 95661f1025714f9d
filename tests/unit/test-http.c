/* SPDX-License-Identifier: MIT
 *
 * HTTP answers: whole, in pieces, hostile. Over sockets: tests/integration/test_engine_hostile.py.
 */
#include "unit.h"

#include <poll.h>
#include <sys/socket.h>

#include "engine/http.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

/* Feeds it in pieces of `step` bytes. */
static int feed(const char *text, size_t size, size_t step, struct http_answer *ret)
{
	struct http *http;
	int r;

	assert_int_equal(http_new("/", &http), 0);
	r = 0;
	for (size_t at = 0; r == 0 && at < size; at += step)
		r = http_feed(http, text + at, size - at < step ? size - at : step, false, ret);
	if (r == 0)
		r = http_feed(http, NULL, 0, true, ret);
	http_free(http);
	return r;
}

struct sample {
	const char *text;
	int result, status;
	const char *body;
};

static const struct sample samples[] = {
	{OK "Content-Length: 5\r\n\r\nhello", 1, 200, "hello"},
	{OK "content-length:5 \r\n\r\nhello and more", 1, 200, "hello"},
	{OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 1, 200, "hello"},
	{OK "Content-Length: 0\r\n\r\n", 1, 200, ""},
	{"HTTP/1.0 404 Not Found\r\n\r\nto the end", 1, 404, "to the end"},
	{"HTTP/1.0 500\r\n\r\n", 1, 500, ""},
	{"HTTP/1.0 200 OK\n\nbare newlines", 1, 200, "bare newlines"},
	{"HTTP/1.1 204 No Content\r\n\r\nnot a body", 1, 204, ""},
	{CHUNKED "5\r\nhello\r\n0\r\n\r\n", 1, 200, "hello"},
	{CHUNKED "2\r\nhe\r\n3 ;a=b;c=\"d\"\r\nllo\r\n00\r\nX: trailer\r\n\r\n", 1, 200, "hello"},
	{CHUNKED "A\r\n0123456789\r\n0\r\n\r\n", 1, 200, "0123456789"},
	{OK "Transfer-Encoding: identity\r\nContent-Encoding: identity\r\n\r\nx", 1, 200, "x"},
	{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nContent-Length: 7\r\n\r\n" OK
	 "Content-Length: 2\r\n\r\nok",
	 1, 200, "ok"},

	/* cut off */
	{"", -EBADMSG},
	{"HTTP/1.1 200", -EBADMSG},
	{OK, -EBADMSG},
	{OK "Content-Length: 5\r\n\r\nhell", -EBADMSG},
	{CHUNKED "5\r\nhello\r\n", -EBADMSG},
	{CHUNKED "5\r\nhello\r\n0\r\n", -EBADMSG},
	{CHUNKED "5\r\nhell", -EBADMSG},
	{"HTTP/1.1 100 Continue\r\n\r\n", -EBADMSG},

	/* not HTTP */
	{"{\"Id\":1}\n", -EBADMSG},
	{"HTTP/2 200 OK\r\n\r\n", -EBADMSG},
	{"HTTP/1.2 200 OK\r\n\r\n", -EBADMSG},
	{"HTTP/1.1 2000 OK\r\n\r\n", -EBADMSG},
	{"HTTP/1.1 99 OK\r\n\r\n", -EBADMSG},
	{"HTTP/1.1 -20 OK\r\n\r\n", -EBADMSG},
	{"HTTP/1.1\r\n\r\n", -EBADMSG},
	{"HTTP/1.1 101 Switching Protocols\r\n\r\n", -EBADMSG},
	{OK "no colon\r\n\r\n", -EBADMSG},
	{OK ": no name\r\n\r\n", -EBADMSG},
	{OK "Name : blank\r\n\r\n", -EBADMSG},
	{OK "Folded: a\r\n b\r\n\r\n", -EBADMSG},

	/* lengths that lie */
	{OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", -EBADMSG},
	{OK "Content-Length: -1\r\n\r\n", -EBADMSG},
	{OK "Content-Length: 5, 5\r\n\r\nhello", -EBADMSG},
	{OK "Content-Length: 18446744073709551616\r\n\r\n", -EBADMSG},
	{OK "Content-Length: 33554433\r\n\r\n", -EFBIG},
	{OK "Content-Length: 18446744073709551615\r\n\r\n", -EFBIG},
	{OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", -EBADMSG},
	{CHUNKED "2000001\r\n", -EFBIG},
	{CHUNKED "ffffffffffffffff\r\n", -EFBIG},
	{CHUNKED "fffffffffffffffff\r\n", -EBADMSG},
	{CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", -EBADMSG},
	{CHUNKED "-5\r\nhello\r\n0\r\n\r\n", -EBADMSG},
	{CHUNKED "\r\n", -EBADMSG},
	{CHUNKED ";a\r\n", -EBADMSG},
	{CHUNKED "5\r\nhello!\r\n0\r\n\r\n", -EBADMSG},

	/* encodings */
	{OK "Content-Encoding: gzip\r\n\r\n\x1f\x8b", -EPROTONOSUPPORT},
	{OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", -EPROTONOSUPPORT},
	{OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	 -EPROTONOSUPPORT},
};

static void answers_are_the_same_however_they_are_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(samples); i++) {
		const struct sample *sample = &samples[i];
		size_t size = strlen(sample->text);

		for (size_t step = 1; step <= size + 1; step++) {
			_cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_INIT;
			int r = feed(sample->text, size, step, &answer);

			if (r != sample->result)
				fail_msg("%d, not %d, in steps of %zu: %s", r, sample->result, step,
					 sample->text);
			if (r < 0)
				continue;
			assert_int_equal(answer.status, sample->status);
			assert_string_equal(answer.body.data, sample->body);
			assert_int_equal(answer.body.size, strlen(sample->body));
		}
	}
}

static void a_whole_answer_is_read_at_once(void **state)
{
	static const char text[] = OK "\r\nwith a \0 in it";
	_cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_INIT;

	(void)state;
	assert_int_equal(http_parse(text, sizeof(text) - 1, &answer), 1);
	assert_int_equal(answer.body.size, 14);
	assert_memory_equal(answer.body.data, "with a \0 in it", 15);
}

static void a_nul_in_the_head_is_no_http(void **state)
{
	static const char text[] = OK "Content-Length: 1\0\r\n\r\nx";
	struct http_answer answer = HTTP_ANSWER_INIT;

	(void)state;
	assert_int_equal(http_parse(text, sizeof(text) - 1, &answer), -EBADMSG);
}

/* `head`, then `unit` again and again until that isn't taken any more. */
static int flood(const char *head, const char *unit, size_t limit, size_t *ret_sent)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	size_t sent = 0, size = strlen(unit);
	struct http *http;
	int r;

	assert_int_equal(http_new("/", &http), 0);
	r = http_feed(http, head, strlen(head), false, &answer);
	for (; r == 0 && sent < limit; sent += size)
		r = http_feed(http, unit, size, false, &answer);
	http_free(http);
	http_answer_done(&answer);
	*ret_sent = sent;
	return r;
}

static void what_has_no_end_is_left_at_the_limit(void **state)
{
	static char block[65537];
	size_t sent;

	(void)state;
	memset(block, 'x', sizeof(block) - 1);
	assert_int_equal(flood(OK "\r\n", block, SIZE_MAX, &sent), -EFBIG);
	assert_in_range(sent, HTTP_BODY_MAX, HTTP_BODY_MAX + 2 * sizeof(block));
	/* heads: one line, many lines, many heads */
	assert_int_equal(flood("", "x", SIZE_MAX, &sent), -EFBIG);
	assert_in_range(sent, 65536, 65537);
	assert_int_equal(flood(OK, "A: b\r\n", SIZE_MAX, &sent), -EFBIG);
	assert_in_range(sent, 65000, 65600);
	assert_int_equal(flood("", "HTTP/1.1 100 X\r\n\r\n", SIZE_MAX, &sent), -EFBIG);
	assert_in_range(sent, 65000, 65600);
	/* chunks: the line before one, trailers, all together */
	assert_int_equal(flood(CHUNKED "1;", "x", SIZE_MAX, &sent), -EBADMSG);
	assert_in_range(sent, 4000, 4200);
	assert_int_equal(flood(CHUNKED "0\r\n", "A: b\r\n", SIZE_MAX, &sent), -EFBIG);
	assert_in_range(sent, 65000, 65600);
	(void)snprintf(block, sizeof(block), "4000\r\n%0*d\r\n", 0x4000, 0);
	assert_int_equal(flood(CHUNKED, block, SIZE_MAX, &sent), -EFBIG);
	assert_in_range(sent, HTTP_BODY_MAX, HTTP_BODY_MAX + HTTP_BODY_MAX / 512);
}

/* A quadratic parser would need hours for it. */
static void one_byte_a_read_is_linear(void **state)
{
	int64_t begin = clock_ms();
	size_t sent;

	(void)state;
	assert_int_equal(flood(OK "\r\n", "x", 4 << 20, &sent), 0);
	assert_int_equal(flood(CHUNKED, "1\r\nx\r\n", 4 << 20, &sent), 0);
	assert_true(clock_ms() - begin < 20000);
}

static void a_request_is_sent_and_its_answer_read(void **state)
{
	static const char reply[] = "HTTP/1.0 200 OK\r\n\r\n[]";
	_cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_INIT;
	struct http *http;
	char text[512];
	short events;
	ssize_t n;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	assert_int_equal(http_new("/containers/json", &http), 0);
	assert_int_equal(http_step(http, fds[0], &events, &answer, NULL), 0);
	assert_int_equal(events, POLLIN);
	n = read(fds[1], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "GET /containers/json HTTP/1.0\r\nHost: localhost\r\n"));
	assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
	assert_string_equal(text + n - 4, "\r\n\r\n");
	assert_null(strstr(text, "Accept-Encoding"));
	assert_int_equal(write(fds[1], reply, sizeof(reply) - 1), sizeof(reply) - 1);
	assert_int_equal(http_step(http, fds[0], &events, &answer, NULL), 0);
	close(fds[1]);
	assert_int_equal(http_step(http, fds[0], &events, &answer, NULL), 1);
	assert_string_equal(answer.body.data, "[]");
	http_free(http);
	close(fds[0]);
}

static void an_error_names_what_is_wrong(void **state)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct http *http;
	short events;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	assert_int_equal(http_new("/", &http), 0);
	assert_int_equal(write(fds[1], "garbage\n", 8), 8);
	assert_int_equal(http_step(http, fds[0], &events, &answer, &err), -EBADMSG);
	assert_names(&err, "isn't HTTP");
	http_free(http);
	close(fds[0]);
	close(fds[1]);
}

static void what_is_no_word_is_escaped(void **state)
{
	char buf[16];

	(void)state;
	assert_true(http_escape(buf, sizeof(buf), "aZ09-._~"));
	assert_string_equal(buf, "aZ09-._~");
	assert_true(http_escape(buf, sizeof(buf), "/%?\r\n"));
	assert_string_equal(buf, "%2F%25%3F%0D%0A");
	assert_true(http_escape(buf, sizeof(buf), "\xff"));
	assert_string_equal(buf, "%FF");
	assert_false(http_escape(buf, sizeof(buf), "//////"));
	assert_true(http_escape(buf, 4, "/"));
	assert_false(http_escape(buf, 3, "/"));
	assert_true(http_escape(buf, 1, ""));
	assert_false(http_escape(buf, 0, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_the_same_however_they_are_split),
		cmocka_unit_test(a_whole_answer_is_read_at_once),
		cmocka_unit_test(a_nul_in_the_head_is_no_http),
		cmocka_unit_test(what_has_no_end_is_left_at_the_limit),
		cmocka_unit_test(one_byte_a_read_is_linear),
		cmocka_unit_test(a_request_is_sent_and_its_answer_read),
		cmocka_unit_test(an_error_names_what_is_wrong),
		cmocka_unit_test(what_is_no_word_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
