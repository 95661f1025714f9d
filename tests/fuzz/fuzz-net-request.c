/* SPDX-License-Identifier: MIT
 *
 * Bodies of requests, JSON and not. What is taken can be given to execve(2), and what is refused is told in one line.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_texts(char **texts, size_t most)
{
	size_t n = 0;

	for (; texts && texts[n]; n++)
		assert(strlen(texts[n]) <= NET_REQUEST_TEXT_MAX);
	assert(n <= most);
}

static void assert_sound(enum net_request_rule rule, const struct net_request *request)
{
	assert(!request->argv || !request->command);
	assert(rule == NET_REQUEST_MAY_BE_EMPTY || request->argv || request->command);
	assert(!request->argv || (request->argv[0] && request->argv[0][0]));
	assert(!request->command || request->command[0]);
	assert_texts(request->argv, NET_REQUEST_ARGS_MAX);
	assert_texts(request->env, NET_REQUEST_ENV_MAX);
	for (char **variable = request->env; variable && *variable; variable++)
		assert((*variable)[0] != '=' && strchr(*variable, '='));
	assert(!request->cwd || request->cwd[0] == '/');
	assert(request->has_input == (request->input.data != NULL));
	assert(!request->has_input || request->input.data[request->input.size] == '\0');
	assert(request->timeout_ms >= 0);
	assert(request->tty || (!request->rows && !request->columns));
}

static void read_as(int (*from)(enum net_request_rule, const char *, size_t, struct net_request *,
				struct cj_error *),
		    enum net_request_rule rule, const char *body, size_t size)
{
	struct net_request request = NET_REQUEST_INIT;
	struct cj_error err = CJ_ERROR_INIT;

	if (from(rule, body, size, &request, &err) == 0) {
		assert_sound(rule, &request);
	} else {
		assert(err.code && err.text[0] && memchr(err.text, '\0', sizeof(err.text)));
		for (const char *at = err.text; *at; at++)
			assert((unsigned char)*at >= ' ' && *at != 0x7f);
		assert(!request.argv && !request.command && !request.env);
	}
	net_request_done(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *body =
		malloc(size ? size : 1); /* of its own, so that reading beyond its end is seen */

	assert(body);
	if (size > 0)
		memcpy(body, data, size);
	read_as(net_request_from_json, NET_REQUEST_NAMES_COMMAND, body, size);
	read_as(net_request_from_json, NET_REQUEST_MAY_BE_EMPTY, body, size);
	read_as(net_request_from_text, NET_REQUEST_NAMES_COMMAND, body, size);
	(void)net_request_is_json(body, size);
	free(body);
	return 0;
}
