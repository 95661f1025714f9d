/* SPDX-License-Identifier: MIT
 *
 * conjoin pids: parse, call the library, tell which process is which.
 * Not here: what the tree looks like (print_pids.c).
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "cli/cli.h"
#include "cli/engines.h"
#include "cli/print_pids.h"

struct arguments {
	struct pids_format format;
	const char *columns;
	struct text_list inside, host;
	struct engine_choice engines;
	bool verbose;
	/* As numbers: what is to be translated, or the host PIDs to list. */
	pid_t *numbers;
	size_t n_numbers;
};

#define FIELD(member) offsetof(struct arguments, member)

static const struct option_row rows[] = {
	{.kind = OPTION_HEADING, .help = "Which TARGET"},
	ENGINE_POD_ROWS(FIELD(engines)),
	ENGINE_ROWS(FIELD(engines)),

	{.kind = OPTION_HEADING, .help = "One number"},
	{0, "inside", "N", "print the host PID of the container's process N", OPTION_LIST,
	 FIELD(inside)},
	{0, "host", "N", "print the number that host PID N has inside", OPTION_LIST, FIELD(host)},

	{.kind = OPTION_HEADING, .help = "Output"},
	{0, "flat", NULL, "a list, no tree", OPTION_FLAG, FIELD(format.flat)},
	{'o', "output", "COLUMNS", "some of host,inside,levels,state,name,command", OPTION_TEXT,
	 FIELD(columns)},
	{0, "noheadings", NULL, "no line of headings", OPTION_FLAG, FIELD(format.no_headings)},
	{0, "json", NULL, "as JSON", OPTION_FLAG, FIELD(format.json)},
	{'v', "verbose", NULL, "tell how engines were asked", OPTION_FLAG, FIELD(verbose)},
	{'h', "help", NULL, "this help", OPTION_HELP},
};

static const char usage[] =
	"Usage: conjoin pids [OPTION…] TARGET [PID…]\n"
	"\n"
	"List the processes of the container of TARGET with their numbers outside and inside, or those\n"
	"that have the host PIDs given. Options stop at TARGET.\n"
	"\n"
	"  conjoin pids 4711\n"
	"  conjoin pids --inside 20 4711\n"
	"  conjoin pids --json pidfile:/run/web.pid";

static void arguments_done(struct arguments *arguments)
{
	engine_choice_done(&arguments->engines);
	text_list_done(&arguments->inside);
	text_list_done(&arguments->host);
	free(arguments->numbers);
}

/* One process that isn't there. The others are told all the same. */
static void complain(struct cli *cli, int *status, const struct cj_error *err)
{
	*status = cli_error(cli, err);
}

/* --inside and --host: a line a number. */
static int translate(struct cli *cli, const struct arguments *arguments,
		     const struct cj_target *target)
{
	int status = 0;

	for (size_t i = 0; i < arguments->n_numbers; i++) {
		struct cj_error err = CJ_ERROR_INIT;
		pid_t from = arguments->numbers[i], to;
		int r = arguments->inside.n > 0 ? cj_pids_host(target, from, &to, &err)
						: cj_pids_inside(target, from, &to, &err);

		if (r == 0)
			(void)printf("%d\n", to);
		else
			complain(cli, &status, &err);
	}
	return cli_finish(cli, status);
}

