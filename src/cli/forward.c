/* SPDX-License-Identifier: MIT
 *
 * conjoin forward: ports here that lead to where a container is, or there that lead here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/engines.h"
#include "cli/forwarding.h"
#include "cli/values.h"

struct arguments {
	struct engine_choice engines;
	const char *resolve, *max_connections, *connect_timeout, *idle_timeout, *mode, *port_file;
	bool reverse, follow, verbose;
};

#define FIELD(member) offsetof(struct arguments, member)

static const struct option_row rows[] = {
	ENGINE_POD_ROWS(FIELD(engines)),
	ENGINE_ROWS(FIELD(engines)),
	{0, "reverse", NULL, "listen where TARGET is, and connect from here", OPTION_FLAG,
	 FIELD(reverse)},
	{0, "follow", NULL, "when TARGET has ended wait for it, and go on with it", OPTION_FLAG,
	 FIELD(follow)},
	{0, "resolve", "target|here",
	 "whose hosts and resolv.conf tell what a name is (default: target; --reverse: here)",
	 OPTION_TEXT, FIELD(resolve)},
	{0, "max-connections", "N", "so many at a time, others wait (default: 4096)", OPTION_TEXT,
	 FIELD(max_connections)},
	{0, "connect-timeout", "DURATION", "the other end has to be there by then (default: 30s)",
	 OPTION_TEXT, FIELD(connect_timeout)},
	{0, "idle-timeout", "DURATION", "end a connection without a byte for so long", OPTION_TEXT,
	 FIELD(idle_timeout)},
	{0, "mode", "OCTAL", "permissions of a UNIX socket's file (default: 666)", OPTION_TEXT,
	 FIELD(mode)},
	{0, "port-file", "FILE", "write the ports that are listened on to FILE, one a line",
	 OPTION_TEXT, FIELD(port_file)},
	{'v', "verbose", NULL, "log each connection", OPTION_FLAG, FIELD(verbose)},
	{'h', "help", NULL, "this help", OPTION_HELP},
};

static const char usage[] =
	"Usage: conjoin forward [OPTION…] TARGET [LISTEN:]CONNECT…\n"
	"\n"
	"Accept connections here, and pass them on to what TARGET sees at CONNECT, its loopback included. Each\n"
	"side is PORT, HOST:PORT, [V6]:PORT, /PATH of a UNIX socket or @NAME of an abstract one. PORT alone is the\n"
	"loopback's, on either side; port 0 of LISTEN is any that is free; without LISTEN it's CONNECT's port.\n"
	"\n"
	"  conjoin forward web 8080:80\n"
	"  conjoin forward docker:web 0.0.0.0:8080:80 5432:db:5432\n"
	"  conjoin forward db 5432:/run/postgresql/.s.PGSQL.5432\n"
	"  conjoin forward --reverse web 9000:9000\n"
	"\n"
	"Options:";

/* --- the command line --- */

/* What connections say is up to who connects; --verbose wants all of it. */
struct forward_log {
	struct cli *cli;
	struct sparing warnings;
};

static void log_event(void *data, enum cj_log_level level, const char *text)
{
	struct forward_log *log = data;

	if (log->cli->verbose)
		cli_log(log->cli, level, text);
	else if (level == CJ_LOG_WARNING)
		cli_log_sparingly(log->cli, &log->warnings, level, text);
}

static int take_options(struct cli *cli, const struct arguments *arguments,
			struct forwarding_request *request)
{
	size_t connections = 0;
	int status = value_duration(cli, "--connect-timeout", arguments->connect_timeout,
				    &request->options.connect_timeout);

	if (status == 0)
		status = value_duration(cli, "--idle-timeout", arguments->idle_timeout,
					&request->options.idle_timeout);
	if (status == 0)
		status = value_number(cli, "--max-connections", arguments->max_connections,
				      &connections);
	if (status == 0)
		status = value_mode(cli, arguments->mode, &request->listen.mode);
	if (status == 0)
		status = value_resolve(cli, arguments->resolve, &request->options.resolve);
	request->options.max_connections = (unsigned int)connections;
	request->options.log = log_event;
	return status;
}

static int take_ways(struct cli *cli, struct forwarding_request *request, int n, char **texts)
{
	if (n < 1)
		return cli_usage(cli, "what to forward is missing: 8080:80, for example");
	request->ways = calloc((size_t)n, sizeof(*request->ways));
	if (!request->ways)
		return cli_usage(cli, "out of memory");
	request->n = (size_t)n;
	for (int i = 0; i < n; i++) {
		struct cj_error err = CJ_ERROR_INIT;
		struct one_way *way = &request->ways[i];

		for (int k = 0; k < CJ_LISTENERS_MAX; k++) {
			way->number[k] = -1;
			way->listeners[k] = (struct cj_listener)CJ_LISTENER_INIT;
		}
		if (!way_parse(texts[i], &way->way))
			return cli_usage(cli, "\"%s\" isn't [LISTEN:]CONNECT", texts[i]);
		if (cj_address_check(way->way.listen, 1, &err) < 0 ||
		    cj_address_check(way->way.connect, 0, &err) < 0)
			return cli_usage(cli, "%s: %s", texts[i], err.text);
	}
	return 0;
}

/* As many connections as may be: each needs some. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int cmd_forward(struct cli *cli, int argc, char **argv)
{
	struct arguments arguments = {.mode = NULL};
	struct forwarding_request request = {.listen = CJ_LISTEN_OPTIONS_INIT,
					     .options = CJ_FORWARD_OPTIONS_INIT};
	struct cj_engine_options engines;
	struct forward_log log = {.cli = cli};
	int first = options_parse(cli, rows, ELEMENTS(rows), usage, argc, argv, &arguments);
	int status;

	if (first < 0)
		return first == -2 ? cli_finish(cli, 0) : cli->usage;
	cli->verbose = arguments.verbose;
	raise_limit();
	if (first == argc)
		return cli_usage(cli, "TARGET is missing");
	request.options.log_data = &log;
	request.target = argv[first];
	request.engines = &engines;
	request.reverse = arguments.reverse;
	request.follow = arguments.follow;
	request.port_file = arguments.port_file;
	status = take_options(cli, &arguments, &request);
	if (status == 0)
		status = take_ways(cli, &request, argc - first - 1, argv + first + 1);
	if (status == 0)
		status = engine_options(cli, &arguments.engines, &engines);
	if (status == 0)
		status = forwarding_run(cli, &request);
	free(request.ways);
	engine_choice_done(&arguments.engines);
	return status;
}
