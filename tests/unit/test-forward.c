/* SPDX-License-Identifier: MIT
 *
 * Forwarding through the public API: what passes, how it ends, what is waited for. All here, between sockets of the test's own.
 * Not here: what there is too little or too much of (test-forward-limits.c), other net namespaces.
 */
#include "forward.h"

#include <netinet/in.h>

/* One end ends, the other goes on; then that ends, too. */
static void assert_half_closes(struct rig *rig, int first, int second)
{
	say(first, "question");
	assert_int_equal(shutdown(first, SHUT_WR), 0);
	assert_receives(rig, second, "question", 0);
	assert_int_equal(cj_forward_connections(rig->forward), 1);
	say(second, "answer");
	settle(rig);
	say(second, ", at length");
	(void)close(second);
	assert_receives(rig, first, "answer, at length", 0);
	await_connections(rig, 0);
	(void)close(first);
}

static void either_end_may_end_first(void **state)
{
	static const enum kind fronts[] = {TCP4, ABSTRACT, TCP6, TCP4};
	static const enum kind backs[] = {ABSTRACT, TCP4, TCP4, PATH};

	(void)state;
	if (!knows_call(SYS_pidfd_send_signal)) /* who makes UNIX sockets is a process */
		skip();
	for (int i = 0; i < 8; i++) {
		struct cj_forward_options options = CJ_FORWARD_OPTIONS_INIT;
		struct rig *rig = open_rig(options, fronts[i / 2], backs[i / 2]);
		int client, server;

		client = call(&rig->front);
		server = answer(rig);
		if (i % 2)
			assert_half_closes(rig, client, server);
		else
			assert_half_closes(rig, server, client);
		close_rig(rig);
	}
}

static void all_bytes_pass_both_ways(void **state)
{
	struct rig *rig = open_plain();
	struct end a = {.fd = call(&rig->front), .to_send = 64 << 20};
	struct end b = {.fd = answer(rig), .to_send = 64 << 20};

	(void)state;
	exchange(rig, &a, &b);
	assert_int_equal(a.received, b.to_send);
	assert_int_equal(b.received, a.to_send);
	await_connections(rig, 0);
	(void)close(a.fd);
	(void)close(b.fd);
	close_rig(rig);
}

static void who_doesnt_read_is_waited_for(void **state)
{
	struct rig *rig = open_plain();
	struct end a = {.fd = call(&rig->front), .to_send = 256 << 20}, b = {.fd = answer(rig)};
	int other = call(&rig->front), there = answer(rig);

	(void)state;
	fill_up(rig, &a);
	/* Four sockets' buffers, and a vessel: an endless buffer would have taken all. */
	assert_in_range(a.sent, 1, a.to_send / 4);
	assert_int_equal(cj_forward_timeout(rig->forward), -1); /* and nothing spins */
	say(other, "others go on");
	(void)shutdown(other, SHUT_WR);
	assert_receives(rig, there, "others go on", 0);
	a.to_send = a.sent + 1;
	(void)shutdown(b.fd, SHUT_WR);
	exchange(rig, &a, &b);
	assert_int_equal(b.received, a.to_send);
	(void)close(a.fd);
	(void)close(b.fd);
	(void)close(other);
	(void)close(there);
	close_rig(rig);
}

static void an_urgent_byte_doesnt_hold_up_the_others(void **state)
{
	struct rig *rig = open_plain();
	int client = call(&rig->front), server = answer(rig);

	(void)state;
	say(client, "before ");
	assert_int_equal(send(client, "!", 1, MSG_OOB), 1);
	say(client, " behind");
	(void)shutdown(client, SHUT_WR);
	assert_receives(rig, server, "before ! behind", 0);
	(void)close(client);
	(void)close(server);
	close_rig(rig);
}

/* --- ends that aren't orderly --- */

static void a_reset_is_passed_on(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct rig *rig = open_plain();
		struct end client = {.fd = call(&rig->front), .to_send = 256 << 20};
		struct end server = {.fd = answer(rig), .to_send = 256 << 20};
		struct end *gone = i % 2 ? &server : &client, *left = i % 2 ? &client : &server;

		settle(rig);
		if (i >= 2) /* while the other doesn't read */
			fill_up(rig, gone);
		reset(gone->fd);
		await_connections(rig, 0);
		while (receive_some(left) > 0)
			;
		assert_int_equal(errno, ECONNRESET);
		(void)close(left->fd);
		close_rig(rig);
	}
}

static void the_last_words_of_who_doesnt_listen_arrive(void **state)
{
	struct rig *rig = open_plain();
	int client = call(&rig->front), server = answer(rig);

	(void)state;
	say(client, "much");
	settle(rig);
	say(server, "too much");
	(void)close(server); /* with something unread: a reset */
	assert_receives(rig, client, "too much", ECONNRESET);
	await_connections(rig, 0);
	(void)close(client);
	close_rig(rig);
}

