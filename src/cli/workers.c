/* SPDX-License-Identifier: MIT */
#include "cli/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "base/io.h"

enum { FIRST_FD = 3 };

void workers_done(struct workers *workers)
{
	free(workers->list);
	*workers = (struct workers)WORKERS_INIT;
}

/* Under the numbers that it expects, and not close-on-exec. They may lie in each other's way. */
static int place_files(const struct worker_start *start, int *failure)
{
	int first = start->inetd ? 0 : FIRST_FD, beyond = FIRST_FD + (int)start->n_fds;
	_cleanup_free_ int *fds = calloc(start->n_fds + 1, sizeof(*fds));
	int report;

	if (!fds)
		return -ENOMEM;
	report = fcntl(*failure, F_DUPFD_CLOEXEC, beyond);
	if (report < 0)
		return -errno; /* told where it was */
	*failure = report;
	for (size_t i = 0; i < start->n_fds; i++) {
		fds[i] = fcntl(start->fds[i], F_DUPFD_CLOEXEC, beyond);
		if (fds[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < start->n_fds; i++)
		if (dup2(fds[i], first + (int)i) < 0)
			return -errno;
	if (start->inetd && dup2(fds[0], 1) < 0)
		return -errno;
	return 0;
}

static int set_environment(const struct worker_start *start)
{
	/* Of whoever started us: they aren't about this one. */
	static const char *const ours[] = {"LISTEN_PID",     "LISTEN_FDS",  "LISTEN_FDNAMES",
					   "LISTEN_PIDFDID", "REMOTE_ADDR", "REMOTE_PORT"};
	char text[32];
	int r = 0;

	for (size_t i = 0; i < ELEMENTS(ours); i++)
		r |= unsetenv(ours[i]);

	if (!start->inetd) {
		(void)snprintf(text, sizeof(text), "%d", (int)getpid());
		r |= setenv("LISTEN_PID", text, 1);
		(void)snprintf(text, sizeof(text), "%zu", start->n_fds);
		r |= setenv("LISTEN_FDS", text, 1);
	}
	for (size_t i = 0; i < start->n_environment; i++) {
		char *entry = strdup(start->environment[i]);

		r |= entry ? putenv(entry) : -1; /* whose it is from then on */
	}
	return r ? -ENOMEM : 0;
}

static _Noreturn void run(const struct worker_start *start, pid_t parent, int failure)
{
	int r = 0;

	if (start->leads && setpgid(0, 0) < 0)
		r = -errno;
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1); /* too late for that signal */
	if (r == 0)
		r = place_files(start, &failure);
	if (r == 0)
		r = set_environment(start);
	(void)signal(SIGPIPE, start->ignores_pipe ? SIG_IGN : SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, start->mask, NULL);
	if (r == 0) {
		(void)execvp(start->argv[0], start->argv);
		r = -errno;
	}
	(void)io_write_all(failure, &r, sizeof(r));
	_exit(1);
}

/* Once it's executed its end of the pipe is closed. */
static int await_start(pid_t pid, int failure, const char *name, struct cj_error *err)
{
	int r = 0, status;

	if (io_read(failure, &r, sizeof(r)) != (ssize_t)sizeof(r))
		return 0;
	(void)waitpid(pid, &status, 0);
	if (err && !err->code)
		err->status = r == -ENOENT ? 127 : 126;
	return cj_fail(err, -r, "execute %s", name);
}

int workers_start(struct workers *workers, const struct worker_start *start, struct cj_error *err)
{
	_cleanup_fd_ int in = -EBADF, out = -EBADF;
	struct worker *worker;
	pid_t pid, parent = getpid();
	int fds[2], r;

	if (!array_grow((void **)&workers->list, sizeof(*workers->list), &workers->room,
			workers->n + 1))
		return cj_fail(err, ENOMEM, "start %s", start->argv[0]);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return cj_fail(err, errno, "make a pipe");
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return cj_fail(err, errno, "make a process for %s", start->argv[0]);
	if (pid == 0)
		run(start, parent, out);
	close_fd(&out);
	r = await_start(pid, in, start->argv[0], err);
	if (r < 0)
		return r;
	worker = &workers->list[workers->n++];
	*worker = (struct worker){.pid = pid, .leads = start->leads};
	if (start->source)
		(void)snprintf(worker->source, sizeof(worker->source), "%s", start->source);
	return 0;
}

bool workers_reap(struct workers *workers, struct worker *ret, int *ret_status)
{
	for (size_t i = 0; i < workers->n; i++) {
		siginfo_t info = {.si_pid = 0};
		int status;

		/* As long as it isn't reaped its group's number is nobody else's. */
		if (workers->ends_groups && workers->list[i].leads &&
		    waitid(P_PID, (id_t)workers->list[i].pid, &info, WEXITED | WNOHANG | WNOWAIT) ==
			    0 &&
		    info.si_pid)
			(void)kill(-workers->list[i].pid, SIGKILL);
		if (waitpid(workers->list[i].pid, &status, WNOHANG) != workers->list[i].pid)
			continue;
		*ret = workers->list[i];
		*ret_status = status;
		workers->list[i] = workers->list[--workers->n];
		return true;
	}
	return false;
}

void workers_signal(const struct workers *workers, int signal)
{
	for (size_t i = 0; i < workers->n; i++)
		(void)kill(workers->list[i].leads ? -workers->list[i].pid : workers->list[i].pid,
			   signal);
}

size_t workers_of(const struct workers *workers, const char *source)
{
	size_t n = 0;

	for (size_t i = 0; i < workers->n; i++)
		n += strcmp(workers->list[i].source, source) == 0;
	return n;
}