static int by_number(const void *a, const void *b)
{
	const pid_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Each PID that was asked for has to be among those found. */
static int check_found(struct cli *cli, const struct arguments *arguments,
		       const struct cj_pids *pids, int *status)
{
	size_t n = cj_pids_count(pids);
	_cleanup_free_ pid_t *found = calloc(n + 1, sizeof(*found));

	if (!found)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		found[i] = cj_pids_at(pids, i)->host;
	qsort(found, n, sizeof(*found), by_number);
	for (size_t i = 0; i < arguments->n_numbers; i++) {
		struct cj_error err = CJ_ERROR_INIT;
		const pid_t *wanted = &arguments->numbers[i];

		if (bsearch(wanted, found, n, sizeof(*found), by_number))
			continue;
		(void)cj_fail(&err, ESRCH, "find host PID %d among its processes", *wanted);
		complain(cli, status, &err);
	}
	return 0;
}

static void warn_of_unread(struct cli *cli, size_t n)
{
	char text[128];

	if (n == 0)
		return;
	(void)snprintf(text, sizeof(text), "%zu processes that may be inside: unreadable: EACCES",
		       n);
	cli_log(cli, CJ_LOG_WARNING, text);
}

static int list(struct cli *cli, const struct arguments *arguments, const struct cj_target *target)
{
	struct cj_pids_options options = CJ_PIDS_OPTIONS_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_pids *pids = NULL;
	int status = 0, r;

	options.only = arguments->numbers;
	options.n_only = arguments->n_numbers;
	options.no_commands = !pids_format_has_commands(&arguments->format);
	r = cj_pids_read(target, &options, &pids, &err);
	if (r < 0)
		return cli_error(cli, &err);
	r = print_pids(pids, &arguments->format);
	if (r == 0)
		r = check_found(cli, arguments, pids, &status);
	if (r < 0) {
		(void)cj_fail(&err, -r, "print the processes");
		complain(cli, &status, &err);
	}
	warn_of_unread(cli, cj_pids_unread(pids));
	cj_pids_free(pids);
	return cli_finish(cli, status);
}

/* `what` is how the number was given, for the error. */
static int take_numbers(struct cli *cli, struct arguments *arguments, const char *what, size_t n,
			const char *const *texts)
{
	arguments->numbers = n > 0 ? calloc(n, sizeof(*arguments->numbers)) : NULL;
	if (n > 0 && !arguments->numbers) {
		struct cj_error err = CJ_ERROR_INIT;

		(void)cj_fail(&err, ENOMEM, "read the command line");
		return cli_error(cli, &err);
	}
	for (size_t i = 0; i < n; i++) {
		if (parse_pid(texts[i], &arguments->numbers[i]) == 0)
			continue;
		if (texts[i][0] == '-' && strcmp(what, "PID") == 0)
			return cli_usage(cli, "options go before TARGET: %s", texts[i]);
		return cli_usage(cli, "%s \"%s\" isn't a PID", what, texts[i]);
	}
	arguments->n_numbers = n;
	return 0;
}

/* 0, or an exit status. */
static int complete(struct cli *cli, struct arguments *arguments, int argc, char **argv)
{
	const struct text_list *inside = &arguments->inside, *host = &arguments->host;
	struct pids_format *format = &arguments->format;
	bool translates = inside->n > 0 || host->n > 0;

	if (argc < 1)
		return cli_usage(cli, "TARGET is missing");
	cli->target = argv[0];
	if (inside->n > 0 && host->n > 0)
		return cli_usage(cli, "--inside and --host don't go together");
	if (translates &&
	    (argc > 1 || format->json || format->flat || format->no_headings || arguments->columns))
		return cli_usage(cli, "--inside and --host go with TARGET alone");
	if (format->json && (arguments->columns || format->no_headings))
		return cli_usage(cli, "--output and --noheadings don't go with --json");
	if (arguments->columns && pids_columns_parse(arguments->columns, format) < 0)
		return cli_usage(cli, "\"%s\" isn't a list of columns: %s", arguments->columns,
				 pids_columns_all());
	if (inside->n > 0)
		return take_numbers(cli, arguments, "--inside", inside->n, inside->items);
	if (host->n > 0)
		return take_numbers(cli, arguments, "--host", host->n, host->items);
	return take_numbers(cli, arguments, "PID", (size_t)argc - 1,
			    (const char *const *)(argv + 1));
}

int cmd_pids(struct cli *cli, int argc, char **argv)
{
	_cleanup_(arguments_done) struct arguments arguments = {.columns = NULL};
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_engine_options engines;
	struct cj_target *target = NULL;
	int first = options_parse(cli, rows, ELEMENTS(rows), usage, argc, argv, &arguments);
	int status;

	if (first < 0)
		return first == -2 ? cli_finish(cli, 0) : cli->usage;
	status = complete(cli, &arguments, argc - first, argv + first);
	if (status != 0)
		return status;
	cli->verbose = arguments.verbose;
	status = engine_options(cli, &arguments.engines, &engines);
	if (status != 0)
		return status;
	if (engine_target(cli, &engines, cli->target, &target, &err) < 0)
		return cli_error(cli, &err);
	status = arguments.inside.n > 0 || arguments.host.n > 0 ? translate(cli, &arguments, target)
								: list(cli, &arguments, target);
	cj_target_free(target);
	return status;
}
