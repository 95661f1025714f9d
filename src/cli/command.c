/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "cli/env_file.h"
#include "cli/print_plan.h"

enum { EXIT_TIMEOUT = 124, GRACE_MS = 10000, ENDING_MS = 200 };

void command_done(struct command *command)
{
	engine_choice_done(&command->engines);
	env_list_done(&command->environment);
	text_list_done(&command->env);
	text_list_done(&command->env_files);
	text_list_done(&command->rlimits);
}

/* Fills in what the library takes as lists. The caller's environment is read here and only here. */
static int complete(struct command *command, struct cj_error *err)
{
	struct text_list *env = &command->environment;

	for (size_t i = 0; i < command->env_files.n; i++) {
		int r = env_file_read(command->env_files.items[i], env, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < command->env.n; i++) {
		int r = env_option(command->env.items[i], env, err);

		if (r < 0)
			return r;
	}
	command->exec.env = env->items;
	command->exec.rlimits = command->rlimits.items;
	return 0;
}

/* What the supervisor passes on. The rest are its own faults, or stop and continue it. */
static void forwarded_signals(sigset_t *ret)
{
	static const int not_forwarded[] = {SIGCHLD, SIGPIPE, SIGSEGV, SIGBUS, SIGILL,
					    SIGFPE,  SIGTRAP, SIGABRT, SIGSYS, SIGTTIN,
					    SIGTTOU, SIGTSTP, SIGCONT};

	(void)sigfillset(ret);
	for (size_t i = 0; i < ELEMENTS(not_forwarded); i++)
		(void)sigdelset(ret, not_forwarded[i]);
}

static int open_signals(struct cj_error *err)
{
	sigset_t set;
	int fd;

	forwarded_signals(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? cj_fail(err, errno, "make a signalfd") : fd;
}

static int exit_status(const struct cj_exit *end)
{
	return end->signal ? 128 + end->signal : end->code;
}

/* The command's own status is what counts, but nothing of its output may be lost in silence. */
static void warn_of_lost_output(struct cli *cli, int code)
{
	char text[128];

	if (!code)
		return;
	(void)snprintf(text, sizeof(text), "the command's output was lost: %s", strerror(code));
	cli_log(cli, CJ_LOG_WARNING, text);
}

/* Nothing was started, and won't be until our own file is out of the container's reach. */
static int seal(const struct cli *cli, const struct cj_target *target, struct cj_error *err)
{
	int r;

	*err = (struct cj_error)CJ_ERROR_INIT;
	r = cj_seal_self(target, cli->argv, environ, err);
	return r < 0 ? r : cj_fail(err, ENOEXEC, "start the command, though we are sealed");
}

/*
 * What runs in a container is killed with it, and a bare 137 doesn't tell. The kernel ends the container's
 * first process after all the others.
 */
static void tell_if_target_ended(struct cli *cli, const struct cj_target *target,
				 const struct cj_exit *end)
{
	struct pollfd ended = {.fd = cj_target_pidfd(target), .events = POLLIN};

	if (end->signal == SIGKILL && poll(&ended, 1, ENDING_MS) == 1)
		cli_log(cli, CJ_LOG_WARNING, "the target has ended, and the command with it");
}

static int run(struct cli *cli, const struct command *command, bool pty,
	       const struct cj_target *target, struct cj_plan *plan, int *ret_status,
	       struct cj_error *err)
{
	struct cj_launch_options launch = CJ_LAUNCH_OPTIONS_INIT;
	struct cj_session_options session = command->session;
	_cleanup_(terminal_done) struct terminal terminal = TERMINAL_INIT;
	_cleanup_fd_ int signals = open_signals(err);
	struct cj_child *child = NULL;
	struct cj_exit end;
	int r;

	if (signals < 0)
		return signals;
	launch.log = cli_log;
	launch.log_data = cli;
	launch.log_level = cli->verbose ? CJ_LOG_STEP : CJ_LOG_WARNING;
	session.signals = launch.signals = signals;
	r = terminal_open(&command->terminal, pty, plan, &launch, &session, &terminal, err);
	if (r == 0)
		r = cj_launch(plan, &launch, &child, err);
	if (r == 0) {
		terminal_started(&terminal);
		r = cj_session_run(child, &session, &end, err);
	}
	if (r == 0) {
		*ret_status = session.timed_out ? EXIT_TIMEOUT : exit_status(&end);
		if (!session.timed_out)
			tell_if_target_ended(cli, target, &end);
		warn_of_lost_output(cli, session.output_error);
	}
	cj_child_free(child);
	return r;
}

static int run_detached(struct cli *cli, struct command *command, struct detach *detach,
			struct cj_plan *plan, int *ret_status, struct cj_error *err)
{
	const char *cgroup = command->exec.cgroup;

	command->detach.stays = cgroup ? strcmp(cgroup, "own") == 0 : command->own_cgroup;
	forwarded_signals(&command->detach.forwarded);
	return detach_run(cli, detach, plan, ret_status, err);
}

/* Everything after the parser. */
static int execute(struct cli *cli, struct command *command,
		   const struct cj_engine_options *engines, int *ret_status, struct cj_error *err)
{
	struct cj_target *target = NULL;
	struct cj_plan *plan = NULL;
	_cleanup_(detach_done) struct detach detach = DETACH_INIT(&command->detach);
	bool pty = !command->detached && terminal_wants_pty(&command->terminal);
	int r = command->dry_run ? 0 : detach_open(&detach, err);

	if (pty)
		command->exec.terminal = getenv("TERM");
	if (r == 0)
		r = cj_target_find(cli->target, engines, &target, err);
	if (r == 0)
		r = command->plan(command, target, &plan, err);
	if (r == 0) {
		if (command->dry_run)
			*ret_status = print_plan(cli, plan, command->json);
		else if (command->detached)
			r = run_detached(cli, command, &detach, plan, ret_status, err);
		else
			r = run(cli, command, pty, target, plan, ret_status, err);
	}
	if (r == -ENOEXEC && plan && !err->status)
		r = seal(cli, target, err);
	/* What others could see is put in order by now; memory and files the kernel frees faster. */
	if (r == 0)
		exit(*ret_status);
	cj_plan_free(plan);
	cj_target_free(target);
	return r;
}

static int read_duration(const struct cli *cli, const char *option, const char *text, int64_t *ret)
{
	uint64_t ms;

	if (!text)
		return 0;
	if (parse_duration(text, &ms) < 0)
		return cli_usage(cli, "--%s \"%s\" (a number, with ms, s, m, h or d)", option,
				 text);
	*ret = (int64_t)ms;
	return 0;
}

static int read_times(const struct cli *cli, struct command *command)
{
	struct cj_session_options *session = &command->session;

	session->grace = GRACE_MS;
	if (command->grace && !command->timeout)
		return cli_usage(cli, "--grace goes with --timeout");
	if (command->timeout && command->detached)
		return cli_usage(cli, "--detach and --timeout don't go together");
	if (read_duration(cli, "timeout", command->timeout, &session->timeout) != 0)
		return EXIT_OURS;
	return read_duration(cli, "grace", command->grace, &session->grace);
}

static int check_together(const struct cli *cli, const struct command *command)
{
	if (command->json && !command->dry_run)
		return cli_usage(cli, "--json goes with --dry-run");
	if (!command->detached && (command->detach.log || command->detach.pid_file))
		return cli_usage(cli, "--log and --pid-file go with --detach");
	if (command->detached && command->terminal.choice == TERMINAL_FORCE)
		return cli_usage(cli, "--detach and --tty don't go together");
	if (command->detached && command->terminal.interactive)
		return cli_usage(cli, "--detach and --interactive don't go together");
	return 0;
}

static int take_operands(struct cli *cli, struct command *command, int argc, char **argv)
{
	if (argc < 1)
		return cli_usage(cli, "TARGET is missing");
	cli->target = argv[0];
	if (argc > 1 && strcmp(argv[1], "--") == 0) {
		argc--;
		argv++;
	} else if (argc > 1 && argv[1][0] == '-') {
		return cli_usage(
			cli, "options go before TARGET; a COMMAND that begins with - needs --: %s",
			argv[1]);
	}
	command->exec.argv = argc > 1 ? (const char *const *)(argv + 1) : NULL;
	return 0;
}

int command_main(struct cli *cli, struct command *command, int argc, char **argv)
{
	struct cj_engine_options engines;
	struct cj_error err = CJ_ERROR_INIT;
	int status = EXIT_OURS;

	if (check_together(cli, command) != 0 || read_times(cli, command) != 0)
		return EXIT_OURS;
	cli->verbose = command->verbose || command->debug;
	command->exec.explain = cli->verbose || command->dry_run;
	if (take_operands(cli, command, argc, argv) != 0 ||
	    engine_options(cli, &command->engines, &engines) != 0)
		return EXIT_OURS;
	if (complete(command, &err) < 0 || execute(cli, command, &engines, &status, &err) < 0)
		return cli_error(cli, &err);
	return status;
}
