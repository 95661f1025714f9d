/* SPDX-License-Identifier: MIT
 *
 * What docker and podman answer, and a conversation about it. With a daemon that means harm:
 * tests/integration/test_engine_hostile.py.
 */
#include "unit.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "engine/docker_api.h"
#include "engine/engine.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "0123456789ffffff0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "aaaaaaaaaaffffff0123456789abcdef0123456789abcdef0123456789abcdef"

static int parse_one(const char *text, struct containers *found, struct cj_error *err)
{
	return docker_parse_container(text, strlen(text), "docker", 1000, found, err);
}

static void a_container_is_read(void **state)
{
	static const char text[] =
		"{\"Id\":\"" ID "\",\"Name\":\"/web\",\"Image\":\"sha256:12\","
		"\"State\":{\"Status\":\"running\",\"Running\":true,\"Pid\":4711},"
		"\"Config\":{\"Image\":\"bb:1\",\"Labels\":{\"a\":\"b\",\"n\":\"x\\u0000y\",\"no\":1}}}";
	_cleanup_(containers_done) struct containers found = CONTAINERS_INIT;
	struct container *one;

	(void)state;
	assert_int_equal(parse_one(text, &found, NULL), 0);
	assert_int_equal(found.n, 1);
	one = &found.items[0];
	assert_string_equal(one->scheme, "docker");
	assert_string_equal(one->id, ID);
	assert_string_equal(one->name, "web");
	assert_string_equal(one->image, "bb:1");
	assert_string_equal(container_label(one, "a"), "b");
	assert_string_equal(container_label(one, "n"), "x");
	assert_null(container_label(one, "no"));
	assert_int_equal(one->state, CONTAINER_RUNNING);
	assert_int_equal(one->pid, 4711);
	assert_int_equal(one->owner, 1000);
	assert_null(one->bundle);
}

