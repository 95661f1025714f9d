/* SPDX-License-Identifier: MIT
 *
 * The form of a request that is JSON, read strictly.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/parse.h"
#include "net/base64.h"
#include "net/request.h"

static void put_json(json_t **json)
{
	json_decref(*json);
}

/* A text of the client's, cut, as an error may show it. */
struct shown {
	char text[48];
};

static struct shown show(const char *text)
{
	struct shown shown = {.text = ""};

	(void)text_escape(shown.text, sizeof(shown.text), text);
	return shown;
}

static int wrong_type(const char *name, const char *wanted, struct cj_error *err)
{
	return cj_fail(err, EINVAL, "request: %s isn't %s", name, wanted);
}

/* A string that execve(2) would take. Jansson sees to NULs and UTF-8. */
static int take_text(const json_t *value, const char *name, const char *wanted, char **ret,
		     struct cj_error *err)
{
	char *copy;

	if (!json_is_string(value))
		return wrong_type(name, wanted, err);
	if (json_string_length(value) > NET_REQUEST_TEXT_MAX)
		return cj_fail(err, EMSGSIZE, "request: a text of more than %d bytes in %s",
			       NET_REQUEST_TEXT_MAX, name);
	copy = strdup(json_string_value(value));
	if (!copy)
		return cj_fail(err, ENOMEM, "keep request");
	*ret = copy;
	return 0;
}

static int take_argv(const json_t *value, struct net_request *request, struct cj_error *err)
{
	static const char wanted[] = "a list of texts, of which the first isn't empty";
	size_t n = json_array_size(value); /* 0, too, for what is no list */
	int r = 0;

	if (n == 0)
		return wrong_type("argv", wanted, err);
	if (n > NET_REQUEST_ARGS_MAX)
		return cj_fail(err, EINVAL, "request: more than %d arguments in argv",
			       NET_REQUEST_ARGS_MAX);
	request->argv = calloc(n + 1, sizeof(char *));
	if (!request->argv)
		return cj_fail(err, ENOMEM, "keep request");
	for (size_t i = 0; i < n && r == 0; i++)
		r = take_text(json_array_get(value, i), "argv", wanted, &request->argv[i], err);
	if (r == 0 && !request->argv[0][0])
		r = wrong_type("argv", wanted, err);
	return r;
}

static int take_command(const json_t *value, struct net_request *request, struct cj_error *err)
{
	static const char wanted[] = "a text that isn't empty";

	if (json_is_string(value) && json_string_length(value) == 0)
		return wrong_type("command", wanted, err);
	return take_text(value, "command", wanted, &request->command, err);
}

static int take_variable(const char *name, const json_t *value, char **ret, struct cj_error *err)
{
	size_t length = strlen(name);
	char *variable;

	if (length == 0 || strchr(name, '='))
		return cj_fail(err, EINVAL, "request: env has a name that is %s",
			       length ? "with =" : "empty");
	if (!json_is_string(value))
		return cj_fail(err, EINVAL, "request: env: %s isn't a text", show(name).text);
	if (length + 1 + json_string_length(value) > NET_REQUEST_TEXT_MAX)
		return cj_fail(err, EMSGSIZE, "request: env: %s has more than %d bytes",
			       show(name).text, NET_REQUEST_TEXT_MAX);
	if (asprintf(&variable, "%s=%s", name, json_string_value(value)) < 0)
		return cj_fail(err, ENOMEM, "keep request");
	*ret = variable;
	return 0;
}

static int take_env(const json_t *value, struct net_request *request, struct cj_error *err)
{
	const char *name;
	json_t *one, *object = json_incref((json_t *)(uintptr_t)value); /* the macro wants it so */
	size_t n = 0;
	int r = 0;

	if (!json_is_object(value))
		r = wrong_type("env", "an object of texts", err);
	else if (json_object_size(value) > NET_REQUEST_ENV_MAX)
		r = cj_fail(err, EINVAL, "request: more than %d variables in env",
			    NET_REQUEST_ENV_MAX);
	else
		request->env = calloc(json_object_size(value) + 1, sizeof(char *));
	if (r == 0 && !request->env)
		r = cj_fail(err, ENOMEM, "keep request");
	json_object_foreach(object, name, one)
	{
		if (r == 0)
			r = take_variable(name, one, &request->env[n++], err);
	}
	json_decref(object);
	return r;
}

static int take_cwd(const json_t *value, struct net_request *request, struct cj_error *err)
{
	static const char wanted[] = "an absolute path";

	if (!json_is_string(value) || json_string_value(value)[0] != '/' ||
	    json_string_length(value) > NET_REQUEST_CWD_MAX)
		return wrong_type("cwd", wanted, err);
	return take_text(value, "cwd", wanted, &request->cwd, err);
}

static int take_stdin(const json_t *value, struct net_request *request, struct cj_error *err)
{
	if (!json_is_string(value))
		return wrong_type("stdin", "a text (what isn't goes into stdin_base64)", err);
	request->input.size = json_string_length(value);
	request->input.data = strdup(json_string_value(value));
	if (!request->input.data)
		return cj_fail(err, ENOMEM, "keep request");
	request->has_input = true;
	return 0;
}

