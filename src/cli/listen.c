/* SPDX-License-Identifier: MIT
 *
 * conjoin listen: a server of the host's that listens where a container is.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/parse.h"
#include "base/told_file.h"
#include "cli/cli.h"
#include "cli/engines.h"
#include "cli/inetd.h"
#include "cli/job.h"
#include "cli/listeners.h"
#include "cli/values.h"
#include "cli/workers.h"

enum { CONNECTIONS = 64, GRACE_MS = 10000, RETRY_MS = 200, LISTENERS_MAX = 64 };

struct arguments {
	struct engine_choice engines;
	const char *mode, *max_connections, *max_per_source, *grace, *port_file;
	bool inetd, follow, verbose;
};

#define FIELD(member) offsetof(struct arguments, member)

static const struct option_row rows[] = {
	ENGINE_POD_ROWS(FIELD(engines)),
	ENGINE_ROWS(FIELD(engines)),
	{0, "inetd", NULL,
	 "accept here, and run COMMAND once a connection, which is its stdin and stdout",
	 OPTION_FLAG, FIELD(inetd)},
	{0, "max-connections", "N", "with --inetd: so many at a time, others wait (default: 64)",
	 OPTION_TEXT, FIELD(max_connections)},
	{0, "max-per-source", "N",
	 "with --inetd: so many at a time from one address, others are closed", OPTION_TEXT,
	 FIELD(max_per_source)},
	{0, "follow", NULL, "when TARGET has ended wait for it, and listen there again",
	 OPTION_FLAG, FIELD(follow)},
	{0, "mode", "OCTAL", "permissions of a UNIX socket's file (default: 666)", OPTION_TEXT,
	 FIELD(mode)},
	{0, "grace", "DURATION", "SIGKILL so long after COMMAND was told to end (default: 10s)",
	 OPTION_TEXT, FIELD(grace)},
	{0, "port-file", "FILE", "write the TCP ports that are listened on to FILE, one a line",
	 OPTION_TEXT, FIELD(port_file)},
	{'v', "verbose", NULL, "log where it listens, and what is done", OPTION_FLAG,
	 FIELD(verbose)},
	{'h', "help", NULL, "this help", OPTION_HELP},
};

static const char usage[] =
	"Usage: conjoin listen [OPTION…] TARGET [NAME=]ADDRESS… -- COMMAND [ARG…]\n"
	"\n"
	"Listen in the net namespace of TARGET, and run COMMAND here with the sockets as 3, 4, …, as a service\n"
	"manager starts a server: LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, sd_listen_fds(3). ADDRESS is PORT of\n"
	"TARGET's loopback, HOST:PORT, [V6]:PORT, *:PORT, /PATH of a UNIX socket beneath TARGET's root, or\n"
	"@NAME of an abstract one; port 0 is any that is free.\n"
	"\n"
	"  conjoin listen web 9000 -- ./exporter\n"
	"  conjoin listen --follow docker:web http=*:8080 /run/admin.sock -- ./server\n"
	"  conjoin listen --inetd web 7 -- cat\n"
	"\n"
	"Options:";

enum state {
	SERVING,
	STOPPING,   /* we were told to end, or there is nothing to serve any more */
	RESTARTING, /* the server is to end, and to begin again where TARGET is now */
	WAITING,    /* for an address that isn't there yet */
};

struct listening {
	struct cli *cli;
	const struct arguments *arguments;
	char *const *addresses;
	size_t n_addresses;
	char *const *argv;
	struct cj_listen_options options;
	int64_t grace;
	sigset_t mask; /* as we got it */
	int signals;
	struct cj_target *target; /* without --follow */
	struct cj_follow *follow;
	uint64_t net; /* where the sockets are */
	struct listeners listeners;
	struct workers workers;
	struct inetd inetd;
	struct told_file ports;
	enum state state;
	int64_t deadline; /* of the grace, or of the next try; 0: none */
	int status;
};

static struct cj_target *target_of(const struct listening *l)
{
	return l->follow ? cj_follow_target(l->follow) : l->target;
}

/* --- starting --- */

