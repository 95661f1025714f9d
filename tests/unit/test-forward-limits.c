/* SPDX-License-Identifier: MIT
 *
 * Forwarding where there is too little, or too much: descriptors, connections, pipes; and ways that are closed for a time.
 * Not here: what passes (test-forward.c).
 */
#include "forward.h"

#include <sys/resource.h>

enum { MANY = 1000 };

static int try_answer(struct rig *rig)
{
	settle(rig);
	return accept4(rig->back.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void more_than_may_be_wait_for_an_end(void **state)
{
	struct cj_forward_options options = CJ_FORWARD_OPTIONS_INIT;
	int clients[4], servers[4];
	struct rig *rig;

	(void)state;
	options.max_connections = 2;
	rig = open_rig(options, TCP4, TCP4);
	for (int i = 0; i < 4; i++)
		clients[i] = call(&rig->front);
	for (int i = 0; i < 2; i++)
		servers[i] = answer(rig);
	assert_int_equal(try_answer(rig), -1);
	assert_int_equal(cj_forward_connections(rig->forward), 2);
	assert_int_equal(cj_forward_timeout(rig->forward), -1);
	for (int i = 2; i < 4; i++) {
		(void)close(servers[i - 2]);
		(void)close(clients[i - 2]);
		servers[i] = answer(rig);
		say(servers[i], "served");
		settle(rig);
	}
	for (int i = 2; i < 4; i++) {
		(void)close(servers[i]);
		assert_receives(rig, clients[i], "served", 0);
		(void)close(clients[i]);
	}
	await_connections(rig, 0);
	assert_int_equal(rig->warnings, 0);
	close_rig(rig);
}

static void a_paused_way_leaves_its_connections_alone(void **state)
{
	struct rig *rig = open_plain();
	struct cj_error err = CJ_ERROR_INIT;
	int first = call(&rig->front), server = answer(rig), second;

	(void)state;
	cj_forward_pause(rig->forward, 0);
	second = call(&rig->front);
	assert_int_equal(try_answer(rig), -1);
	say(first, "still here");
	(void)shutdown(first, SHUT_WR);
	assert_receives(rig, server, "still here", 0);
	(void)close(server);
	assert_receives(rig, first, "", 0);
	check(cj_forward_resume(rig->forward, 0, rig->front.fd, NULL, &err), &err);
	server = answer(rig);
	say(second, "here again");
	(void)shutdown(second, SHUT_WR);
	assert_receives(rig, server, "here again", 0);
	assert_int_equal(cj_forward_resume(rig->forward, 1, rig->front.fd, NULL, NULL), -EINVAL);
	(void)close(first);
	(void)close(second);
	(void)close(server);
	close_rig(rig);
}

static void what_isnt_a_way_is_told(void **state)
{
	struct rig *rig = open_plain();
	_cleanup_fd_ int idle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct cj_error err = CJ_ERROR_INIT;

	(void)state;
	assert_int_equal(cj_forward_add(rig->forward, rig->front.fd, NULL, "tcp:0", &err), -EINVAL);
	err = (struct cj_error)CJ_ERROR_INIT;
	assert_int_equal(cj_forward_add(rig->forward, idle, NULL, "tcp:1", &err), -EINVAL);
	assert_names(&err, "listen");
	close_rig(rig);
}

/* --- descriptors --- */

/* How many there are, wherever they lie. */
static unsigned int open_files(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static struct rlimit usual;

static int restore_files(void **state)
{
	(void)state;
	return setrlimit(RLIMIT_NOFILE, &usual);
}

static void limit_files(unsigned int n)
{
	struct rlimit files = {.rlim_cur = n, .rlim_max = usual.rlim_max};

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

/* Both ends of all connections, in a process of its own, so that only the forward lacks descriptors. */
static _Noreturn void be_others(const struct rig *rig, int n)
{
	int fds[64], r = 0;
	char got[8];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)fcntl(rig->back.fd, F_SETFL, 0);
	for (int i = 0; i < n; i++) {
		fds[i] = call(&rig->front);
		(void)shutdown(fds[i], SHUT_WR);
	}
	for (int i = 0; i < n; i++) {
		int server = accept(rig->back.fd, NULL, NULL);

		say(server, "ok");
		(void)close(server);
	}
	for (int i = 0; i < n; i++) {
		(void)fcntl(fds[i], F_SETFL, 0);
		r |= recv(fds[i], got, sizeof(got), MSG_WAITALL) != 2;
		(void)close(fds[i]);
	}
	_exit(r);
}

static void serve_with(unsigned int room)
{
	enum { CLIENTS = 40 };
	struct rig *rig = open_plain();
	int64_t end = deadline();
	size_t most = 0;
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0)
		be_others(rig, CLIENTS);
	limit_files(open_files() + room); /* however they lie */
	while (waitpid(pid, &status, WNOHANG) == 0) {
		size_t n = cj_forward_connections(rig->forward);

		most = n > most ? n : most;
		turn(rig, end, -1, 0, -1, 0);
	}
	assert_int_equal(status, 0);
	await_connections(rig, 0);
	assert_in_range(most, 2, room / 2 + 1); /* the limit was met, */
	assert_int_equal(rig->warnings, 1);	/* and told once */
	assert_non_null(strstr(rig->warning, strerror(EMFILE)));
	close_rig(rig);
}

/* An odd and an even number: once it's accepting that fails, once dialling. */
static void without_descriptors_others_wait_until_there_are_some(void **state)
{
	(void)state;
	if (!knows_call(SYS_pidfd_send_signal)) /* valgrind, which has descriptors of its own */
		skip();
	for (unsigned int room = 11; room <= 12; room++) {
		serve_with(room);
		(void)setrlimit(RLIMIT_NOFILE, &usual);
	}
}

static void without_pipes_bytes_pass_all_the_same(void **state)
{
	struct rig *rig = open_plain();
	struct end a = {.fd = call(&rig->front), .to_send = 8 << 20};
	struct end b = {.fd = answer(rig), .to_send = 8 << 20};

	(void)state;
	settle(rig);
	limit_files(3);
	exchange(rig, &a, &b);
	assert_int_equal(a.received, b.to_send);
	assert_int_equal(b.received, a.to_send);
	(void)close(a.fd);
	(void)close(b.fd);
	close_rig(rig);
}

/* --- many --- */

static void idle_connections_hold_two_descriptors_each(void **state)
{
	enum { N = 50 };
	struct rig *rig = open_plain();
	int clients[N], servers[N];
	unsigned int before;
	char got[16];

	(void)state;
	for (int i = 0; i < N; i++)
		clients[i] = call(&rig->front);
	before = open_files();
	for (int i = 0; i < N; i++)
		servers[i] = answer(rig);
	for (int i = 0; i < N; i++)
		say(clients[i], "something");
	settle(rig);
	for (int i = 0; i < N; i++)
		assert_int_equal(recv(servers[i], got, sizeof(got), 0), strlen("something"));
	/* Two of the forward's, one of ours, and a kept pipe. */
	assert_in_range(open_files(), before + 3 * N, before + 3 * N + 4);
	for (int i = 0; i < N; i++) {
		(void)close(clients[i]);
		(void)close(servers[i]);
	}
	await_connections(rig, 0);
	close_rig(rig);
}

/* As many as there may be descriptors for: four each. */
static int raise_files(void)
{
	struct rlimit files;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	return files.rlim_max > 4 * MANY + 200 ? MANY : (int)(files.rlim_max - 200) / 4;
}

static void a_thousand_go_on_together(void **state)
{
	static struct end clients[MANY], servers[MANY];
	int n = raise_files();
	struct rig *rig = open_plain();
	int64_t end = deadline();

	(void)state;
	for (int i = 0; i < n; i++) {
		clients[i] = (struct end){.fd = call(&rig->front), .to_send = 64 << 10};
		servers[i] = (struct end){.fd = answer(rig)};
	}
	assert_int_equal(cj_forward_connections(rig->forward), n);
	for (int i = 0; i < n; i++)
		(void)send_some(&clients[i]);
	settle(rig);
	for (int i = 0; i < n; i++) { /* each has got something, though nobody was served whole */
		assert_true(receive_some(&servers[i]) > 0);
		assert_true(servers[i].received <= clients[i].sent);
	}
	for (int i = 0; i < n; i++) {
		while (servers[i].received < clients[i].to_send) {
			if (clients[i].sent < clients[i].to_send)
				(void)send_some(&clients[i]);
			if (receive_some(&servers[i]) < 0)
				turn(rig, end, servers[i].fd, POLLIN, -1, 0);
		}
		(void)close(servers[i].fd);
		(void)close(clients[i].fd);
	}
	await_connections(rig, 0);
	assert_int_equal(rig->warnings, 0);
	close_rig(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_than_may_be_wait_for_an_end),
		cmocka_unit_test(a_paused_way_leaves_its_connections_alone),
		cmocka_unit_test(what_isnt_a_way_is_told),
		cmocka_unit_test_teardown(without_descriptors_others_wait_until_there_are_some,
					  restore_files),
		cmocka_unit_test_teardown(without_pipes_bytes_pass_all_the_same, restore_files),
		cmocka_unit_test(idle_connections_hold_two_descriptors_each),
		cmocka_unit_test(a_thousand_go_on_together),
	};

	(void)getrlimit(RLIMIT_NOFILE, &usual);
	fill_pattern();
	return cmocka_run_group_tests_name("forward-limits", tests, NULL, NULL);
}