static int take_stdin_base64(const json_t *value, struct net_request *request, struct cj_error *err)
{
	size_t size = json_string_length(value);

	if (!json_is_string(value))
		return wrong_type("stdin_base64", "base64", err);
	if (request->has_input)
		return cj_fail(err, EINVAL, "request: both stdin and stdin_base64");
	request->input.data = malloc(BASE64_DECODED_MAX(size) + 1);
	if (!request->input.data)
		return cj_fail(err, ENOMEM, "keep request");
	if (base64_decode(BASE64_PLAIN, json_string_value(value), size, request->input.data,
			  &request->input.size) < 0)
		return wrong_type("stdin_base64", "base64", err);
	request->input.data[request->input.size] = '\0';
	request->has_input = true;
	return 0;
}

static int take_timeout(const json_t *value, struct net_request *request, struct cj_error *err)
{
	const double most = 1e9; /* seconds; and milliseconds of it fit */
	uint64_t ms = 0;

	if (json_is_string(value)) {
		if (parse_duration(json_string_value(value), &ms) < 0)
			ms = 0;
	} else if (json_is_number(value)) {
		double seconds = json_number_value(value);

		if (seconds > 0 && seconds <= most)
			ms = seconds < 0.001 ? 1 : (uint64_t)(seconds * 1000);
	}
	if (ms == 0 || ms > (uint64_t)most * 1000)
		return wrong_type("timeout", "a time above 0: seconds, or a text like 1.5m", err);
	request->timeout_ms = (int64_t)ms;
	return 0;
}

static int take_tty(const json_t *value, struct net_request *request, struct cj_error *err)
{
	if (!json_is_boolean(value))
		return wrong_type("tty", "true or false", err);
	request->tty = json_is_true(value);
	return 0;
}

static int take_cells(const json_t *value, const char *name, unsigned short *ret,
		      struct cj_error *err)
{
	json_int_t n = json_integer_value(value); /* 0, too, for what is no integer */

	if (n < 1 || n > 65535)
		return wrong_type(name, "a number from 1 to 65535", err);
	*ret = (unsigned short)n;
	return 0;
}

static int take_rows(const json_t *value, struct net_request *request, struct cj_error *err)
{
	return take_cells(value, "rows", &request->rows, err);
}

static int take_columns(const json_t *value, struct net_request *request, struct cj_error *err)
{
	return take_cells(value, "columns", &request->columns, err);
}

const char *const net_request_members[] = {"argv",  "command",	    "env",     "cwd",
					   "stdin", "stdin_base64", "timeout", "tty",
					   "rows",  "columns",	    NULL};

/* In the order of the names. */
static int (*const takers[])(const json_t *, struct net_request *, struct cj_error *) = {
	take_argv,	   take_command, take_env, take_cwd,  take_stdin,
	take_stdin_base64, take_timeout, take_tty, take_rows, take_columns,
};

_Static_assert(ELEMENTS(takers) == ELEMENTS(net_request_members) - 1, "each has a name");

static int refuse_unknown(const json_t *root, struct cj_error *err)
{
	json_t *object = json_incref((json_t *)(uintptr_t)root), *value;
	const char *name;
	int r = 0;

	json_object_foreach(object, name, value)
	{
		size_t i = 0;

		while (net_request_members[i] && strcmp(name, net_request_members[i]) != 0)
			i++;
		if (!net_request_members[i] && r == 0)
			r = cj_fail(err, EINVAL, "request: unknown member %s", show(name).text);
	}
	json_decref(object);
	return r;
}

static int check(enum net_request_rule rule, const struct net_request *request,
		 struct cj_error *err)
{
	if (request->argv && request->command)
		return cj_fail(err, EINVAL, "request: both argv and command");
	if (!request->argv && !request->command && rule == NET_REQUEST_NAMES_COMMAND)
		return cj_fail(err, EINVAL, "request: neither argv nor command");
	if (!request->tty && (request->rows || request->columns))
		return cj_fail(err, EINVAL, "request: rows and columns without tty");
	return 0;
}

int net_request_from_json(enum net_request_rule rule, const char *body, size_t size,
			  struct net_request *ret, struct cj_error *err)
{
	_cleanup_(net_request_done) struct net_request request = NET_REQUEST_INIT;
	_cleanup_(put_json) json_t *root = NULL;
	json_error_t why = {.text = ""};
	int r;

	root = json_loadb(body, size, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return cj_fail(err, EINVAL, "request: not JSON that can be taken: line %d: %s",
			       why.line, show(why.text).text);
	if (!json_is_object(root))
		return cj_fail(err, EINVAL, "request: not an object");
	r = refuse_unknown(root, err);
	for (size_t i = 0; i < ELEMENTS(takers) && r == 0; i++) {
		const json_t *value = json_object_get(root, net_request_members[i]);

		if (value)
			r = takers[i](value, &request, err);
	}
	if (r == 0)
		r = check(rule, &request, err);
	if (r < 0)
		return r;
	*ret = request;
	request = (struct net_request)NET_REQUEST_INIT;
	return 0;
}
