/* SPDX-License-Identifier: MIT
 *
 * What a client asks to be run: both forms of a body, and everything that is refused.
 */
#include "unit.h"

#include "net/request.h"

static int from_json(const char *json, struct net_request *ret, struct cj_error *err)
{
	return net_request_from_json(NET_REQUEST_NAMES_COMMAND, json, strlen(json), ret, err);
}

static int from_text(const char *text, struct net_request *ret)
{
	return net_request_from_text(NET_REQUEST_NAMES_COMMAND, text, strlen(text), ret, NULL);
}

static void a_plain_body_is_a_command_byte_for_byte(void **state)
{
	struct net_request request = NET_REQUEST_INIT;

	(void)state;
	assert_int_equal(from_text("echo \xff 'a\nb'\n", &request), 0);
	assert_string_equal(request.command, "echo \xff 'a\nb'\n");
	assert_null(request.argv);
	assert_false(request.has_input);
	net_request_done(&request);
	assert_int_equal(from_text("", &request), -EINVAL);
	assert_int_equal(net_request_from_text(NET_REQUEST_MAY_BE_EMPTY, "", 0, &request, NULL), 0);
	assert_null(request.command);
	assert_int_equal(net_request_from_text(NET_REQUEST_NAMES_COMMAND, "a\0b", 3, &request,
					       NULL),
			 -EINVAL);
}

static void a_whole_request_is_read(void **state)
{
	static const char json[] =
		"{\"argv\":[\"ls\",\"\",\"\xc3\xa9\\n\"],\"env\":{\"B\":\"1=2\",\"A\":\"\"},"
		"\"cwd\":\"/tmp\",\"stdin\":\"in\",\"timeout\":1.5,\"tty\":true,\"rows\":24,\"columns\":80}";
	struct net_request request = NET_REQUEST_INIT;

	(void)state;
	assert_int_equal(from_json(json, &request, NULL), 0);
	assert_string_equal(request.argv[0], "ls");
	assert_string_equal(request.argv[1], "");
	assert_string_equal(request.argv[2], "\xc3\xa9\n");
	assert_null(request.argv[3]);
	assert_null(request.command);
	assert_string_equal(request.env[0], "B=1=2");
	assert_string_equal(request.env[1], "A=");
	assert_null(request.env[2]);
	assert_string_equal(request.cwd, "/tmp");
	assert_true(request.has_input);
	assert_int_equal(request.input.size, 2);
	assert_string_equal(request.input.data, "in");
	assert_int_equal(request.timeout_ms, 1500);
	assert_true(request.tty);
	assert_int_equal(request.rows, 24);
	assert_int_equal(request.columns, 80);
	net_request_done(&request);
	net_request_done(&request);
}

static void what_is_left_out_is_left_to_the_server(void **state)
{
	struct net_request request = NET_REQUEST_INIT;

	(void)state;
	assert_int_equal(from_json("{\"command\":\"a | b\"}", &request, NULL), 0);
	assert_string_equal(request.command, "a | b");
	assert_null(request.argv);
	assert_null(request.env);
	assert_null(request.cwd);
	assert_false(request.has_input);
	assert_int_equal(request.timeout_ms, 0);
	assert_false(request.tty);
	assert_int_equal(request.rows, 0);
	net_request_done(&request);
	assert_int_equal(net_request_from_json(NET_REQUEST_MAY_BE_EMPTY, "{}", 2, &request, NULL),
			 0);
	assert_null(request.argv);
	assert_null(request.command);
	net_request_done(&request);
}

static void stdin_may_be_bytes(void **state)
{
	static const struct {
		const char *text, *bytes;
		size_t size;
	} inputs[] = {
		{"", "", 0},
		{"AAEC/w==", "\0\1\2\377", 4},
		{"AAEC/wo=", "\0\1\2\377\n", 5},
		{"+/+/", "\373\377\277", 3},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(inputs); i++) {
		struct net_request request = NET_REQUEST_INIT;
		char json[80];

		(void)snprintf(json, sizeof(json), "{\"command\":\"x\",\"stdin_base64\":\"%s\"}",
			       inputs[i].text);
		assert_int_equal(from_json(json, &request, NULL), 0);
		assert_true(request.has_input);
		assert_int_equal(request.input.size, inputs[i].size);
		assert_memory_equal(request.input.data, inputs[i].bytes, inputs[i].size + 1);
		net_request_done(&request);
	}
}

