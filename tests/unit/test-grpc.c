/* SPDX-License-Identifier: MIT
 *
 * Calls by gRPC against a server that is made of bytes: what is an answer, and what isn't.
 */
#include "unit.h"

#include <poll.h>
#include <sys/socket.h>

#include "engine/grpc.h"
#include "engine/grpc_call.h"
#include "frames.h"

struct answer {
	int r, status;
	struct bytes bytes;
	struct cj_error err;
};

static void answer_done(struct answer *answer)
{
	bytes_done(&answer->bytes);
}

/* A server that sends all of `wire`, and closes if `ends`. */
enum ending { STAYS, ENDS };

static void begin(struct grpc **grpc)
{
	assert_int_equal(grpc_new(grpc), 0);
	assert_int_equal(grpc_begin(*grpc, "/a.B/C", (const uint8_t *)"hello", 5, NULL, NULL), 0);
}

static struct answer step(struct grpc *grpc, int fd)
{
	struct answer answer = {.status = -1, .err = CJ_ERROR_INIT};
	short events = 0;

	do {
		answer.r = grpc_step(grpc, fd, &events, &answer.status, &answer.bytes, &answer.err);
	} while (answer.r == 0 && poll(&(struct pollfd){.fd = fd, .events = events}, 1, 0) > 0);
	return answer;
}

static struct answer ask(const struct wire *wire, enum ending ending)
{
	struct answer answer;
	struct grpc *grpc;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	begin(&grpc);
	assert_int_equal(io_write_all(pair[1], wire->data, wire->size), 0);
	if (ending == ENDS)
		assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
	answer = step(grpc, pair[0]);
	grpc_free(grpc);
	close_fd(&pair[0]);
	close_fd(&pair[1]);
	return answer;
}

static void settings(struct wire *wire)
{
	wire_frame(wire, FRAME_SETTINGS, 0, 0, NULL, 0);
}

static void assert_fails(const struct wire *wire, enum ending ending, int error, const char *word)
{
	_cleanup_(answer_done) struct answer answer = ask(wire, ending);

	assert_int_equal(answer.r, error);
	assert_int_equal(answer.err.code, -error);
	assert_names(&answer.err, word);
	assert_null(answer.bytes.data);
}

static void an_answer_comes_whole(void **state)
{
	struct wire wire = {.size = 0};

	(void)state;
	settings(&wire);
	wire_headers(&wire, 1, 0, WIRE_OK);
	wire_message(&wire, 1, "a\0b", 3);
	wire_headers(&wire, 1, END_STREAM, "grpc-status: 0\n");
	_cleanup_(answer_done) struct answer answer = ask(&wire, ENDS);
	assert_int_equal(answer.r, 1);
	assert_int_equal(answer.status, GRPC_OK);
	assert_int_equal(answer.bytes.size, 3);
	assert_memory_equal(answer.bytes.data, "a\0b", 4);
}

/* Byte by byte, and the message in many frames. */
static void an_answer_may_come_in_any_pieces(void **state)
{
	static const uint8_t message[] = {0, 0, 0, 0, 4, 'a', 'b', 'c', 'd'};
	struct answer answer = {.r = 0};
	struct wire wire = {.size = 0};
	struct grpc *grpc;
	int pair[2];

	(void)state;
	settings(&wire);
	wire_headers(&wire, 1, 0, WIRE_OK);
	for (size_t i = 0; i < sizeof(message); i++) {
		wire_frame(&wire, FRAME_DATA, 0, 1, &message[i], 1);
		wire_frame(&wire, FRAME_DATA, 0, 1, NULL, 0);
	}
	wire_headers(&wire, 1, END_STREAM, "grpc-status: 0\n");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	begin(&grpc);
	for (size_t i = 0; i < wire.size; i++) {
		assert_int_equal(answer.r, 0);
		assert_int_equal(io_write_all(pair[1], wire.data + i, 1), 0);
		answer = step(grpc, pair[0]);
	}
	assert_int_equal(answer.r, 1);
	assert_string_equal(answer.bytes.data, "abcd");
	answer_done(&answer);
	grpc_free(grpc);
	close_fd(&pair[0]);
	close_fd(&pair[1]);
}

