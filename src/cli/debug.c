/* SPDX-License-Identifier: MIT
 *
 * conjoin debug: its options.
 */
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/command.h"

struct arguments {
	struct command command;
	struct cj_debug_options debug;
	struct text_list bring, bring_dirs;
};

#define FIELD(member) offsetof(struct arguments, member)

static const struct option_row rows[] = {
	{.kind = OPTION_HEADING, .help = "Which TARGET"},
	ENGINE_POD_ROWS(FIELD(command.engines)),
	ENGINE_ROWS(FIELD(command.engines)),

	{.kind = OPTION_HEADING, .help = "Where"},
	{0, "view", "host|target",
	 "what COMMAND sees as files: the host's (default), or a private copy of the target's",
	 OPTION_TEXT, FIELD(debug.view)},
	{0, "bring", "FILE",
	 "with --view target: a program of the host's, with what it needs, at $CONJOIN_BIN",
	 OPTION_LIST, FIELD(bring)},
	{0, "bring-dir", "DIR", "the same for a directory of programs", OPTION_LIST,
	 FIELD(bring_dirs)},
	{0, "writable", NULL, "the target's files at $CONJOIN_ROOT can be changed", OPTION_FLAG,
	 FIELD(debug.writable)},
	{0, "namespaces", "LIST",
	 "join these instead of pid,net; +LIST adds to them; names as in exec", OPTION_TEXT,
	 FIELD(command.exec.namespaces)},
	{0, "cgroup", "MODE", "own (default: a fresh one), target, keep (ours), try", OPTION_TEXT,
	 FIELD(command.exec.cgroup)},
	{0, "memory", "SIZE", "limit of the own cgroup: 64m, 1.5g", OPTION_TEXT,
	 FIELD(command.exec.memory)},
	{0, "cpus", "NUMBER", "limit of the own cgroup: 0.5, 2", OPTION_TEXT,
	 FIELD(command.exec.cpus)},
	{0, "pids-limit", "NUMBER", "limit of the own cgroup", OPTION_TEXT,
	 FIELD(command.exec.pids_limit)},
	{'w', "workdir", "DIR", "working directory (default: ours; --view target: the target's)",
	 OPTION_TEXT, FIELD(command.exec.cwd)},

	{.kind = OPTION_HEADING, .help = "Who"},
	{'u', "user", "USER[:GROUP]", "instead of the caller: names of the view, or numbers",
	 OPTION_TEXT, FIELD(command.exec.user)},
	{0, "cap-drop", "LIST", "capabilities to go without, or all", OPTION_TEXT,
	 FIELD(command.exec.cap_drop)},
	{0, "cap-add", "LIST", "capabilities beyond those, with -u or --as-target", OPTION_TEXT,
	 FIELD(command.exec.cap_add)},
	{0, "as-target", NULL, "the target's ids, capabilities, limits, filter and label",
	 OPTION_FLAG, FIELD(debug.as_target)},
	{0, "expose-host", NULL,
	 "go on also if a process of the target could reach the host by way of COMMAND",
	 OPTION_FLAG, FIELD(debug.expose_host)},

	{.kind = OPTION_HEADING, .help = "How"},
	{'e', "env", "NAME[=VALUE]", "set a variable; NAME alone takes the caller's value",
	 OPTION_LIST, FIELD(command.env)},
	{0, "env-file", "FILE", "variables from a file, a line each", OPTION_LIST,
	 FIELD(command.env_files)},
	{0, "clear-env", NULL, "begin with an empty environment", OPTION_FLAG,
	 FIELD(command.exec.clear_env)},
	{0, "rlimit", "NAME=SOFT[:HARD]", "a resource limit, names as in prlimit(1)", OPTION_LIST,
	 FIELD(command.rlimits)},
	{0, "nice", "NUMBER", "-20 to 19", OPTION_TEXT, FIELD(command.exec.nice)},

	{.kind = OPTION_HEADING, .help = "Input and output"},
	{'i', "interactive", NULL, "read the terminal on stdin also without a pty", OPTION_FLAG,
	 FIELD(command.terminal.interactive)},
	{'t', "tty", NULL, "make a pty (default: if stdin and stdout are terminals)",
	 OPTION_TERMINAL, FIELD(command.terminal.choice), TERMINAL_FORCE},
	{'T', "no-tty", NULL, "make no pty", OPTION_TERMINAL, FIELD(command.terminal.choice),
	 TERMINAL_FORBID},
	{0, "no-stdin", NULL, "stdin is /dev/null", OPTION_FLAG, FIELD(command.terminal.no_stdin)},
	{'d', "detach", NULL,
	 "print HANDLE and PID inside as soon as COMMAND runs, and end; 0, 1, 2 are /dev/null",
	 OPTION_FLAG, FIELD(command.detached)},
	{0, "detach-keys", "KEYS", "keys that leave COMMAND's pty and let it go on: ctrl-p,ctrl-q",
	 OPTION_TEXT, FIELD(command.detach_keys)},
	{0, "log", "FILE", "when detached: what COMMAND writes is added to FILE", OPTION_TEXT,
	 FIELD(command.detach.log)},
	{0, "pid-file", "FILE", "write the PID, as it is here, to FILE", OPTION_TEXT,
	 FIELD(command.detach.pid_file)},
	{0, "preserve-fds", "N", "hand over the file descriptors 3 to N+2 as well", OPTION_TEXT,
	 FIELD(command.preserve_fds)},
	{0, "status-fd", "FD", "tell programs what becomes of COMMAND: JSON lines on FD",
	 OPTION_TEXT, FIELD(command.status_fd)},
	{0, "exit-as", "code|signal",
	 "killed by a signal, COMMAND's status is 128+N (code), or conjoin dies of it", OPTION_TEXT,
	 FIELD(command.exit_as)},
	{0, "timeout", "DURATION", "SIGTERM after so long (10, 1.5m, 500ms), and exit status 124",
	 OPTION_TEXT, FIELD(command.timeout)},
	{0, "grace", "DURATION", "with --timeout: SIGKILL so long after that (default: 10s)",
	 OPTION_TEXT, FIELD(command.grace)},
	{0, "signal", "SIGNAL", "with --timeout: this one in place of SIGTERM", OPTION_TEXT,
	 FIELD(command.signal)},
	{0, "kill-tree", NULL, "when COMMAND has ended, kill what it has left running", OPTION_FLAG,
	 FIELD(command.kill_tree)},
	{0, "wait-all", NULL, "wait for all that COMMAND has started, not only for COMMAND",
	 OPTION_FLAG, FIELD(command.wait_all)},
	{0, "record", "FILE", "with a pty: record what is shown, for asciinema(1)", OPTION_TEXT,
	 FIELD(command.record.path)},
	{0, "record-input", NULL, "with --record: what is typed as well, passwords too",
	 OPTION_FLAG, FIELD(command.record.input)},
	{0, "notify", NULL, "pass what COMMAND tells by sd_notify(3) on to our NOTIFY_SOCKET",
	 OPTION_FLAG, FIELD(command.notifies)},
	{0, "dry-run", NULL, "print the plan and do nothing", OPTION_FLAG, FIELD(command.dry_run)},
	{0, "json", NULL, "with --dry-run: as JSON", OPTION_FLAG, FIELD(command.json)},
	{'v', "verbose", NULL, "log each step with its result", OPTION_FLAG,
	 FIELD(command.verbose)},
	{'D', "debug", NULL, "the same as --verbose", OPTION_FLAG, FIELD(command.debug)},
	{'h', "help", NULL, "this help", OPTION_HELP},
};

