/* SPDX-License-Identifier: MIT */
#include "cli/job.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>

/* What nohup(1), or a shell for a job in the background, has us ignore isn't for the command either. */
static bool is_ignored(int sig)
{
	struct sigaction action;

	return sig != SIGCHLD && sig != SIGPIPE && sigaction(sig, NULL, &action) == 0 &&
	       action.sa_handler == SIG_IGN;
}

void job_signals(sigset_t *ret)
{
	(void)sigfillset(ret);
	(void)sigdelset(ret, SIGKILL);
	(void)sigdelset(ret, SIGSTOP);
	for (int sig = 1; sig < NSIG; sig++)
		if (is_ignored(sig))
			(void)sigdelset(ret, sig);
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

/* By default: not where nobody is there to continue us, in an orphaned group, nor if it's ignored. setpgid(2) */
static void stop(void)
{
	sigset_t set, before;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTSTP);
	(void)raise(SIGTSTP);
	(void)sigprocmask(SIG_UNBLOCK, &set, &before);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
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
		stop();
		/* If we aren't in the foreground yet the session looks when we are. */
		terminal_continue(job->terminal);
		break;
	case CJ_SESSION_CONTINUED:
		terminal_continue(job->terminal);
		break;
	}
}