static void calls_follow_each_other_on_one_connection(void **state)
{
	struct wire wire = {.size = 0};
	struct answer answer;
	struct grpc *grpc;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	begin(&grpc);
	settings(&wire);
	for (uint32_t stream = 1; stream < 6; stream += 2) {
		if (stream > 1)
			assert_int_equal(grpc_begin(grpc, "/a.B/D", NULL, 0, "x-ns", "y"), 0);
		wire_headers(&wire, stream, 0, WIRE_OK);
		wire_message(&wire, stream, "abc", stream / 2);
		wire_headers(&wire, stream, END_STREAM, "grpc-status: 0\n");
		assert_int_equal(io_write_all(pair[1], wire.data, wire.size), 0);
		answer = step(grpc, pair[0]);
		assert_int_equal(answer.r, 1);
		assert_int_equal(answer.bytes.size, stream / 2);
		answer_done(&answer);
		wire.size = 0;
	}
	grpc_free(grpc);
	close_fd(&pair[0]);
	close_fd(&pair[1]);
}

static void a_status_comes_with_its_words(void **state)
{
	struct wire wire = {.size = 0};
	struct cj_error err = CJ_ERROR_INIT;
	struct answer answer;
	struct grpc *grpc;
	int pair[2];

	(void)state;
	settings(&wire);
	wire_headers(&wire, 1, END_STREAM,
		     WIRE_OK "grpc-status: 5\ngrpc-message: no%20such %C3%A4 100%25 %zz%\n");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	begin(&grpc);
	assert_int_equal(io_write_all(pair[1], wire.data, wire.size), 0);
	answer = step(grpc, pair[0]);
	assert_int_equal(answer.r, 1);
	assert_int_equal(answer.status, GRPC_NOT_FOUND);
	assert_null(answer.bytes.data);
	assert_int_equal(grpc_fail(grpc, answer.status, "/a.B/C", &err), -EREMOTEIO);
	assert_string_equal(err.text, "call /a.B/C: gRPC status 5: no such ä 100% %zz%");
	grpc_free(grpc);
	close_fd(&pair[0]);
	close_fd(&pair[1]);
}

