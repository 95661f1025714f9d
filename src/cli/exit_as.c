/* SPDX-License-Identifier: MIT */
#include "cli/exit_as.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int exit_as_parse(const struct cli *cli, const char *text, bool *ret_signal)
{
	*ret_signal = text && strcmp(text, "signal") == 0;
	if (text && !*ret_signal && strcmp(text, "code") != 0)
		return cli_usage(cli, "--exit-as \"%s\" (there are: code signal)", text);
	return 0;
}

void die_of(int signal_number)
{
	const struct rlimit none = {0, 0};
	sigset_t set;

	/* The core is the command's to dump. A core_pattern that is a pipe knows no limit. core(5) */
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)signal(signal_number, SIG_DFL); /* EINVAL for SIGKILL, which needs none */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, signal_number);
	(void)kill(getpid(), signal_number);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}
