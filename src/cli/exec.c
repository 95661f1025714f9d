/* SPDX-License-Identifier: MIT
 *
 * conjoin exec: parse, call the library, tell how it ended.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/detach.h"
#include "cli/env_file.h"
#include "cli/options.h"
#include "cli/print_plan.h"
#include "cli/terminal.h"

struct arguments {
	struct cj_exec_options exec;
	struct text_list env, env_files, rlimits;
	struct terminal_request terminal;
	struct detach_request detach;
	bool detached;
	bool dry_run, json, verbose, debug;
};

#define FIELD(member) offsetof(struct arguments, member)

static const struct option_row rows[] = {
	{.kind = OPTION_HEADING, .help = "Where"},
	{0, "namespaces", "LIST",
	 "join these: all, or mnt,uts,ipc,pid,net,user,cgroup,time; -KIND leaves out", OPTION_TEXT,
	 FIELD(exec.namespaces)},
	{0, "cgroup", "MODE",
	 "target (default), keep (ours), own (a fresh one), try (what can be joined)", OPTION_TEXT,
	 FIELD(exec.cgroup)},
	{0, "memory", "SIZE", "limit of --cgroup own: 64m, 1.5g", OPTION_TEXT, FIELD(exec.memory)},
	{0, "cpus", "NUMBER", "limit of --cgroup own: 0.5, 2", OPTION_TEXT, FIELD(exec.cpus)},
	{0, "pids-limit", "NUMBER", "limit of --cgroup own", OPTION_TEXT, FIELD(exec.pids_limit)},
	{0, "root", "DIR", "root directory, beneath the target's", OPTION_TEXT, FIELD(exec.root)},
	{'w', "workdir", "DIR", "working directory (default: the target's)", OPTION_TEXT,
	 FIELD(exec.cwd)},
	{'r', "rootfs", NULL,
	 "if COMMAND isn't there, look in the target's PATH, and in /usr/bin for /bin", OPTION_FLAG,
	 FIELD(exec.rootfs)},

	{.kind = OPTION_HEADING, .help = "Who"},
	{'u', "user", "USER[:GROUP]", "names of the target's passwd and group, or numbers",
	 OPTION_TEXT, FIELD(exec.user)},
	{0, "cap-add", "LIST", "capabilities beyond the target's, or all", OPTION_TEXT,
	 FIELD(exec.cap_add)},
	{0, "cap-drop", "LIST", "capabilities to go without, or all", OPTION_TEXT,
	 FIELD(exec.cap_drop)},
	{0, "privileged", NULL, "every capability, no seccomp filter, no label", OPTION_FLAG,
	 FIELD(exec.privileged)},
	{0, "no-new-privs", "yes|no", "instead of the target's", OPTION_TEXT,
	 FIELD(exec.no_new_privs)},
	{0, "seccomp", "auto|copy|off|FILE",
	 "the filter of the target's OCI bundle (auto), its live one (copy: stops it briefly), none, a profile",
	 OPTION_TEXT, FIELD(exec.seccomp)},
	{0, "bundle", "PATH", "the OCI bundle, where it isn't found", OPTION_TEXT,
	 FIELD(exec.bundle)},
	{0, "label", "LABEL", "AppArmor profile or SELinux context", OPTION_TEXT,
	 FIELD(exec.label)},
	{0, "skip", "PART[,PART]", "parts of the target's identity that aren't taken on",
	 OPTION_TEXT, FIELD(exec.skip)},

	{.kind = OPTION_HEADING, .help = "How"},
	{'e', "env", "NAME[=VALUE]", "set a variable; NAME alone takes the caller's value",
	 OPTION_LIST, FIELD(env)},
	{0, "env-file", "FILE", "variables from a file, a line each", OPTION_LIST,
	 FIELD(env_files)},
	{0, "clear-env", NULL, "begin with an empty environment", OPTION_FLAG,
	 FIELD(exec.clear_env)},
	{0, "rlimit", "NAME=SOFT[:HARD]", "a resource limit, names as in prlimit(1)", OPTION_LIST,
	 FIELD(rlimits)},
	{0, "oom-score-adj", "NUMBER", "-1000 to 1000", OPTION_TEXT, FIELD(exec.oom_score_adj)},
	{0, "nice", "NUMBER", "-20 to 19", OPTION_TEXT, FIELD(exec.nice)},
	{0, "scheduler", "POLICY", "other, batch, idle, fifo:N, rr:N", OPTION_TEXT,
	 FIELD(exec.scheduler)},
	{0, "ioprio", "CLASS", "none, idle, best-effort:N, realtime:N", OPTION_TEXT,
	 FIELD(exec.ioprio)},
	{0, "affinity", "CPUS", "processors to run on: 0-3,7", OPTION_TEXT, FIELD(exec.affinity)},
	{0, "umask", "OCTAL", "file mode creation mask", OPTION_TEXT, FIELD(exec.umask)},
	{0, "personality", "HEX", "execution domain", OPTION_TEXT, FIELD(exec.personality)},
	{0, "timer-slack", "NS", "timer slack in nanoseconds", OPTION_TEXT,
	 FIELD(exec.timer_slack)},
	{0, "core-filter", "HEX", "what a core dump holds, core(5)", OPTION_TEXT,
	 FIELD(exec.core_filter)},

	{.kind = OPTION_HEADING, .help = "Input and output"},
	{'i', "interactive", NULL, "read the terminal on stdin also without a pty", OPTION_FLAG,
	 FIELD(terminal.interactive)},
	{'t', "tty", NULL, "make a pty (default: if stdin and stdout are terminals)",
	 OPTION_TERMINAL, FIELD(terminal.choice), TERMINAL_FORCE},
	{'T', "no-tty", NULL, "make no pty", OPTION_TERMINAL, FIELD(terminal.choice),
	 TERMINAL_FORBID},
	{0, "no-stdin", NULL, "stdin is /dev/null", OPTION_FLAG, FIELD(terminal.no_stdin)},
	{'d', "detach", NULL,
	 "print HANDLE and PID inside as soon as COMMAND runs, and end; 0, 1, 2 are /dev/null",
	 OPTION_FLAG, FIELD(detached)},
	{0, "log", "FILE", "with --detach: stdout and stderr are added to FILE", OPTION_TEXT,
	 FIELD(detach.log)},
	{0, "pid-file", "FILE", "with --detach: write the PID, as it is here, to FILE", OPTION_TEXT,
	 FIELD(detach.pid_file)},
	{0, "dry-run", NULL, "print the plan and do nothing", OPTION_FLAG, FIELD(dry_run)},
	{0, "json", NULL, "with --dry-run: as JSON", OPTION_FLAG, FIELD(json)},
	{'v', "verbose", NULL, "log each step with its result", OPTION_FLAG, FIELD(verbose)},
	{'D', "debug", NULL, "the same as --verbose", OPTION_FLAG, FIELD(debug)},
	{'h', "help", NULL, "this help", OPTION_HELP},
};

static const char usage[] =
	"Usage: conjoin exec [OPTION…] TARGET [COMMAND [ARG…]]\n"
	"\n"
	"Run COMMAND as if the container of TARGET itself had started it: in all of its namespaces and\n"
	"cgroups, with its root, environment, ids, capabilities, limits and confinement. Without COMMAND\n"
	"the user's login shell, else sh. Options stop at TARGET.\n"
	"With --detach nothing of conjoin stays behind, but for --cgroup own: then one process does, to\n"
	"remove that cgroup in the end.\n"
	"\n"
	"  conjoin exec 4711 ps aux\n"
	"  conjoin exec -u app -w /srv -e DEBUG=1 pidfile:/run/web.pid ./check --all\n"
	"  conjoin exec -d --log /var/log/job 4711 ./job\n"
	"  conjoin exec --dry-run comm:nginx";

static void arguments_done(struct arguments *arguments)
{
	text_list_done(&arguments->env);
	text_list_done(&arguments->env_files);
	text_list_done(&arguments->rlimits);
}

/* Fills in what the library takes as lists. The caller's environment is read here and only here. */
static int complete(struct arguments *arguments, struct text_list *env, struct cj_error *err)
{
	for (size_t i = 0; i < arguments->env_files.n; i++) {
		int r = env_file_read(arguments->env_files.items[i], env, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < arguments->env.n; i++) {
		int r = env_option(arguments->env.items[i], env, err);

		if (r < 0)
			return r;
	}
	arguments->exec.env = env->items;
	arguments->exec.rlimits = arguments->rlimits.items;
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

static int run(struct cli *cli, const struct arguments *arguments, bool pty, struct cj_plan *plan,
	       int *ret_status, struct cj_error *err)
{
	struct cj_launch_options launch = CJ_LAUNCH_OPTIONS_INIT;
	struct cj_session_options session = CJ_SESSION_OPTIONS_INIT;
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
	r = terminal_open(&arguments->terminal, pty, plan, &launch, &session, &terminal, err);
	if (r == 0)
		r = cj_launch(plan, &launch, &child, err);
	if (r == 0) {
		terminal_started(&terminal);
		r = cj_session_run(child, &session, &end, err);
	}
	if (r == 0) {
		*ret_status = exit_status(&end);
		warn_of_lost_output(cli, session.output_error);
	}
	cj_child_free(child);
	return r;
}

static int run_detached(struct cli *cli, struct arguments *arguments, struct detach *detach,
			struct cj_plan *plan, int *ret_status, struct cj_error *err)
{
	const char *cgroup = arguments->exec.cgroup;

	arguments->detach.stays = cgroup && strcmp(cgroup, "own") == 0;
	forwarded_signals(&arguments->detach.forwarded);
	return detach_run(cli, detach, plan, ret_status, err);
}

/* Everything after the parser. */
static int execute(struct cli *cli, struct arguments *arguments, int *ret_status,
		   struct cj_error *err)
{
	struct cj_target *target = NULL;
	struct cj_plan *plan = NULL;
	_cleanup_(detach_done) struct detach detach = DETACH_INIT(&arguments->detach);
	bool pty = !arguments->detached && terminal_wants_pty(&arguments->terminal);
	int r = arguments->dry_run ? 0 : detach_open(&detach, err);

	if (pty)
		arguments->exec.terminal = getenv("TERM");
	if (r == 0)
		r = cj_target_open(cli->target, &target, err);
	if (r == 0)
		r = cj_plan_exec(target, &arguments->exec, &plan, err);
	if (r == 0) {
		if (arguments->dry_run)
			*ret_status = print_plan(cli, plan, arguments->json);
		else if (arguments->detached)
			r = run_detached(cli, arguments, &detach, plan, ret_status, err);
		else
			r = run(cli, arguments, pty, plan, ret_status, err);
	}
	/* Nothing was started, and won't be until our own file is out of the container's reach. */
	if (r == -ENOEXEC && !err->status) {
		*err = (struct cj_error)CJ_ERROR_INIT;
		r = cj_seal_self(target, cli->argv, environ, err);
		if (r == 0) /* it had been sealed by now */
			r = cj_fail(err, ENOEXEC, "start the command, though we are sealed");
	}
	/* What others could see is put in order by now; memory and files the kernel frees faster. */
	if (r == 0)
		exit(*ret_status);
	cj_plan_free(plan);
	cj_target_free(target);
	return r;
}

static int check_together(const struct cli *cli, const struct arguments *arguments)
{
	if (arguments->json && !arguments->dry_run)
		return cli_usage(cli, "--json goes with --dry-run");
	if (!arguments->detached && (arguments->detach.log || arguments->detach.pid_file))
		return cli_usage(cli, "--log and --pid-file go with --detach");
	if (arguments->detached && arguments->terminal.choice == TERMINAL_FORCE)
		return cli_usage(cli, "--detach and --tty don't go together");
	if (arguments->detached && arguments->terminal.interactive)
		return cli_usage(cli, "--detach and --interactive don't go together");
	return 0;
}

static int take_operands(struct cli *cli, struct arguments *arguments, int argc, char **argv)
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
	arguments->exec.argv = argc > 1 ? (const char *const *)(argv + 1) : NULL;
	return 0;
}

int cmd_exec(struct cli *cli, int argc, char **argv)
{
	_cleanup_(arguments_done) struct arguments arguments = {.exec = CJ_EXEC_OPTIONS_INIT};
	_cleanup_(env_list_done) struct text_list env = {.items = NULL};
	struct cj_error err = CJ_ERROR_INIT;
	int status = EXIT_OURS;
	int first = options_parse(cli, rows, ELEMENTS(rows), usage, argc, argv, &arguments);

	if (first < 0)
		return first == -2 ? cli_finish(cli, 0) : EXIT_OURS;
	if (check_together(cli, &arguments) != 0)
		return EXIT_OURS;
	cli->verbose = arguments.verbose || arguments.debug;
	arguments.exec.explain = cli->verbose || arguments.dry_run;
	if (take_operands(cli, &arguments, argc - first, argv + first) != 0)
		return EXIT_OURS;
	if (complete(&arguments, &env, &err) < 0 || execute(cli, &arguments, &status, &err) < 0)
		return cli_error(cli, &err);
	return status;
}
