/* SPDX-License-Identifier: MIT
 *
 * conjoin exec: its options.
 */
#include <stddef.h>

#include "base/cleanup.h"
#include "cli/command.h"

#define FIELD(member) offsetof(struct command, member)

static const struct option_row rows[] = {
	{.kind = OPTION_HEADING, .help = "Which TARGET"},
	ENGINE_POD_ROWS(FIELD(engines)),
	ENGINE_ROWS(FIELD(engines)),

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
	{0, "detach-keys", "KEYS", "keys that leave COMMAND's pty and let it go on: ctrl-p,ctrl-q",
	 OPTION_TEXT, FIELD(detach_keys)},
	{0, "log", "FILE", "when detached: what COMMAND writes is added to FILE", OPTION_TEXT,
	 FIELD(detach.log)},
	{0, "pid-file", "FILE", "write the PID, as it is here, to FILE", OPTION_TEXT,
	 FIELD(detach.pid_file)},
	{0, "preserve-fds", "N", "hand over the file descriptors 3 to N+2 as well", OPTION_TEXT,
	 FIELD(preserve_fds)},
	{0, "status-fd", "FD", "tell programs what becomes of COMMAND: JSON lines on FD",
	 OPTION_TEXT, FIELD(status_fd)},
	{0, "exit-as", "code|signal",
	 "killed by a signal, COMMAND's status is 128+N (code), or conjoin dies of it", OPTION_TEXT,
	 FIELD(exit_as)},
	{0, "timeout", "DURATION", "SIGTERM after so long (10, 1.5m, 500ms), and exit status 124",
	 OPTION_TEXT, FIELD(timeout)},
	{0, "grace", "DURATION", "with --timeout: SIGKILL so long after that (default: 10s)",
	 OPTION_TEXT, FIELD(grace)},
	{0, "signal", "SIGNAL", "with --timeout: this one in place of SIGTERM", OPTION_TEXT,
	 FIELD(signal)},
	{0, "kill-tree", NULL, "when COMMAND has ended, kill what it has left running", OPTION_FLAG,
	 FIELD(kill_tree)},
	{0, "wait-all", NULL, "wait for all that COMMAND has started, not only for COMMAND",
	 OPTION_FLAG, FIELD(wait_all)},
	{0, "record", "FILE", "with a pty: record what is shown, for asciinema(1)", OPTION_TEXT,
	 FIELD(record.path)},
	{0, "record-input", NULL, "with --record: what is typed as well, passwords too",
	 OPTION_FLAG, FIELD(record.input)},
	{0, "notify", NULL, "pass what COMMAND tells by sd_notify(3) on to our NOTIFY_SOCKET",
	 OPTION_FLAG, FIELD(notifies)},
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

static int plan(const struct command *command, struct cj_target *target, struct cj_plan **ret,
		struct cj_error *err)
{
	return cj_plan_exec(target, &command->exec, ret, err);
}

int cmd_exec(struct cli *cli, int argc, char **argv)
{
	_cleanup_(command_done) struct command command = COMMAND_INIT;
	int first = options_parse(cli, rows, ELEMENTS(rows), usage, argc, argv, &command);

	if (first < 0)
		return first == -2 ? cli_finish(cli, 0) : EXIT_OURS;
	command.plan = plan;
	return command_main(cli, &command, argc - first, argv + first);
}
