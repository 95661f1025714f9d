/* SPDX-License-Identifier: MIT */
#include "cli/engines.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/parse.h"

void engine_choice_done(struct engine_choice *choice)
{
	text_list_done(&choice->sockets);
}

/*
 * sudo -E and su leave us the directory of whoever called, whose engines aren't ours. Without asking the file
 * system, which is that user's: statx(2).
 */
static const char *own_runtime_dir(struct cli *cli)
{
	const char *path = getenv("XDG_RUNTIME_DIR");
	struct statx stx;
	char text[128];

	if (!path ||
	    statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_UID, &stx) < 0 ||
	    stx.stx_uid == geteuid())
		return path; /* what isn't there needn't be ours */
	if (cli->verbose) {
		(void)snprintf(text, sizeof(text), "XDG_RUNTIME_DIR is user %u's: not for us",
			       stx.stx_uid);
		cli_log(cli, CJ_LOG_STEP, text);
	}
	return NULL;
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
	ret->runtime_dir = own_runtime_dir(cli);
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
