/* SPDX-License-Identifier: MIT
 *
 * conjoin wait: until detached commands have ended; their exit status.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/parse.h"
#include "cli/cli.h"
#include "cli/engines.h"

enum { EXIT_TIMEOUT = 124 };

struct arguments {
	const char *timeout;
};

static const struct option_row rows[] = {
	{0, "timeout", "SECONDS", "wait no longer: 0.5, 30", OPTION_TEXT,
	 offsetof(struct arguments, timeout)},
	{'h', "help", NULL, "this help", OPTION_HELP},
};

static const char usage[] =
	"Usage: conjoin wait [OPTION…] HANDLE…\n"
	"\n"
	"Wait until each of the processes has ended. The exit status is the last one's, 128+N if a signal\n"
	"ended it; 1 if that isn't known, or the process was gone already; 124 after --timeout.\n"
	"A HANDLE is what conjoin exec -d prints; any other TARGET will do as well.\n"
	"\n"
	"  conjoin wait 4711:8193\n"
	"\n"
	"Options:";

/* All are pinned before the first is waited for: who ends meanwhile still tells how. */
static struct cj_target **open_all(struct cli *cli, const struct cj_engine_options *engines,
				   char **names, int n)
{
	struct cj_target **targets = calloc((size_t)n, sizeof(struct cj_target *));

	for (int i = 0; i < n && targets; i++) {
		struct cj_error err = CJ_ERROR_INIT;

		cli->target = names[i];
		if (cj_target_find_ended(names[i], engines, &targets[i], &err) == 0)
			continue;
		err.hint[0] = '\0'; /* that's about other commands */
		if (err.code == ESRCH)
			cj_hint(&err, "it has ended; how, only who waited before that can learn");
		(void)cli_error(cli, &err);
	}
	return targets;
}

static int left_until(int64_t deadline)
{
	int64_t left = deadline - clock_ms();

	if (deadline == INT64_MAX)
		return -1;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static int wait_for(struct cli *cli, const struct cj_target *target, int64_t deadline)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_exit end;
	int r = cj_target_wait(target, left_until(deadline), &end, &err);

	cli->target = cj_target_text(target);
	if (r == -ENODATA) {
		cli_log(cli, CJ_LOG_STEP, "it has ended, status unknown");
		return EXIT_TROUBLE;
	}
	if (r < 0) {
		(void)cli_error(cli, &err);
		return r == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_TROUBLE;
	}
	return end.signal ? 128 + end.signal : end.code;
}

static int wait_for_all(struct cli *cli, const struct cj_engine_options *engines, char **names,
			int n, int64_t deadline)
{
	struct cj_target **targets = open_all(cli, engines, names, n);
	struct cj_error err = CJ_ERROR_INIT;
	int status = EXIT_TROUBLE;

	if (!targets) {
		(void)cj_fail(&err, ENOMEM, "wait");
		return cli_error(cli, &err);
	}
	for (int i = 0; i < n; i++) {
		status = targets[i] ? wait_for(cli, targets[i], deadline) : EXIT_TROUBLE;
		if (status == EXIT_TIMEOUT && clock_ms() >= deadline)
			break;
	}
	for (int i = 0; i < n; i++)
		cj_target_free(targets[i]);
	free(targets);
	return status;
}

int cmd_wait(struct cli *cli, int argc, char **argv)
{
	static const struct engine_choice as_usual = {.timeout = NULL};
	struct arguments arguments = {.timeout = NULL};
	struct cj_engine_options engines;
	int first = options_parse(cli, rows, ELEMENTS(rows), usage, argc, argv, &arguments);
	int64_t deadline = INT64_MAX;
	uint64_t timeout;

	if (first < 0)
		return first == -2 ? cli_finish(cli, 0) : cli->usage;
	if (first == argc)
		return cli_usage(cli, "a HANDLE is missing");
	if (arguments.timeout) {
		if (parse_decimal(arguments.timeout, &timeout) < 0 || timeout > INT_MAX)
			return cli_usage(cli, "timeout \"%s\" is no number of seconds",
					 arguments.timeout);
		deadline = clock_ms() + (int64_t)timeout;
	}
	if (engine_options(cli, &as_usual, &engines) != 0)
		return cli->usage;
	return wait_for_all(cli, &engines, argv + first, argc - first, deadline);
}