static void a_timeout_is_seconds_or_a_duration(void **state)
{
	static const struct {
		const char *value;
		int64_t ms;
	} timeouts[] = {
		{"10", 10000},	     {"0.25", 250},	 {"1e2", 100000},
		{"0.0000001", 1},    {"\"10\"", 10000},	 {"\"10s\"", 10000},
		{"\"1.5m\"", 90000}, {"\"250ms\"", 250}, {"1000000000", 1000000000000},
		{"0", -1},	     {"-1", -1},	 {"0.0", -1},
		{"-0.0", -1},	     {"1e300", -1},	 {"1000000001", -1},
		{"\"0\"", -1},	     {"\"\"", -1},	 {"\"1x\"", -1},
		{"\" 1\"", -1},	     {"\"-1\"", -1},	 {"\"99999999999999d\"", -1},
		{"true", -1},	     {"null", -1},	 {"[1]", -1},
		{"{}", -1},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(timeouts); i++) {
		struct net_request request = NET_REQUEST_INIT;
		struct cj_error err = CJ_ERROR_INIT;
		char json[80];
		int r;

		(void)snprintf(json, sizeof(json), "{\"command\":\"x\",\"timeout\":%s}",
			       timeouts[i].value);
		r = from_json(json, &request, &err);
		if (r != (timeouts[i].ms < 0 ? -EINVAL : 0))
			fail_msg("%s: %d", timeouts[i].value, r);
		if (r < 0)
			assert_names(&err, "timeout");
		else
			assert_true(request.timeout_ms == timeouts[i].ms);
		net_request_done(&request);
	}
}