static void states_are_those_of_the_engine(void **state)
{
	static const struct {
		const char *word;
		int pid;
		enum container_state state;
	} states[] = {
		{"created", 0, CONTAINER_CREATED}, {"running", 1, CONTAINER_RUNNING},
		{"paused", 1, CONTAINER_PAUSED},   {"restarting", 0, CONTAINER_RESTARTING},
		{"removing", 0, CONTAINER_DEAD},   {"exited", 0, CONTAINER_STOPPED},
		{"dead", 0, CONTAINER_DEAD},	   {"configured", 0, CONTAINER_CREATED},
		{"stopped", 0, CONTAINER_STOPPED}, {"never heard of", 0, CONTAINER_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(states); i++) {
		_cleanup_(containers_done) struct containers found = CONTAINERS_INIT;
		char text[256];

		(void)snprintf(text, sizeof(text),
			       "{\"Id\":\"" ID "\",\"State\":{\"Status\":\"%s\",\"Pid\":%d}}",
			       states[i].word, states[i].pid);
		assert_int_equal(parse_one(text, &found, NULL), 0);
		assert_int_equal(found.items[0].state, states[i].state);
		assert_int_equal(found.items[0].pid, states[i].pid);
		assert_null(found.items[0].name);
	}
}

static void nonsense_is_no_container(void **state)
{
#define WITH(pid) "{\"Id\":\"" ID "\",\"State\":{\"Status\":\"running\",\"Pid\":" pid "}}"
	static const struct {
		const char *text, *word;
	} texts[] = {
		{"", "JSON"},
		{"[]", "not an object"},
		{"{\"Id\":\"" ID "\"", "JSON"},
		{"\"" ID "\"", "JSON"},
		{"{}", "id"},
		{"{\"Id\":1}", "id"},
		{"{\"Id\":\"" ID "0\"}", "id"},
		{"{\"Id\":\"../0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc\"}",
		 "id"},
		{"{\"Id\":\"" ID "\"}", "PID"},
		{"{\"Id\":\"" ID "\",\"State\":[]}", "PID"},
		{WITH("0"), "PID"},
		{WITH("-1"), "PID"},
		{WITH("4194305"), "PID"},
		{WITH("1099511627776"), "PID"},
		{WITH("4294967297"), "PID"},
		{WITH("18446744073709551617"), "JSON"},
		{WITH("1.5"), "PID"},
		{WITH("\"1\""), "PID"},
		{WITH("null"), "PID"},
		{WITH("true"), "PID"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(texts); i++) {
		_cleanup_(containers_done) struct containers found = CONTAINERS_INIT;
		struct cj_error err = CJ_ERROR_INIT;

		assert_int_equal(parse_one(texts[i].text, &found, &err), -EBADMSG);
		assert_names(&err, texts[i].word);
	}
}

static void depth_has_a_bound(void **state)
{
	_cleanup_(containers_done) struct containers found = CONTAINERS_INIT;
	static char text[1 << 20];

	(void)state;
	memset(text, '[', sizeof(text) - 1);
	assert_int_equal(parse_one(text, &found, NULL), -EBADMSG);
	memcpy(text, "{\"a\":", 5);
	assert_int_equal(parse_one(text, &found, NULL), -EBADMSG);
}

static void many_labels_take_linear_time(void **state)
{
	_cleanup_(containers_done) struct containers found = CONTAINERS_INIT;
	_cleanup_free_ char *text = malloc(1 << 20);
	int64_t begin = clock_ms();
	size_t n;

	(void)state;
	assert_non_null(text);
	n = (size_t)snprintf(text, 200,
			     "{\"Id\":\"" ID "\",\"State\":{\"Pid\":0},\"Config\":{\"Labels\":{");
	for (int i = 0; i < 80000; i++)
		n += (size_t)snprintf(text + n, (1 << 20) - n, "%s\"%x\":\"\"", i ? "," : "", i);
	(void)snprintf(text + n, (1 << 20) - n, "}}}");
	assert_int_equal(parse_one(text, &found, NULL), 0);
	assert_string_equal(container_label(&found.items[0], "ffff"), "");
	assert_true(clock_ms() - begin < 5000);
}

static int parse_list(const char *text, struct containers *found, struct cj_error *err)
{
	return docker_parse_list(text, strlen(text), "podman", 0, found, err);
}

static void a_list_is_read(void **state)
{
	static const char text[] =
		" [ {\"Id\":\"" ID "\",\"Names\":[\"/web\",\"/other/alias\"],\"Image\":\"bb:1\","
		"\"Labels\":{\"a\":\"b\"},\"State\":\"running\"} ,"
		"{\"Id\":\"" ID2 "\",\"Names\":null,\"Labels\":null,\"State\":\"exited\"}]\n";
	_cleanup_(containers_done) struct containers found = CONTAINERS_INIT;

	(void)state;
	assert_int_equal(parse_list(text, &found, NULL), 0);
	assert_int_equal(found.n, 2);
	assert_string_equal(found.items[0].name, "web");
	assert_string_equal(found.items[0].image, "bb:1");
	assert_string_equal(container_label(&found.items[0], "a"), "b");
	assert_int_equal(found.items[0].pid, 0);
	assert_int_equal(found.items[1].state, CONTAINER_STOPPED);
	assert_null(found.items[1].name);
	assert_null(found.items[1].image);
}

static void a_list_may_be_empty(void **state)
{
	_cleanup_(containers_done) struct containers found = CONTAINERS_INIT;

	(void)state;
	assert_int_equal(parse_list("[]", &found, NULL), 0);
	assert_int_equal(parse_list(" [ ] ", &found, NULL), 0);
	assert_int_equal(found.n, 0);
}

static void nonsense_is_no_list(void **state)
{
#define ONE "{\"Id\":\"" ID "\"}"
	static const char *const texts[] = {
		"",	      "{}",
		"null",	      "[",
		"[,]",	      "[1]",
		"[[]]",	      "[" ONE,
		"[" ONE ",]", "[" ONE " " ONE "]",
		"[" ONE "]]", "[{}]",
		"[" ONE ",",  "[" ONE ",null]",
		"[" ONE "}",  "[" ONE "] x",
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(texts); i++) {
		_cleanup_(containers_done) struct containers found = CONTAINERS_INIT;
		struct cj_error err = CJ_ERROR_INIT;

		if (parse_list(texts[i], &found, &err) != -EBADMSG)
			fail_msg("it took %s", texts[i]);
		assert_true(err.text[0]);
	}
}

static void a_long_list_is_read_piece_by_piece(void **state)
{
	enum { N = 40000 };
	_cleanup_(containers_done) struct containers found = CONTAINERS_INIT;
	_cleanup_free_ char *text = malloc(N * 128);
	size_t n = 0;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < N; i++)
		n += (size_t)snprintf(text + n, 128, ",{\"Id\":\"%064x\",\"State\":\"paused\"}", i);
	text[0] = '[';
	(void)snprintf(text + n, 2, "]");
	assert_true(n > 3 << 20);
	assert_int_equal(parse_list(text, &found, NULL), 0);
	assert_int_equal(found.n, N);
}

static void one_that_is_too_big_is_told(void **state)
{
	_cleanup_(containers_done) struct containers found = CONTAINERS_INIT;
	_cleanup_free_ char *text = malloc(3 << 20);
	struct cj_error err = CJ_ERROR_INIT;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 3 << 20);
	memcpy(text, "[{\"Id\":\"", 8);
	memcpy(text + (3 << 20) - 4, "\"}]", 4);
	assert_int_equal(parse_list(text, &found, &err), -EFBIG);
}

