/* SPDX-License-Identifier: MIT */
#include "cli/engines.h"

#include <stdlib.h>

#include "base/parse.h"

void engine_choice_done(struct engine_choice *choice)
{
	text_list_done(&choice->sockets);
}

int engine_options(struct cli *cli, const struct engine_choice *choice,
		   struct cj_engine_options *ret)
{
	uint64_t ms = 0;

	if (choice->timeout && (parse_duration(choice->timeout, &ms) < 0 || ms == 0))
		return cli_usage(
			cli, "--engine-timeout \"%s\" (a number above 0, with ms, s, m, h or d)",
			choice->timeout);
	*ret = (struct cj_engine_options)CJ_ENGINE_OPTIONS_INIT;
	ret->timeout = (int64_t)ms;
	ret->sockets = choice->sockets.items;
	ret->docker_host = getenv("DOCKER_HOST");
	ret->container_host = getenv("CONTAINER_HOST");
	ret->runtime_endpoint = getenv("CONTAINER_RUNTIME_ENDPOINT");
	ret->runtime_dir = getenv("XDG_RUNTIME_DIR");
	ret->pod_namespace = choice->pod_namespace;
	ret->container = choice->container;
	if (cli->verbose) {
		ret->log = cli_log;
		ret->log_data = cli;
	}
	return 0;
}

int engine_target(struct cli *cli, const struct cj_engine_options *options, const char *text,
		  struct cj_target **ret, struct cj_error *err)
{
	cli->target = text;
	return cj_target_find(text, options, ret, err);
}
