/* SPDX-License-Identifier: MIT */
#include "cli/job.h"

#include <errno.h>
#include <sys/signalfd.h>

void job_signals(sigset_t *ret)
{
	(void)sigfillset(ret);
	(void)sigdelset(ret, SIGKILL);
	(void)sigdelset(ret, SIGSTOP);
}

int job_open_signals(struct cj_error *err)
{
	sigset_t set;
	int fd;

	job_signals(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	(void)sigdelset(&set, SIGCHLD);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? cj_fail(err, errno, "make a signalfd") : fd;
}

void job_event(void *data, enum cj_session_event event)
{
	const struct job *job = data;
	sigset_t set;

	switch (event) {
	case CJ_SESSION_LASTS:
		job_signals(&set);
		(void)signalfd(job->signals, &set, 0);
		break;
	case CJ_SESSION_STOP:
		terminal_leave(job->terminal);
		(void)raise(SIGSTOP);
		terminal_return(job->terminal);
		break;
	case CJ_SESSION_CONTINUED:
		terminal_continue(job->terminal);
		break;
	}
}