static void what_isnt_grpc_is_said_to_be_so(void **state)
{
	static const struct {
		const char *headers, *trailers;
		int error;
		const char *word;
	} cases[] = {
		{":status: 500\ncontent-type: text/html\n", "x: y\n", -EBADMSG, "HTTP status 500"},
		{":status: 200\ncontent-type: text/html\n", "grpc-status: 0\n", -EBADMSG,
		 "another kind"},
		{":status: 200\ncontent-type: application/grpcish\n", "grpc-status: 0\n", -EBADMSG,
		 "another kind"},
		{WIRE_OK, "x: y\n", -EBADMSG, "no grpc-status"},
		{WIRE_OK, "grpc-status: 12x\n", -EBADMSG, "no number"},
		{WIRE_OK, "grpc-status: 99999999999\n", -EBADMSG, "no number"},
		{WIRE_OK, "grpc-status: -1\n", -EBADMSG, "no number"},
		{WIRE_OK, "grpc-status: \n", -EBADMSG, "no number"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		struct wire wire = {.size = 0};

		settings(&wire);
		wire_headers(&wire, 1, 0, cases[i].headers);
		wire_message(&wire, 1, "abc", 3);
		wire_headers(&wire, 1, END_STREAM, cases[i].trailers);
		assert_fails(&wire, STAYS, cases[i].error, cases[i].word);
	}
}

static void a_message_keeps_to_its_length(void **state)
{
	static const struct {
		const char *data;
		size_t size;
		int error;
		const char *word;
	} cases[] = {
		{"", 0, -EBADMSG, "cut off"},
		{"\0\0\0\0", 4, -EBADMSG, "cut off"},
		{"\0\0\0\0\4abc", 8, -EBADMSG, "cut off"},
		{"\0\0\0\0\2abc", 8, -EBADMSG, "more than one"},
		{"\0\0\0\0\0x", 6, -EBADMSG, "more than one"},
		{"\0\0\0\0\1x\0\0\0\0\1x", 12, -EBADMSG, "more than one"},
		{"\1\0\0\0\3abc", 8, -EPROTONOSUPPORT, "compressed"},
		{"\2\0\0\0\3abc", 8, -EBADMSG, "unknown kind"},
		{"\0\377\377\377\377abc", 8, -EFBIG, "too long"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		struct wire wire = {.size = 0};

		settings(&wire);
		wire_headers(&wire, 1, 0, WIRE_OK);
		wire_frame(&wire, FRAME_DATA, 0, 1, cases[i].data, cases[i].size);
		wire_headers(&wire, 1, END_STREAM, "grpc-status: 0\n");
		assert_fails(&wire, STAYS, cases[i].error, cases[i].word);
	}
}

static void who_speaks_no_http2_is_found_out(void **state)
{
	static const char *const others[] = {
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377",
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(others); i++) {
		struct wire wire = {.size = 0};

		wire_add(&wire, others[i], strlen(others[i]));
		assert_fails(&wire, STAYS, -EBADMSG, "isn't HTTP/2");
	}
}

static void an_end_in_between_is_an_error(void **state)
{
	static const uint8_t away[8] = {0, 0, 0, 0, 0, 0, 0, 2}, refused[4] = {0, 0, 0, 7};
	struct wire wire = {.size = 0};

	(void)state;
	assert_fails(&wire, ENDS, -EBADMSG, "has ended");
	settings(&wire);
	assert_fails(&wire, ENDS, -EBADMSG, "has ended");
	wire_headers(&wire, 1, 0, WIRE_OK);
	assert_fails(&wire, ENDS, -EBADMSG, "has ended");
	wire.size = 0;
	settings(&wire);
	wire_frame(&wire, FRAME_RESET, 0, 1, refused, sizeof(refused));
	assert_fails(&wire, STAYS, -EBADMSG, "reset");
	wire.size = 0;
	settings(&wire);
	wire_frame(&wire, FRAME_GOAWAY, 0, 0, away, sizeof(away));
	assert_fails(&wire, STAYS, -EBADMSG, "");
}

/* Nothing is sent, and nothing is wrong yet: it's the deadline's business. */
static void silence_waits(void **state)
{
	struct wire wire = {.size = 0};
	struct answer answer;

	(void)state;
	answer = ask(&wire, STAYS);
	assert_int_equal(answer.r, 0);
	settings(&wire);
	wire_headers(&wire, 1, 0, WIRE_OK);
	answer = ask(&wire, STAYS);
	assert_int_equal(answer.r, 0);
}

static void headers_have_an_end(void **state)
{
	struct grpc_call call = GRPC_CALL_INIT;
	size_t n = 0;

	(void)state;
	while (grpc_call_header(&call, (const uint8_t *)"x", 1, (const uint8_t *)"y", 1))
		assert_true(++n < 100000);
	assert_int_equal(call.code, EBADMSG);
	grpc_call_done(&call);
}

/* A server that asks for an answer to each of its frames and reads none. */
static void a_flood_of_pings_has_an_end(void **state)
{
	static const uint8_t ping[8] = {0};
	struct answer answer = {.r = 0};
	struct wire wire = {.size = 0};
	size_t written = 0;
	struct grpc *grpc;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	begin(&grpc);
	settings(&wire);
	assert_int_equal(io_write_all(pair[1], wire.data, wire.size), 0);
	wire.size = 0;
	for (size_t i = 0; i < 1000; i++)
		wire_frame(&wire, FRAME_PING, 0, 0, ping, sizeof(ping));
	while (answer.r == 0 && written < 100 << 20) {
		size_t at = written % wire.size;
		ssize_t n = io_write(pair[1], wire.data + at, wire.size - at);

		written += n > 0 ? (size_t)n : 0;
		answer = step(grpc, pair[0]);
	}
	assert_true(answer.r == -EBADMSG || answer.r == -EFBIG);
	grpc_free(grpc);
	close_fd(&pair[0]);
	close_fd(&pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_comes_whole),
		cmocka_unit_test(an_answer_may_come_in_any_pieces),
		cmocka_unit_test(calls_follow_each_other_on_one_connection),
		cmocka_unit_test(a_status_comes_with_its_words),
		cmocka_unit_test(what_isnt_grpc_is_said_to_be_so),
		cmocka_unit_test(a_message_keeps_to_its_length),
		cmocka_unit_test(who_speaks_no_http2_is_found_out),
		cmocka_unit_test(an_end_in_between_is_an_error),
		cmocka_unit_test(silence_waits),
		cmocka_unit_test(headers_have_an_end),
		cmocka_unit_test(a_flood_of_pings_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