static const struct bad {
	const char *json, *word;
} bads[] = {
	{"", "JSON"},
	{"{", "JSON"},
	{"ls", "JSON"},
	{"{\"command\":\"x\"} x", "JSON"},
	{"{\"command\":\"x\",}", "JSON"},
	{"{'command':'x'}", "JSON"},
	{"[]", "object"},
	{"{}", "neither"},
	{"{\"env\":{}}", "neither"},
	{"{\"command\":\"x\",\"argv\":[\"x\"]}", "both"},
	{"{\"command\":\"x\",\"command\":\"y\"}", "uplicate"},
	{"{\"command\":\"x\",\"env\":{\"A\":\"1\",\"A\":\"2\"}}", "uplicate"},
	{"{\"command\":\"a\\u0000b\"}", "JSON"},
	{"{\"argv\":[\"a\\u0000b\"]}", "JSON"},
	{"{\"command\":\"x\",\"stdin\":\"\\u0000\"}", "JSON"},
	{"{\"command\":\"x\",\"env\":{\"A\\u0000\":\"\"}}", "JSON"},
	{"{\"command\":\"\xff\"}", "JSON"},
	{"{\"command\":\"\xed\xa0\x80\"}", "JSON"},
	{"{\"command\":\"\\ud800\"}", "JSON"},
	{"{\"command\":\"x\",\"user\":\"root\"}", "unknown member user"},
	{"{\"command\":\"x\",\"Tty\":true}", "unknown member Tty"},
	{"{\"command\":\"x\",\"\":1}", "unknown member"},
	{"{\"command\":\"x\",\"a\\u001b[31m\":1}", "a\\x1b[31m"},
	{"{\"command\":\"\"}", "command isn't"},
	{"{\"command\":1}", "command isn't"},
	{"{\"command\":null}", "command isn't"},
	{"{\"command\":[\"x\"]}", "command isn't"},
	{"{\"argv\":\"x\"}", "argv isn't"},
	{"{\"argv\":[]}", "argv isn't"},
	{"{\"argv\":[\"\"]}", "argv isn't"},
	{"{\"argv\":[1]}", "argv isn't"},
	{"{\"argv\":[\"x\",null]}", "argv isn't"},
	{"{\"argv\":{\"0\":\"x\"}}", "argv isn't"},
	{"{\"argv\":null}", "argv isn't"},
	{"{\"command\":\"x\",\"env\":[]}", "env isn't"},
	{"{\"command\":\"x\",\"env\":null}", "env isn't"},
	{"{\"command\":\"x\",\"env\":{\"A\":1}}", "env: A isn't"},
	{"{\"command\":\"x\",\"env\":{\"\":\"1\"}}", "empty"},
	{"{\"command\":\"x\",\"env\":{\"A=B\":\"1\"}}", "="},
	{"{\"command\":\"x\",\"cwd\":\"\"}", "cwd isn't"},
	{"{\"command\":\"x\",\"cwd\":\"tmp\"}", "cwd isn't"},
	{"{\"command\":\"x\",\"cwd\":1}", "cwd isn't"},
	{"{\"command\":\"x\",\"stdin\":1}", "stdin isn't"},
	{"{\"command\":\"x\",\"stdin\":\"\",\"stdin_base64\":\"\"}", "both stdin"},
	{"{\"command\":\"x\",\"stdin_base64\":\"AA\"}", "stdin_base64 isn't"},
	{"{\"command\":\"x\",\"stdin_base64\":\"AA= \"}", "stdin_base64 isn't"},
	{"{\"command\":\"x\",\"stdin_base64\":\"A===\"}", "stdin_base64 isn't"},
	{"{\"command\":\"x\",\"stdin_base64\":\"AB==\"}", "stdin_base64 isn't"},
	{"{\"command\":\"x\",\"stdin_base64\":\"AA==AA==\"}", "stdin_base64 isn't"},
	{"{\"command\":\"x\",\"stdin_base64\":\"AA-_\"}", "stdin_base64 isn't"},
	{"{\"command\":\"x\",\"stdin_base64\":7}", "stdin_base64 isn't"},
	{"{\"command\":\"x\",\"tty\":1}", "tty isn't"},
	{"{\"command\":\"x\",\"tty\":\"true\"}", "tty isn't"},
	{"{\"command\":\"x\",\"tty\":true,\"rows\":0}", "rows isn't"},
	{"{\"command\":\"x\",\"tty\":true,\"rows\":65536}", "rows isn't"},
	{"{\"command\":\"x\",\"tty\":true,\"columns\":1.5}", "columns isn't"},
	{"{\"command\":\"x\",\"tty\":true,\"columns\":-1}", "columns isn't"},
	{"{\"command\":\"x\",\"rows\":1}", "without tty"},
	{"{\"command\":\"x\",\"tty\":false,\"columns\":1}", "without tty"},
};

static void what_is_not_meant_so_is_refused_in_a_line_that_says_why(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(bads); i++) {
		struct net_request request = NET_REQUEST_INIT;
		struct cj_error err = CJ_ERROR_INIT;

		if (from_json(bads[i].json, &request, &err) != -EINVAL)
			fail_msg("%s was taken", bads[i].json);
		assert_names(&err, bads[i].word);
		for (const char *at = err.text; *at; at++)
			assert_true(*at >= ' ' && *at < 0x7f);
		assert_null(request.argv);
		assert_null(request.command);
	}
	assert_int_equal(net_request_from_json(NET_REQUEST_MAY_BE_EMPTY, "{\"command\":\"x\"}\0",
					       16, &(struct net_request)NET_REQUEST_INIT, NULL),
			 -EINVAL);
}

/* {"PREFIX xxx… "} with `n` characters. */
static int with_long_text(const char *before, size_t n, const char *after)
{
	struct net_request request = NET_REQUEST_INIT;
	size_t size = strlen(before) + n + strlen(after);
	char *json = malloc(size + 1);
	int r;

	assert_non_null(json);
	memcpy(json, before, strlen(before));
	memset(json + strlen(before), 'x', n);
	memcpy(json + strlen(before) + n, after, strlen(after) + 1);
	r = from_json(json, &request, NULL);
	net_request_done(&request);
	free(json);
	return r;
}