static char *join_names(const struct listeners *listeners)
{
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	(void)fputs("LISTEN_FDNAMES=", out);
	for (size_t i = 0; i < listeners->n; i++) {
		size_t length;

		(void)listener_split(listeners->names[i], &length);
		(void)fprintf(out, "%s%.*s", i ? ":" : "", length ? (int)length : 7,
			      length ? listeners->names[i] : "conjoin");
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int start_server(struct listening *l, struct cj_error *err)
{
	_cleanup_free_ char *names = join_names(&l->listeners);
	const char *const environment[] = {names};
	int fds[LISTENERS_MAX * CJ_LISTENERS_MAX];
	struct worker_start how = {
		.argv = l->argv,
		.fds = fds,
		.n_fds = l->listeners.n,
		.environment = environment,
		.n_environment = 1,
		.mask = &l->mask,
		.ignores_pipe = l->cli->ignores_pipe,
		.leads = !isatty(0), /* else it couldn't read it, and ctrl-C is for both */
	};

	if (!names)
		return cj_fail(err, ENOMEM, "start %s", l->argv[0]);
	for (size_t i = 0; i < l->listeners.n; i++)
		fds[i] = l->listeners.list[i].fd;
	return workers_start(&l->workers, &how, err);
}

static int begin(struct listening *l, struct cj_error *err)
{
	const struct cj_target *target = target_of(l);
	int r = cj_target_namespace(target, "net", &l->net);

	if (r < 0)
		return cj_fail(err, -r, "read its net namespace");
	r = listeners_open(&l->listeners, target, l->addresses, l->n_addresses, &l->options, err);
	if (r < 0)
		return r;
	for (size_t i = 0; l->arguments->inetd && i < l->listeners.n; i++)
		(void)fcntl(l->listeners.list[i].fd, F_SETFL, O_RDWR | O_NONBLOCK);
	if (l->cli->verbose)
		listeners_tell(l->cli, &l->listeners, target);
	r = listeners_write_ports(&l->listeners, &l->ports, err);
	if (r == 0 && !l->arguments->inetd)
		r = start_server(l, err);
	if (r == 0)
		l->state = SERVING;
	l->workers.ends_groups = false;
	l->deadline = 0;
	return r;
}

/* --- ending --- */

static void stop(struct listening *l, enum state state, int signal)
{
	if (l->state == STOPPING && state != STOPPING)
		return;
	if (l->state != state) /* who insists doesn't give it more time */
		l->deadline = clock_ms() + l->grace;
	l->state = state;
	l->workers.ends_groups = true;
	if (state == STOPPING) /* who comes now is told at once */
		listeners_done(&l->listeners, target_of(l));
	workers_signal(&l->workers, signal);
	workers_signal(&l->workers, SIGCONT); /* what is stopped hears nothing */
}

static void fail(struct listening *l, struct cj_error *err)
{
	err->status = 0; /* whatever it is: trouble */
	l->status = cli_error(l->cli, err);
	stop(l, STOPPING, SIGTERM);
}

/* Where the target is now. An address may need a moment to be there, as long as its network is set up. */
static void begin_again(struct listening *l)
{
	struct cj_error err = CJ_ERROR_INIT;
	int r;

	listeners_done(&l->listeners, target_of(l));
	r = begin(l, &err);
	if (r == 0)
		return;
	listeners_done(&l->listeners, target_of(l));
	if (err.status || !l->follow) {
		fail(l, &err);
		return;
	}
	if (l->state != WAITING)
		(void)cli_error(l->cli, &err);
	l->state = WAITING;
	l->deadline = clock_ms() + RETRY_MS;
}

/* --- what happens --- */

static void note_end(struct listening *l, int status)
{
	struct cj_error err = CJ_ERROR_INIT;

	if (l->arguments->inetd || l->state != SERVING)
		return; /* how one connection's ended is its own business */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		stop(l, STOPPING, SIGTERM);
		return;
	}
	if (WIFEXITED(status))
		(void)cj_fail(&err, ESHUTDOWN, "%s has ended with status %d", l->argv[0],
			      WEXITSTATUS(status));
	else
		(void)cj_fail(&err, ESHUTDOWN, "%s was ended by signal %d", l->argv[0],
			      WTERMSIG(status));
	fail(l, &err);
}

static void take_signals(struct listening *l)
{
	struct signalfd_siginfo info;
	struct worker worker;
	int status;

	while (read(l->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int number = (int)info.ssi_signo;

		if (number == SIGCHLD || number == SIGPIPE)
			continue;
		/* A terminal tells its whole foreground group, the server included; of its end only the session's leader. */
		bool told = info.ssi_code == SI_KERNEL && number != SIGHUP &&
			    !l->arguments->inetd && isatty(0);

		if (number == SIGHUP && l->arguments->inetd)
			stop(l, STOPPING, SIGTERM);
		else if (number == SIGTERM || number == SIGINT || number == SIGQUIT)
			stop(l, STOPPING, told ? 0 : number);
		else if (!told)
			workers_signal(&l->workers, number);
	}
	while (workers_reap(&l->workers, &worker, &status))
		note_end(l, status);
}

static void target_is_back(struct listening *l, struct cj_target *before)
{
	uint64_t net = 0;

	if (cj_target_namespace(target_of(l), "net", &net) == 0 && net == l->net &&
	    l->listeners.n > 0 && !listeners_have_files(&l->listeners)) {
		cli_log(l->cli, CJ_LOG_STEP, "the target is back, in the same net namespace");
		cj_target_free(before);
		return;
	}
	cli_log(l->cli, CJ_LOG_STEP, "the target is back");
	cj_target_free(before);
	stop(l, RESTARTING, SIGTERM);
}

static void look_at_target(struct listening *l)
{
	struct cj_target *before = NULL;
	struct cj_error err = CJ_ERROR_INIT;

	if (l->state == STOPPING)
		return;
	if (!l->follow) {
		if (cj_target_verify(l->target) == 0)
			return;
		(void)cj_fail(&err, ESHUTDOWN, "the target has ended");
		fail(l, &err);
		return;
	}
	switch (cj_follow_step(l->follow, &before)) {
	case CJ_FOLLOW_GONE:
		cli_log(l->cli, CJ_LOG_STEP, "the target has ended; it's waited for");
		break;
	case CJ_FOLLOW_BACK:
		target_is_back(l, before);
		break;
	default:
		break;
	}
}

/* What is due, and what has come to its end. False: all has. */
static bool go_on(struct listening *l)
{
	bool due = l->deadline && clock_ms() >= l->deadline;

	if (l->state == WAITING && due && cj_target_verify(target_of(l)) == 0)
		begin_again(l);
	else if (l->state == RESTARTING && l->workers.n == 0)
		begin_again(l);
	else if (due && (l->state == STOPPING || l->state == RESTARTING))
		workers_signal(&l->workers, SIGKILL);
	if (due && l->deadline && clock_ms() >= l->deadline)
		l->deadline = clock_ms() + RETRY_MS;
	return l->state != STOPPING || l->workers.n > 0;
}

static int timeout_of(const struct listening *l)
{
	int64_t left = l->deadline - clock_ms();
	int timeout = l->deadline == 0 ? -1 : left < 0 ? 0 : (int)left;

	if (l->follow)
		timeout = timeout_sooner(timeout, cj_follow_timeout(l->follow));
	return l->arguments->inetd ? timeout_sooner(timeout, inetd_timeout(&l->inetd)) : timeout;
}

static void serve(struct listening *l)
{
	while (go_on(l)) {
		struct pollfd fds[2 + LISTENERS_MAX * CJ_LISTENERS_MAX] = {
			{.fd = l->signals, .events = POLLIN},
			{.fd = l->state == STOPPING ? -1
			       : l->follow	    ? cj_follow_fd(l->follow)
						    : cj_target_pidfd(l->target),
			 .events = POLLIN},
		};
		size_t n = l->arguments->inetd && l->state == SERVING
				   ? inetd_wanted(&l->inetd, &l->listeners, &l->workers, fds + 2,
						  ELEMENTS(fds) - 2)
				   : 0;

		if (poll(fds, 2 + n, timeout_of(l)) < 0)
			continue;
		take_signals(l);
		look_at_target(l);
		for (size_t i = 0; i < n && l->state == SERVING; i++)
			if (fds[2 + i].revents)
				inetd_accept(l->cli, &l->inetd, fds[2 + i].fd, &l->workers);
		if (l->inetd.lost && l->state == SERVING) {
			l->status = l->cli->failure;
			stop(l, STOPPING, SIGTERM);
		}
	}
}

/* --- the command line --- */

static int take_options(struct listening *l)
{
	const struct arguments *arguments = l->arguments;
	struct cli *cli = l->cli;
	uint64_t grace = GRACE_MS;
	int status;

	l->inetd = (struct inetd){.argv = l->argv,
				  .mask = &l->mask,
				  .ignores_pipe = cli->ignores_pipe,
				  .max = CONNECTIONS,
				  .max_per_source = SIZE_MAX};
	if (!arguments->inetd && (arguments->max_connections || arguments->max_per_source))
		return cli_usage(cli, "%s goes with --inetd",
				 arguments->max_connections ? "--max-connections"
							    : "--max-per-source");
	status = value_number(cli, "--max-connections", arguments->max_connections, &l->inetd.max);
	if (status == 0)
		status = value_number(cli, "--max-per-source", arguments->max_per_source,
				      &l->inetd.max_per_source);
	l->options = (struct cj_listen_options)CJ_LISTEN_OPTIONS_INIT;
	if (status == 0)
		status = value_mode(cli, arguments->mode, &l->options.mode);
	if (status == 0 && arguments->grace && parse_duration(arguments->grace, &grace) < 0)
		return cli_usage(cli, "--grace \"%s\" (a number, with ms, s, m, h or d)",
				 arguments->grace);
	l->grace = (int64_t)grace;
	return status;
}

static int open_signals(struct listening *l, struct cj_error *err)
{
	sigset_t set;

	job_signals(&set);
	(void)sigdelset(&set, SIGTSTP); /* these stop us, and the server with us */
	(void)sigdelset(&set, SIGTTIN);
	(void)sigdelset(&set, SIGTTOU);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, &l->mask);
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return l->signals < 0 ? cj_fail(err, errno, "make a signalfd") : 0;
}

static int run(struct listening *l, const struct cj_engine_options *engines, const char *name)
{
	struct cj_error err = CJ_ERROR_INIT;
	int r;

	l->cli->target = name;
	r = l->arguments->follow ? cj_follow_new(name, engines, &l->follow, &err)
				 : cj_target_find(name, engines, &l->target, &err);
	if (r == 0)
		r = open_signals(l, &err);
	if (r == 0)
		r = told_file_open("port file", l->arguments->port_file, &l->ports, &err);
	if (r == 0)
		r = begin(l, &err);
	if (r == 0)
		serve(l);
	if (target_of(l))
		listeners_done(&l->listeners, target_of(l));
	told_file_remove(&l->ports);
	told_file_done(&l->ports);
	workers_done(&l->workers);
	close_fd(&l->signals);
	cj_target_free(l->target);
	cj_follow_free(l->follow);
	if (r < 0)
		err.status = 0; /* whatever it is: trouble */
	return r < 0 ? cli_error(l->cli, &err) : l->status;
}

int cmd_listen(struct cli *cli, int argc, char **argv)
{
	struct arguments arguments = {.mode = NULL};
	struct listening l = {.cli = cli,
			      .arguments = &arguments,
			      .signals = -EBADF,
			      .ports = TOLD_FILE_INIT};
	struct cj_engine_options engines;
	int first = options_parse(cli, rows, ELEMENTS(rows), usage, argc, argv, &arguments);
	int dashes = first, status;

	if (first < 0)
		return first == -2 ? cli_finish(cli, 0) : cli->usage;
	cli->verbose = arguments.verbose;
	while (dashes < argc && strcmp(argv[dashes], "--") != 0)
		dashes++;
	if (dashes - first < 2)
		return cli_usage(cli, "TARGET and an ADDRESS are needed");
	if (dashes + 1 >= argc)
		return cli_usage(cli, "-- and COMMAND are missing");
	l.addresses = argv + first + 1;
	l.n_addresses = (size_t)(dashes - first - 1);
	l.argv = argv + dashes + 1;
	if (l.n_addresses > LISTENERS_MAX)
		return cli_usage(cli, "more than %d addresses", LISTENERS_MAX);
	status = listeners_check(cli, l.addresses, l.n_addresses);
	if (status == 0)
		status = take_options(&l);
	if (status == 0)
		status = engine_options(cli, &arguments.engines, &engines);
	if (status == 0)
		status = run(&l, &engines, argv[first]);
	engine_choice_done(&arguments.engines);
	return status;
}
