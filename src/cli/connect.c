/* SPDX-License-Identifier: MIT
 *
 * conjoin connect: stdin and stdout over a connection that is made from where a container is.
 */
#include <stddef.h>

#include "base/cleanup.h"
#include "cli/address.h"
#include "cli/cli.h"
#include "cli/engines.h"
#include "cli/pump.h"
#include "cli/values.h"

struct arguments {
	struct engine_choice engines;
	const char *resolve, *timeout;
	bool verbose;
};

#define FIELD(member) offsetof(struct arguments, member)

static const struct option_row rows[] = {
	ENGINE_POD_ROWS(FIELD(engines)),
	ENGINE_ROWS(FIELD(engines)),
	{0, "resolve", "target|here",
	 "whose hosts and resolv.conf tell what a name means (default: target)", OPTION_TEXT,
	 FIELD(resolve)},
	{0, "timeout", "DURATION", "the connection has to be there by then (default: 30s)",
	 OPTION_TEXT, FIELD(timeout)},
	{'v', "verbose", NULL, "log what is done", OPTION_FLAG, FIELD(verbose)},
	{'h', "help", NULL, "this help", OPTION_HELP},
};

static const char usage[] =
	"Usage: conjoin connect [OPTION…] TARGET ADDRESS\n"
	"\n"
	"Connect from the net namespace of TARGET, as one of its processes would, and pass stdin on, and to\n"
	"stdout what comes back. ADDRESS is PORT, HOST:PORT, [V6]:PORT, /PATH of a UNIX socket beneath\n"
	"TARGET's root, or @NAME of an abstract one. PORT alone is on TARGET's loopback.\n"
	"\n"
	"  conjoin connect web 80\n"
	"  conjoin connect k8s:shop/cart db:5432\n"
	"  conjoin connect docker:db /run/postgresql/.s.PGSQL.5432\n"
	"  ssh -o ProxyCommand='conjoin connect box 22' root@box\n"
	"\n"
	"Options:";

static int connect_and_pump(struct cli *cli, const struct cj_engine_options *engines,
			    const char *name, const char *address,
			    const struct cj_connect_options *options)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_target *target = NULL;
	int r = engine_target(cli, engines, name, &target, &err);

	if (r == 0)
		r = cj_connect(target, address, options, &err);
	cj_target_free(target);
	if (r >= 0 && cli->verbose)
		cli_log(cli, CJ_LOG_STEP, "connected");
	if (r >= 0)
		r = pump_run(r, &err);
	return r < 0 ? cli_error(cli, &err) : 0;
}

int cmd_connect(struct cli *cli, int argc, char **argv)
{
	struct arguments arguments = {.resolve = NULL};
	struct cj_connect_options options = CJ_CONNECT_OPTIONS_INIT;
	struct cj_engine_options engines;
	struct cj_error err = CJ_ERROR_INIT;
	char address[CJ_ADDRESS_SIZE];
	int first = options_parse(cli, rows, ELEMENTS(rows), usage, argc, argv, &arguments);
	int status;

	if (first < 0)
		return first == -2 ? cli_finish(cli, 0) : cli->usage;
	cli->verbose = arguments.verbose;
	if (cli->no_stdout)
		return cli_finish(cli, 0); /* what comes back would be lost */
	if (argc - first != 2)
		return cli_usage(cli, argc - first < 2 ? "TARGET and ADDRESS are needed"
						       : "more than TARGET and ADDRESS");
	if (!address_complete(argv[first + 1], address))
		return cli_usage(cli, "an address that is too long");
	if (cj_address_check(address, 0, &err) < 0)
		return cli_usage(cli, "%s", err.text);
	status = value_duration(cli, "--timeout", arguments.timeout, &options.timeout);
	if (status == 0)
		status = value_resolve(cli, arguments.resolve, &options.resolve);
	if (status == 0)
		status = engine_options(cli, &arguments.engines, &engines);
	if (status == 0)
		status = connect_and_pump(cli, &engines, argv[first], address, &options);
	engine_choice_done(&arguments.engines);
	return status;
}
