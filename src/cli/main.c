/* SPDX-License-Identifier: MIT
 *
 * The program: finds the command and lets it run.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/cli.h"

static const struct verb verbs[] = {
	{"exec", "run a command as if the container itself had started it", cmd_exec, EXIT_OURS,
	 EXIT_OURS},
	{"debug", "run a command of the host's in the pid and net namespaces of a container",
	 cmd_debug, EXIT_OURS, EXIT_OURS},
	{"ps", "list the containers that run on this machine", cmd_ps, EXIT_TROUBLE, EXIT_USAGE},
	{"inspect", "tell all that a process is", cmd_inspect, EXIT_TROUBLE, EXIT_USAGE},
	{"diff", "tell where two processes differ", cmd_diff, EXIT_USAGE, EXIT_USAGE},
	{"pids", "translate between PIDs outside and inside", cmd_pids, EXIT_TROUBLE, EXIT_USAGE},
	{"listen", "run a server here with sockets that listen where a container is", cmd_listen,
	 EXIT_TROUBLE, EXIT_USAGE},
	{"connect", "stdin and stdout over a connection made from where a container is",
	 cmd_connect, EXIT_TROUBLE, EXIT_USAGE},
	{"forward", "ports here that lead to where a container is, or there that lead here",
	 cmd_forward, EXIT_TROUBLE, EXIT_USAGE},
	{"wait", "wait for detached commands", cmd_wait, EXIT_TROUBLE, EXIT_USAGE},
	{"kill", "send a signal to detached commands", cmd_kill, EXIT_TROUBLE, EXIT_USAGE},
};

enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static void print_help(void)
{
	(void)puts("Usage: conjoin COMMAND [OPTION…] TARGET …\n"
		   "\n"
		   "Run anything in, beside, or for a container that is already running.\n"
		   "\n"
		   "Commands:");
	for (int i = 0; i < VERBS; i++)
		(void)printf("  %-10s  %s\n", verbs[i].name, verbs[i].summary);
	(void)puts(
		"\n"
		"Options:\n"
		"  -h, --help     this help; conjoin COMMAND --help tells more\n"
		"  -V, --version  the version\n"
		"\n"
		"TARGET is a container's name or id, which all engines are asked for; one engine's own, as\n"
		"docker:NAME, podman:NAME, k8s:NS/POD/CONTAINER, cri:ID, containerd:NS/ID, lxc:NAME,\n"
		"machine:NAME, oci:ID, unit:NAME; or a PID, a handle (PID:INODE), self, pidfile:PATH,\n"
		"comm:NAME, cgroup:PATH. See conjoin(7).");
}

/* Files that we open must not become 0, 1 or 2: the command would get them for its own. */
static int fill_stdio(bool *ret_no_stdout)
{
	*ret_no_stdout = fcntl(1, F_GETFD) < 0;
	for (int i = 0; i < 3; i++)
		if (fcntl(i, F_GETFD) < 0 && open("/dev/null", O_RDWR) != i)
			return -1;
	return 0;
}

static int run_verb(struct cli cli, char **argv, int argc)
{
	for (int i = 0; i < VERBS; i++) {
		if (strcmp(verbs[i].name, argv[1]) != 0)
			continue;
		cli.verb = verbs[i].name;
		cli.failure = verbs[i].failure;
		cli.usage = verbs[i].usage;
		return verbs[i].run(&cli, argc - 1, argv + 1);
	}
	return cli_usage(&cli, "there is no command \"%s\"", argv[1]);
}

int main(int argc, char **argv)
{
	struct cli cli = {.argv = argv, .failure = EXIT_OURS, .usage = EXIT_OURS};

	if (fill_stdio(&cli.no_stdout) < 0)
		return EXIT_OURS;	     /* and nowhere to say so */
	(void)prctl(PR_SET_NAME, "conjoin"); /* a sealed program's is the number of an fd */
	/* Inherited from who started us, and in our way: we wait for children, and look at errors. */
	(void)signal(SIGCHLD, SIG_DFL);
	cli.ignores_pipe = signal(SIGPIPE, SIG_IGN) == SIG_IGN;
	(void)setvbuf(stderr, NULL, _IOLBF, 0); /* whole lines: others write to it as well */
	if (getauxval(AT_SECURE)) {
		(void)fputs("conjoin: it must not be installed setuid, or with capabilities\n",
			    stderr);
		return EXIT_OURS;
	}
	if (argc < 2)
		return cli_usage(&cli, "a COMMAND is missing");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_help();
		return cli_finish(&cli, 0);
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		(void)puts("conjoin " CONJOIN_VERSION);
		return cli_finish(&cli, 0);
	}
	return run_verb(cli, argv, argc);
}