static void words_that_no_container_can_have_are_known(void **state)
{
	static const char *const good[] = {"web", "/web", "a.b", "...", "-it",
					   "1",	  "%41",  "a b", "\xff"};
	static const char *const bad[] = {"",	 "/",	 ".",	 "..",	     "/..",  "//web",
					  "a/b", "../x", "a\nb", "\x1b[31m", "a\x7f"};
	char text[DOCKER_REF_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ELEMENTS(good); i++)
		assert_true(docker_ref_is_possible(good[i]));
	for (size_t i = 0; i < ELEMENTS(bad); i++)
		assert_false(docker_ref_is_possible(bad[i]));
	memset(text, 'x', sizeof(text));
	text[DOCKER_REF_MAX + 1] = '\0';
	assert_false(docker_ref_is_possible(text));
	text[DOCKER_REF_MAX] = '\0';
	assert_true(docker_ref_is_possible(text));
}

/* --- conversations --- */

struct talk {
	struct tree *tree;
	struct cj_engine_options options;
	struct engine_request request;
	struct source source;
	int listener;
	struct cj_error err;
};

static void begin_talk(struct talk *talk, struct tree *tree, const char *ref)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*talk = (struct talk){.tree = tree, .options = CJ_ENGINE_OPTIONS_INIT};
	talk->request = (struct engine_request){.options = &talk->options, .ref = ref, .root = ""};
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", tree->path);
	talk->source = (struct source){.engine = &engine_docker,
				       .request = &talk->request,
				       .address = strdup(address.sun_path),
				       .fd = -EBADF};
	talk->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(talk->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(talk->listener, 4), 0);
	assert_int_equal(source_connect(&talk->source), 0);
}

static void end_talk(struct talk *talk)
{
	docker_api_done(&talk->source);
	close(talk->listener);
	close_fd(&talk->source.fd);
	free(talk->source.address);
	containers_done(&talk->source.found);
	assert_int_equal(unlinkat(talk->tree->fd, "socket", 0), 0);
}

