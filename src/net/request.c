/* SPDX-License-Identifier: MIT */
#include "net/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

void net_request_done(struct net_request *request)
{
	free_list(request->argv);
	free(request->command);
	free_list(request->env);
	free(request->cwd);
	bytes_done(&request->input);
	*request = (struct net_request)NET_REQUEST_INIT;
}

int net_request_from_text(enum net_request_rule rule, const char *body, size_t size,
			  struct net_request *ret, struct cj_error *err)
{
	char *command;

	if (size == 0 && rule == NET_REQUEST_NAMES_COMMAND)
		return cj_fail(err, EINVAL, "request: the body is empty, not a shell command");
	if (size > NET_REQUEST_TEXT_MAX)
		return cj_fail(err, EMSGSIZE, "request: a command of more than %d bytes",
			       NET_REQUEST_TEXT_MAX);
	if (size > 0 && memchr(body, '\0', size))
		return cj_fail(err, EINVAL, "request: a NUL in the command");
	*ret = (struct net_request)NET_REQUEST_INIT;
	if (size == 0)
		return 0;
	command = malloc(size + 1);
	if (!command)
		return cj_fail(err, ENOMEM, "keep request");
	memcpy(command, body, size);
	command[size] = '\0';
	ret->command = command;
	return 0;
}

bool net_request_is_json(const char *type, size_t size)
{
	static const char json[] = "application/json";
	const size_t length = sizeof(json) - 1;

	while (size > 0 && (*type == ' ' || *type == '\t')) {
		type++;
		size--;
	}
	if (size < length || strncasecmp(type, json, length) != 0)
		return false;
	for (type += length, size -= length; size > 0 && (*type == ' ' || *type == '\t'); type++)
		size--;
	return size == 0 || *type == ';';
}
