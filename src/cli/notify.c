/* SPDX-License-Identifier: MIT */
#include "cli/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int notify_open(struct cli *cli, struct text_list *env, struct cj_notify **ret,
		struct cj_error *err)
{
	struct cj_notify_options options = CJ_NOTIFY_OPTIONS_INIT;
	char *variable;
	int r;

	options.address = getenv("NOTIFY_SOCKET");
	if (!options.address || !options.address[0]) {
		if (cli->verbose)
			cli_log(cli, CJ_LOG_STEP, "notify: no NOTIFY_SOCKET here, nobody is told");
		return 0;
	}
	options.log = cli_log;
	options.log_data = cli;
	options.log_level = cli->verbose ? CJ_LOG_STEP : CJ_LOG_WARNING;
	r = cj_notify_new(&options, ret, err);
	if (r < 0)
		return r;
	variable = strdup(cj_notify_variable(*ret));
	if (!variable)
		return cj_fail(err, ENOMEM, "keep a variable");
	text_list_add(env, variable);
	return 0;
}