/* One request must be `wanted`; `answer` ends the connection. Returns what comes of it. */
static int one_turn(struct talk *talk, const char *wanted, const char *answer)
{
	char text[16384];
	_cleanup_fd_ int fd = -EBADF;
	ssize_t n;

	fd = accept4(talk->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	text[strcspn(text, "\r")] = '\0';
	assert_string_equal(text, wanted);
	assert_int_equal(write(fd, answer, strlen(answer)), strlen(answer));
	close_fd(&fd);
	return docker_api_step(&talk->source, &talk->err);
}

#define HTTP(status) "HTTP/1.0 " status "\r\nContent-Type: application/json\r\n\r\n"

static void a_name_is_asked_for(void **state)
{
	struct talk talk;

	begin_talk(&talk, *state, "/web");
	assert_int_equal(docker_api_step(&talk.source, &talk.err), 0);
	assert_int_equal(one_turn(&talk, "GET /containers/web/json HTTP/1.0",
				  HTTP("200 OK") "{\"Id\":\"" ID "\",\"Name\":\"/web\","
						 "\"State\":{\"Status\":\"running\",\"Pid\":7}}"),
			 1);
	assert_int_equal(talk.source.found.n, 1);
	assert_int_equal(talk.source.found.items[0].pid, 7);
	end_talk(&talk);
}

static void a_name_is_escaped(void **state)
{
	struct talk talk;

	begin_talk(&talk, *state, "a%2F b?c#d");
	assert_int_equal(docker_api_step(&talk.source, &talk.err), 0);
	assert_int_equal(one_turn(&talk, "GET /containers/a%252F%20b%3Fc%23d/json HTTP/1.0",
				  HTTP("404 Not Found") "{\"message\":\"no\"}"),
			 1);
	assert_int_equal(talk.source.found.n, 0);
	end_talk(&talk);
}

static void what_can_not_be_is_not_asked_for(void **state)
{
	struct talk talk;

	begin_talk(&talk, *state, "../images/json?x=");
	assert_int_equal(docker_api_step(&talk.source, &talk.err), 1);
	assert_int_equal(talk.source.found.n, 0);
	end_talk(&talk);
}

/* The first is docker's, the second podman's. */
static void several_ids_are_listed(void **state)
{
	static const char *const answers[] = {
		HTTP("400 Bad Request") "{\"message\":\"multiple IDs found with provided prefix: 0\"}",
		HTTP("404 Not Found") "{\"cause\":\"container already exists\",\"message\":"
				      "\"more than one result for container ID 0: x\"}",
	};

	static const char list[] = HTTP("200 OK") "[{\"Id\":\"" ID "\",\"State\":\"running\"},"
						  "{\"Id\":\"" OTHER "\",\"State\":\"running\"},"
						  "{\"Id\":\"" ID2 "\",\"State\":\"exited\"}]";

	for (size_t i = 0; i < ELEMENTS(answers); i++) {
		struct talk talk;

		begin_talk(&talk, *state, "012");
		assert_int_equal(docker_api_step(&talk.source, &talk.err), 0);
		assert_int_equal(one_turn(&talk, "GET /containers/012/json HTTP/1.0", answers[i]),
				 0);
		assert_int_equal(one_turn(&talk, "GET /containers/json?all=1 HTTP/1.0", list), 1);
		assert_int_equal(talk.source.found.n, 2);
		assert_string_equal(talk.source.found.items[0].id, ID);
		assert_string_equal(talk.source.found.items[1].id, ID2);
		end_talk(&talk);
	}
}

static void all_are_listed(void **state)
{
	struct talk talk;

	begin_talk(&talk, *state, NULL);
	assert_int_equal(docker_api_step(&talk.source, &talk.err), 0);
	assert_int_equal(
		one_turn(
			&talk,
			"GET /containers/json?filters=%7B%22status%22%3A%5B%22running%22%2C%22paused%22%5D%7D HTTP/1.0",
			HTTP("200 OK") "[{\"Id\":\"" ID "\",\"State\":\"exited\"},"
				       "{\"Id\":\"" ID2 "\",\"State\":\"paused\"}]"),
		1);
	assert_int_equal(talk.source.found.n, 1);
	assert_string_equal(talk.source.found.items[0].id, ID2);
	end_talk(&talk);
}

static void a_refusal_is_told_with_its_words(void **state)
{
	struct talk talk;

	begin_talk(&talk, *state, "web");
	assert_int_equal(docker_api_step(&talk.source, &talk.err), 0);
	assert_int_equal(one_turn(&talk, "GET /containers/web/json HTTP/1.0",
				  HTTP("500 Oops") "{\"message\":\"red \\u001b[31m\\n\"}"),
			 -EPROTO);
	assert_names(&talk.err, talk.source.address);
	assert_names(&talk.err, "500: red \\x1b[31m\\x0a");
	end_talk(&talk);
}

static void another_container_is_no_answer(void **state)
{
	struct talk talk;

	begin_talk(&talk, *state, "web");
	assert_int_equal(docker_api_step(&talk.source, &talk.err), 0);
	assert_int_equal(one_turn(&talk, "GET /containers/web/json HTTP/1.0",
				  HTTP("200 OK") "{\"Id\":\"" ID "\",\"Name\":\"/webber\","
						 "\"State\":{\"Status\":\"running\",\"Pid\":7}}"),
			 -EBADMSG);
	assert_names(&talk.err, "another container");
	end_talk(&talk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_is_read),
		cmocka_unit_test(states_are_those_of_the_engine),
		cmocka_unit_test(nonsense_is_no_container),
		cmocka_unit_test(depth_has_a_bound),
		cmocka_unit_test(many_labels_take_linear_time),
		cmocka_unit_test(a_list_is_read),
		cmocka_unit_test(a_list_may_be_empty),
		cmocka_unit_test(nonsense_is_no_list),
		cmocka_unit_test(a_long_list_is_read_piece_by_piece),
		cmocka_unit_test(one_that_is_too_big_is_told),
		cmocka_unit_test(words_that_no_container_can_have_are_known),
		cmocka_unit_test_setup_teardown(a_name_is_asked_for, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(a_name_is_escaped, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(what_can_not_be_is_not_asked_for, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(several_ids_are_listed, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(all_are_listed, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(a_refusal_is_told_with_its_words, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(another_container_is_no_answer, make_tree,
						remove_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