static const char usage[] =
	"Usage: conjoin debug [OPTION…] TARGET [COMMAND [ARG…]]\n"
	"\n"
	"Run the host's COMMAND in the pid and net namespaces of TARGET, with /proc and /sys to match:\n"
	"for containers that have no shell and no tools. It sees the host's files; those of the target are\n"
	"at $CONJOIN_ROOT. With --view target it is the other way round: the target's own paths, with what\n"
	"is brought at $CONJOIN_BIN. Nothing is installed, and nothing shows in the target.\n"
	"Without COMMAND the user's login shell, else sh. Options stop at TARGET.\n"
	"\n"
	"COMMAND is a process of the host that processes of the target see. If one of them could open its\n"
	"files or its memory, it isn't run (exit status 125), unless with --expose-host. That is decided by\n"
	"what is there when it starts: it doesn't speak for what COMMAND starts as another user, nor for\n"
	"what an engine adds to the container later. Command lines and mountinfo can be read always.\n"
	"\n"
	"  conjoin debug 4711 ss -ntlp\n"
	"  conjoin debug --memory 256m comm:nginx strace -f -p 1\n"
	"  conjoin debug 4711 sh -c 'diff -r $CONJOIN_ROOT/etc/nginx /etc/nginx'\n"
	"  conjoin debug --view target --bring bash --bring strace 4711 bash";

static int plan(const struct command *command, struct cj_target *target, struct cj_plan **ret,
		struct cj_error *err)
{
	struct arguments *arguments = command->data;

	arguments->debug.exec = &command->exec;
	arguments->debug.bring = arguments->bring.items;
	arguments->debug.bring_dirs = arguments->bring_dirs.items;
	arguments->debug.environment = (const char *const *)environ;
	arguments->debug.path = getenv("PATH");
	return cj_plan_debug(target, &arguments->debug, ret, err);
}

static void arguments_done(struct arguments *arguments)
{
	command_done(&arguments->command);
	text_list_done(&arguments->bring);
	text_list_done(&arguments->bring_dirs);
}

int cmd_debug(struct cli *cli, int argc, char **argv)
{
	_cleanup_(arguments_done) struct arguments arguments = {
		.command = COMMAND_INIT,
		.debug = CJ_DEBUG_OPTIONS_INIT,
	};
	int first = options_parse(cli, rows, ELEMENTS(rows), usage, argc, argv, &arguments);

	if (first < 0)
		return first == -2 ? cli_finish(cli, 0) : EXIT_OURS;
	arguments.command.plan = plan;
	arguments.command.data = &arguments;
	arguments.command.own_cgroup = true;
	return command_main(cli, &arguments.command, argc - first, argv + first);
}
