/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/parse.h"
#include "cli/env_file.h"
#include "cli/exit_as.h"
#include "cli/job.h"
#include "cli/notify.h"
#include "cli/print_plan.h"
#include "cli/signals.h"

enum { EXIT_TIMEOUT = 124, START_MS = 1000, GRACE_MS = 10000 };

void command_done(struct command *command)
{
	engine_choice_done(&command->engines);
	env_list_done(&command->environment);
	text_list_done(&command->env);
	text_list_done(&command->env_files);
	text_list_done(&command->rlimits);
	cj_notify_free(command->notify);
	close_fd(&command->record.fd);
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

/* The command has its own of them: who reads what it writes there sees the end when it closes them. */
static void close_preserved(const struct command *command)
{
	for (unsigned int i = 0; i < command->preserved; i++)
		(void)close(3 + (int)i);
}

/* Of whoever watches from outside: who the command is. */
static int announce(struct cli *cli, struct command *command, struct detach *detach,
		    const struct cj_child *child, struct cj_error *err)
{
	int r = detach_write_pid(detach, child, err);

	if (r < 0)
		return r;
	close_preserved(command);
	status_started(&command->status, cli, child);
	command->status.step = "session";
	return 0;
}

/* Nothing was started, and won't be until our own file is out of the container's reach. */
static int seal(const struct cli *cli, const struct cj_target *target, struct cj_error *err)
{
	int r;

	*err = (struct cj_error)CJ_ERROR_INIT;
	r = cj_seal_self(target, cli->argv, environ, err);
	return r < 0 ? r : cj_fail(err, ENOEXEC, "start the command, though we are sealed");
}

/* A bare 137 doesn't tell why. */
static void take_outcome(struct cli *cli, const struct cj_child *child, const struct cj_exit *end,
			 const struct cj_session_options *session, struct outcome *ret)
{
	*ret = (struct outcome){
		.end = *end,
		.status = session->timed_out ? EXIT_TIMEOUT : exit_status(end),
		.timed_out = session->timed_out,
		.oom = session->oom,
		.reason = cj_ending_text((enum cj_ending)session->ending),
	};
	ret->used = cj_child_usage(child, &ret->usage) == 0;
	if (ret->reason)
		cli_log(cli, CJ_LOG_WARNING, ret->reason);
	warn_of_lost_output(cli, session->output_error);
}

/* By --detach-keys. All is another process's then: returns only after a failure. */
static int leave(struct terminal *terminal, struct detach *detach, struct cj_child *child,
		 struct cj_session_options *session, struct cj_error *err)
{
	int r;

	terminal_done(terminal);
	r = detach_keys_leave(detach, child, session, err);
	if (r == 0)
		exit(0);
	return r;
}

/* What doesn't depend on our own terminal and signals. */
static void fill_in(struct cli *cli, const struct command *command, const struct cj_plan *plan,
		    struct cj_launch_options *launch, struct cj_session_options *session)
{
	launch->log = session->log = cli_log;
	launch->log_data = session->log_data = cli;
	launch->log_level = cli->verbose ? CJ_LOG_STEP : CJ_LOG_WARNING;
	launch->threaded = command->keys.n > 0; /* so that it can go on when we don't */
	launch->preserve_fds = command->preserved;
	launch->deadline = command->exec.deadline;
	session->detach_keys = command->keys.keys;
	session->n_detach_keys = command->keys.n;
	session->plan = plan;
	session->watch_early = command->status.fd >= 0;
}

static int run(struct cli *cli, struct command *command, struct detach *detach,
	       struct cj_plan *plan, struct outcome *ret, struct cj_error *err)
{
	struct cj_launch_options launch = CJ_LAUNCH_OPTIONS_INIT;
	struct cj_session_options session = command->session;
	_cleanup_(terminal_done) struct terminal terminal = TERMINAL_INIT;
	_cleanup_fd_ int signals = job_open_signals(err);
	struct job job = {&terminal, signals};
	struct cj_child *child = NULL;
	struct cj_exit end;
	int r;

	if (signals < 0)
		return signals;
	fill_in(cli, command, plan, &launch, &session);
	session.signals = launch.signals = signals;
	session.event = job_event;
	session.event_data = &job;
	launch.guarded_terminal = terminal_guarded(command->pty);
	r = terminal_open(&command->terminal, command->pty, plan, &launch, &session, &terminal,
			  err);
	if (r == 0 && command->notify)
		r = cj_notify_listen(command->notify, plan, err);
	session.notify = command->notify;
	if (r == 0)
		r = cj_launch(plan, &launch, &child, err);
	if (r == 0)
		r = announce(cli, command, detach, child, err);
	if (r == 0) {
		terminal_started(&terminal, child);
		record_start(cli, &command->record, &session);
		r = cj_session_run(child, &session, &end, err);
	}
	if (r == 0 && session.detached) {
		terminal_done(&terminal);
		record_end(cli, &command->record); /* what comes now is shown to nobody */
		session.recording = NULL;
		r = leave(&terminal, detach, child, &session, err);
	} else if (r == 0)
		take_outcome(cli, child, &end, &session, ret);
	terminal_done(&terminal); /* as long as there is a watchdog that would do it for us */
	record_end(cli, &command->record);
	cj_child_free(child);
	cj_notify_free(take_ptr(command->notify));
	told_file_remove(&detach->pid);
	return r;
}

/* Everything is put in order. */
static int finish(struct cli *cli, struct command *command, const struct outcome *outcome)
{
	status_exited(&command->status, cli, outcome);
	if (command->exits_as_signal && outcome->end.signal && !outcome->timed_out)
		die_of(outcome->end.signal);
	return outcome->status;
}

static int run_attached(struct cli *cli, struct command *command, struct detach *detach,
			struct cj_plan *plan, int *ret_status, struct cj_error *err)
{
	struct outcome outcome;
	int r = run(cli, command, detach, plan, &outcome, err);

	if (r == 0)
		*ret_status = finish(cli, command, &outcome);
	return r;
}

static int run_detached(struct cli *cli, struct command *command, struct detach *detach,
			struct cj_plan *plan, int *ret_status, struct cj_error *err)
{
	const char *cgroup = command->exec.cgroup;

	command->detach.stays = cgroup ? strcmp(cgroup, "own") == 0 : command->own_cgroup;
	job_signals(&command->detach.forwarded);
	return detach_run(cli, detach, plan, ret_status, err);
}

/* --timeout is about the command, but a start that hangs is ended by it, too; a busy machine has its second. */
static int64_t start_by(int64_t timeout)
{
	int64_t now = clock_ms(), ms = timeout < START_MS ? START_MS : timeout;

	return ms > INT64_MAX - now ? INT64_MAX : now + ms;
}

/* Everything after the parser. */
static int execute(struct cli *cli, struct command *command,
		   const struct cj_engine_options *engines, int *ret_status, struct cj_error *err)
{
	struct cj_target *target = NULL;
	struct cj_plan *plan = NULL;
	_cleanup_(detach_done) struct detach detach = DETACH_INIT(&command->detach);
	int r = command->dry_run ? 0 : detach_open(&detach, err);

	if (r == 0 && !command->dry_run)
		r = record_open(&command->record, err);
	if (command->pty)
		command->exec.terminal = getenv("TERM");
	if (r == 0) {
		command->status.step = "target";
		r = cj_target_find(cli->target, engines, &target, err);
	}
	if (command->session.timeout && !command->dry_run)
		command->exec.deadline = start_by(command->session.timeout);
	if (r == 0) {
		command->status.step = "plan";
		r = command->plan(command, target, &plan, err);
	}
	if (r == 0) {
		command->status.step = "start";
		if (command->dry_run)
			*ret_status = print_plan(cli, plan, command->json);
		else if (command->detached)
			r = run_detached(cli, command, &detach, plan, ret_status, err);
		else
			r = run_attached(cli, command, &detach, plan, ret_status, err);
	}
	if (r == -ENOEXEC && plan && !err->status) {
		status_inherit(&command->status);
		r = seal(cli, target, err);
	}
	if (r == -ETIMEDOUT && command->exec.deadline && clock_ms() >= command->exec.deadline)
		err->status = EXIT_TIMEOUT;
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
	if (command->signal && !command->timeout)
		return cli_usage(cli, "--signal goes with --timeout");
	if (command->signal && (session->timeout_signal = signal_parse(command->signal)) <= 0)
		return cli_usage(cli, "signal \"%s\" is unknown (conjoin kill --list)",
				 command->signal);
	if ((command->kill_tree || command->wait_all) && command->detached)
		return cli_usage(cli, "--detach goes with neither --kill-tree nor --wait-all");
	session->kill_tree = command->kill_tree;
	session->wait_all = command->wait_all;
	command->exec.tree = command->timeout || command->kill_tree || command->wait_all;
	if (read_duration(cli, "timeout", command->timeout, &session->timeout) != 0)
		return EXIT_OURS;
	return read_duration(cli, "grace", command->grace, &session->grace);
}

static int read_detach_keys(const struct cli *cli, struct command *command)
{
	const struct terminal_request *terminal = &command->terminal;

	if (!command->detach_keys)
		return 0;
	if (detach_keys_parse(command->detach_keys, &command->keys) < 0)
		return cli_usage(
			cli,
			"--detach-keys \"%s\" (ctrl-p,ctrl-q or single characters, %d at most)",
			command->detach_keys, DETACH_KEYS_MAX);
	if (command->keys.n > 0 && (terminal->no_stdin || !command->pty))
		return cli_usage(cli, "--detach-keys goes with a pty and with keys: -t");
	return 0;
}

static int check_together(const struct cli *cli, const struct command *command)
{
	if (command->json && !command->dry_run)
		return cli_usage(cli, "--json goes with --dry-run");
	if (!command->detached && command->keys.n == 0 && command->detach.log)
		return cli_usage(cli, "--log goes with --detach or --detach-keys");
	if (command->detached && command->terminal.choice == TERMINAL_FORCE)
		return cli_usage(cli, "--detach and --tty don't go together");
	if (command->detached && command->terminal.interactive)
		return cli_usage(cli, "--detach and --interactive don't go together");
	if (command->notifies && (command->detached || command->keys.n > 0))
		return cli_usage(cli, "--notify goes with neither --detach nor --detach-keys");
	if (command->record.path || command->record.input)
		return record_check(cli, &command->record, command->pty);
	return 0;
}

/* Before anything else is opened, so that nothing of ours can lie at these numbers. */
static int read_fds(const struct cli *cli, struct command *command)
{
	const char *text = command->preserve_fds;
	int n = 0;

	if (text && parse_int(text, 0, INT_MAX - 3, &n) < 0)
		return cli_usage(cli, "--preserve-fds \"%s\" (a number of file descriptors)", text);
	for (int fd = 3; fd < 3 + n; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return cli_usage(cli, "--preserve-fds %d: fd %d isn't open", n, fd);
	command->preserved = command->detach.preserve_fds = (unsigned int)n;
	if (command->status_fd && (command->detached || command->keys.n > 0))
		return cli_usage(cli, "--status-fd goes with neither --detach nor --detach-keys");
	if (command->status_fd && command->dry_run)
		return cli_usage(cli, "--dry-run and --status-fd don't go together");
	if (command->exit_as && command->detached)
		return cli_usage(cli, "--detach and --exit-as don't go together");
	if (exit_as_parse(cli, command->exit_as, &command->exits_as_signal) != 0)
		return EXIT_OURS;
	return status_open(cli, command->status_fd, command->preserved, &command->status);
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

	command->pty = !command->detached && terminal_wants_pty(&command->terminal);
	if (read_detach_keys(cli, command) != 0 || check_together(cli, command) != 0 ||
	    read_times(cli, command) != 0 || read_fds(cli, command) != 0)
		return EXIT_OURS;
	cli->verbose = command->verbose || command->debug;
	command->exec.explain = cli->verbose || command->dry_run;
	if (command->notifies &&
	    notify_open(cli, &command->environment, &command->notify, &err) < 0)
		return cli_error(cli, &err);
	if (take_operands(cli, command, argc, argv) != 0 ||
	    engine_options(cli, &command->engines, &engines) != 0)
		return EXIT_OURS;
	if (complete(command, &err) < 0 || execute(cli, command, &engines, &status, &err) < 0) {
		status = cli_error(cli, &err);
		status_failed(&command->status, cli, &err, status);
	}
	return status;
}