static void an_argument_is_as_long_as_execve_takes_it(void **state)
{
	const size_t most = NET_REQUEST_TEXT_MAX;
	struct net_request request = NET_REQUEST_INIT;
	char *text = malloc(most + 2);

	(void)state;
	assert_int_equal(with_long_text("{\"argv\":[\"", most, "\"]}"), 0);
	assert_int_equal(with_long_text("{\"argv\":[\"", most + 1, "\"]}"), -EMSGSIZE);
	assert_int_equal(with_long_text("{\"command\":\"", most, "\"}"), 0);
	assert_int_equal(with_long_text("{\"command\":\"", most + 1, "\"}"), -EMSGSIZE);
	assert_int_equal(with_long_text("{\"command\":\"x\",\"env\":{\"A\":\"", most - 2, "\"}}"),
			 0);
	assert_int_equal(with_long_text("{\"command\":\"x\",\"env\":{\"A\":\"", most - 1, "\"}}"),
			 -EMSGSIZE);
	assert_int_equal(with_long_text("{\"command\":\"x\",\"cwd\":\"/", NET_REQUEST_CWD_MAX - 1,
					"\"}"),
			 0);
	assert_int_equal(with_long_text("{\"command\":\"x\",\"cwd\":\"/", NET_REQUEST_CWD_MAX,
					"\"}"),
			 -EINVAL);
	assert_non_null(text);
	memset(text, 'x', most + 2);
	text[most + 1] = '\0';
	assert_int_equal(from_text(text, &request), -EMSGSIZE);
	text[most] = '\0';
	assert_int_equal(from_text(text, &request), 0);
	net_request_done(&request);
	free(text);
}

static int with_many(const char *before, const char *form, size_t n, const char *after)
{
	_cleanup_free_ char *json = malloc(64 + 32 * n);
	struct net_request request = NET_REQUEST_INIT;
	size_t size;
	int r;

	assert_non_null(json);
	size = (size_t)snprintf(json, 64, "%s", before);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			json[size++] = ',';
		if (*form == ':')
			size += (size_t)snprintf(json + size, 31, "\"v%zu\":\"\"", i);
		else
			size += (size_t)snprintf(json + size, 31, "\"x\"");
	}
	(void)snprintf(json + size, 32, "%s", after);
	r = from_json(json, &request, NULL);
	net_request_done(&request);
	return r;
}

static void arguments_and_variables_are_counted(void **state)
{
	static const char env[] = "{\"command\":\"x\",\"env\":{";

	(void)state;
	assert_int_equal(with_many("{\"argv\":[", "", NET_REQUEST_ARGS_MAX, "]}"), 0);
	assert_int_equal(with_many("{\"argv\":[", "", NET_REQUEST_ARGS_MAX + 1, "]}"), -EINVAL);
	assert_int_equal(with_many(env, ":", NET_REQUEST_ENV_MAX, "}}"), 0);
	assert_int_equal(with_many(env, ":", NET_REQUEST_ENV_MAX + 1, "}}"), -EINVAL);
}

static void only_one_type_is_json(void **state)
{
	static const struct {
		const char *type;
		bool json;
	} types[] = {
		{"application/json", true},
		{"Application/JSON", true},
		{"application/json;charset=utf-8", true},
		{" application/json ; x=y", true},
		{"application/json\t", true},
		{"application/jsonx", false},
		{"application/json-patch+json", false},
		{"application/json, text/plain", false},
		{"text/json", false},
		{"text/plain; application/json", false},
		{"application/jso", false},
		{"", false},
		{"application/json x", false},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(types); i++)
		assert_int_equal(net_request_is_json(types[i].type, strlen(types[i].type)),
				 types[i].json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_body_is_a_command_byte_for_byte),
		cmocka_unit_test(a_whole_request_is_read),
		cmocka_unit_test(what_is_left_out_is_left_to_the_server),
		cmocka_unit_test(stdin_may_be_bytes),
		cmocka_unit_test(a_timeout_is_seconds_or_a_duration),
		cmocka_unit_test(what_is_not_meant_so_is_refused_in_a_line_that_says_why),
		cmocka_unit_test(an_argument_is_as_long_as_execve_takes_it),
		cmocka_unit_test(arguments_and_variables_are_counted),
		cmocka_unit_test(only_one_type_is_json),
	};

	return cmocka_run_group_tests_name("net-request", tests, NULL, NULL);
}