/* splice(2) raises SIGPIPE, which nobody expects of a library. */
static void a_broken_pipe_is_no_signal(void **state)
{
	struct cj_forward_options options = CJ_FORWARD_OPTIONS_INIT;
	struct rig *rig;
	sigset_t pending;
	int client;

	(void)state;
	if (!knows_call(SYS_pidfd_send_signal)) /* who makes UNIX sockets is a process */
		skip();
	rig = open_rig(options, TCP4, ABSTRACT);
	client = call(&rig->front);
	(void)close(answer(rig));
	assert_receives(rig, client, "", 0);
	say(client, "anybody there?");
	await_connections(rig, 0);
	assert_int_equal(sigpending(&pending), 0);
	assert_int_equal(sigismember(&pending, SIGPIPE), 0);
	(void)close(client);
	close_rig(rig);
}

static void what_is_refused_is_reset_and_said_once(void **state)
{
	struct rig *rig = open_plain();
	int client;

	(void)state;
	close_fd(&rig->back.fd);
	client = call(&rig->front);
	assert_receives(rig, client, "", ECONNRESET);
	assert_int_equal(cj_forward_connections(rig->forward), 0);
	assert_int_equal(rig->warnings, 1);
	assert_non_null(strstr(rig->warning, rig->back.address));
	assert_non_null(strstr(rig->warning, strerror(ECONNREFUSED)));
	(void)close(client);
	close_rig(rig);
}

/* --- time --- */

/* Nobody accepts there, and its queue is full: it doesn't answer. */
static void stuff(struct rig *rig, int *ret_calls)
{
	struct sockaddr_in name;
	socklen_t length = sizeof(name);

	assert_int_equal(listen(rig->back.fd, 0), 0);
	assert_int_equal(getsockname(rig->back.fd, (struct sockaddr *)&name, &length), 0);
	for (int i = 0; i < 2; i++) {
		ret_calls[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(ret_calls[i], (struct sockaddr *)&name, length);
	}
}

static void who_goes_while_its_other_end_is_dialled_is_given_up(void **state)
{
	struct rig *rig = open_plain();
	int calls[2], patient, hasty;
	int64_t begin;

	(void)state;
	stuff(rig, calls);
	patient = call(&rig->front);
	hasty = call(&rig->front);
	await_connections(rig, 2);
	settle(rig);
	(void)shutdown(patient, SHUT_WR); /* it may still want to read */
	reset(hasty);
	begin = clock_ms();
	await_connections(rig, 1);
	assert_in_range(clock_ms() - begin, 0, 5000);
	assert_int_equal(rig->warnings, 0);
	(void)close(patient);
	(void)close(calls[0]);
	(void)close(calls[1]);
	close_rig(rig);
}

static void who_doesnt_answer_is_given_up(void **state)
{
	struct cj_forward_options options = CJ_FORWARD_OPTIONS_INIT;
	struct rig *rig;
	int calls[2], client;

	(void)state;
	options.connect_timeout = 100;
	rig = open_rig(options, TCP4, TCP4);
	stuff(rig, calls);
	client = call(&rig->front);
	assert_receives(rig, client, "", ECONNRESET);
	assert_int_equal(rig->warnings, 1);
	assert_non_null(strstr(rig->warning, strerror(ETIMEDOUT)));
	(void)close(client);
	(void)close(calls[0]);
	(void)close(calls[1]);
	close_rig(rig);
}

static void who_is_idle_is_reset(void **state)
{
	struct cj_forward_options options = CJ_FORWARD_OPTIONS_INIT;
	int64_t begin, spoke;
	int client, server, busy;
	struct rig *rig;

	(void)state;
	options.idle_timeout = 200;
	rig = open_rig(options, TCP4, TCP4);
	begin = spoke = clock_ms();
	client = call(&rig->front);
	server = answer(rig);
	busy = call(&rig->front);
	await_connections(rig, 2);
	for (int64_t end = deadline(); cj_forward_connections(rig->forward) == 2;) {
		if (clock_ms() > spoke + 20) {
			say(busy, ".");
			spoke = clock_ms();
		}
		(void)poll(NULL, 0, 1); /* the time itself is what is tried */
		turn(rig, end, cj_forward_fd(rig->forward), POLLIN, client, POLLOUT);
	}
	assert_in_range(clock_ms() - begin, 200, 5000);
	assert_receives(rig, client, "", ECONNRESET);
	assert_receives(rig, server, "", ECONNRESET);
	assert_int_equal(send(busy, ".", 1, MSG_NOSIGNAL), 1);
	(void)close(client);
	(void)close(server);
	(void)close(busy);
	close_rig(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(either_end_may_end_first),
		cmocka_unit_test(all_bytes_pass_both_ways),
		cmocka_unit_test(who_doesnt_read_is_waited_for),
		cmocka_unit_test(an_urgent_byte_doesnt_hold_up_the_others),
		cmocka_unit_test(a_reset_is_passed_on),
		cmocka_unit_test(the_last_words_of_who_doesnt_listen_arrive),
		cmocka_unit_test(a_broken_pipe_is_no_signal),
		cmocka_unit_test(what_is_refused_is_reset_and_said_once),
		cmocka_unit_test(who_goes_while_its_other_end_is_dialled_is_given_up),
		cmocka_unit_test(who_doesnt_answer_is_given_up),
		cmocka_unit_test(who_is_idle_is_reset),
	};

	fill_pattern();
	return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
