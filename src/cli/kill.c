/* SPDX-License-Identifier: MIT
 *
 * conjoin kill: signals to detached commands, by handle and so never to somebody else.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/engines.h"
#include "cli/signals.h"

struct arguments {
	const char *signal;
	bool list;
};

static const struct option_row rows[] = {
	{'s', "signal", "SIGNAL", "TERM (default), SIGHUP, 9, RTMIN+3, …; 0 only asks", OPTION_TEXT,
	 offsetof(struct arguments, signal)},
	{'l', "list", NULL, "list the signals", OPTION_FLAG, offsetof(struct arguments, list)},
	{'h', "help", NULL, "this help", OPTION_HELP},
};

static const char usage[] =
	"Usage: conjoin kill [OPTION…] HANDLE…\n"
	"\n"
	"Send a signal to each of the processes. A HANDLE is what conjoin exec -d prints: it names one\n"
	"process for good, and who got its PID later is never hit. Any other TARGET will do as well, but\n"
	"for a bare PID: say pid:4711.\n"
	"\n"
	"  conjoin kill 4711:8193\n"
	"  conjoin kill -s HUP 4711:8193\n"
	"\n"
	"Options:";

static int send_to(struct cli *cli, const struct cj_engine_options *engines, const char *name,
		   int number)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_target *target = NULL;
	int r = engine_target(cli, engines, name, &target, &err);

	if (r == 0) {
		r = cj_target_signal(target, number);
		if (r < 0)
			(void)cj_fail(&err, -r, "send signal %d", number);
	}
	cj_target_free(target);
	return r < 0 ? cli_error(cli, &err) : 0;
}

int cmd_kill(struct cli *cli, int argc, char **argv)
{
	static const struct engine_choice as_usual = {.timeout = NULL};
	struct arguments arguments = {.signal = "TERM"};
	struct cj_engine_options engines;
	int first = options_parse(cli, rows, ELEMENTS(rows), usage, argc, argv, &arguments);
	int number, status = 0;

	if (first < 0)
		return first == -2 ? cli_finish(cli, 0) : cli->usage;
	if (arguments.list)
		return first < argc ? cli_usage(cli, "--list takes no HANDLE") : signals_list(cli);
	number = signal_parse(arguments.signal);
	if (number < 0)
		return cli_usage(cli, "signal \"%s\" is unknown (see --list)", arguments.signal);
	if (first == argc)
		return cli_usage(cli, "a HANDLE is missing");
	for (int i = first; i < argc; i++)
		if (!argv[i][strspn(argv[i], "0123456789")] && argv[i][0])
			return cli_usage(
				cli,
				"%s is a PID, which can be another process's by now: give the handle, or pid:%s",
				argv[i], argv[i]);
	if (engine_options(cli, &as_usual, &engines) != 0)
		return cli->usage;
	for (int i = first; i < argc; i++)
		if (send_to(cli, &engines, argv[i], number) != 0)
			status = EXIT_TROUBLE;
	return status;
}
