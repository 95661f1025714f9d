/* SPDX-License-Identifier: MIT */
#include "cli/detach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/nowait.h"
#include "base/parse.h"

/* By which a person, a service manager or a terminal says "stop that". */
static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* As a shell's >> does. But a FIFO that nobody reads is an error, and doesn't hold us up. */
static int open_log(const char *path, struct cj_error *err)
{
	int fd =
		open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);

	if (fd < 0)
		return cj_fail(err, errno, "open log %s", path);
	if (isatty(fd)) {
		close_fd(&fd);
		return cj_fail(err, EINVAL, "open log %s, a terminal, which nobody may detach with",
			       path);
	}
	(void)fcntl(fd, F_SETFL, O_APPEND); /* blocking again, as programs expect it */
	return fd;
}

int detach_open(struct detach *detach, struct cj_error *err)
{
	const struct detach_request *request = detach->request;

	if (request->log) {
		detach->log = open_log(request->log, err);
		if (detach->log < 0)
			return detach->log;
	}
	return told_file_open("PID file", request->pid_file, &detach->pid, err);
}

void detach_done(struct detach *detach)
{
	close_fd(&detach->log);
	told_file_done(&detach->pid);
}

static bool is_told_to_end(int signals)
{
	struct signalfd_siginfo info;
	bool told = io_read(signals, &info, sizeof(info)) != sizeof(info);

	for (size_t i = 0; i < ELEMENTS(ending); i++)
		told |= info.ssi_signo == (uint32_t)ending[i];
	return told;
}

int detach_tell(const struct cj_child *child, const char *before, int signals, struct cj_error *err)
{
	char handle[48], text[sizeof(handle) + 16];
	int code = 0, r = cj_child_handle(child, handle, sizeof(handle));
	size_t size, done = 0;

	if (r < 0)
		return cj_fail(err, -r, "name the command's process");
	size = (size_t)snprintf(text, sizeof(text), "%s%s %d\n", before, handle,
				cj_child_pid_inside(child));
	/* Until it's written they who called us can still change their mind, also when nobody reads it. */
	while ((done += nowait_write_all(1, text + done, size - done, -1, signals, &code)) < size)
		if (code != EINTR || is_told_to_end(signals))
			return cj_fail(err, code, "write to stdout");
	return 0;
}

int detach_write_pid(struct detach *detach, const struct cj_child *child, struct cj_error *err)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d\n", cj_child_pid(child));
	return told_file_write(&detach->pid, text, err);
}

/* Whoever called us doesn't know of it otherwise: then it mustn't run. */
static int announce(struct detach *detach, const struct cj_child *child, int signals,
		    struct cj_error *err)
{
	int r = detach_write_pid(detach, child, err);

	if (r < 0)
		return r;
	r = detach_tell(child, "", signals, err);
	if (r < 0)
		told_file_remove(&detach->pid);
	return r;
}

/* Those that mean "stop that" end a start that hangs, and nothing is left then. */
static int open_signals(const sigset_t *set, struct cj_error *err)
{
	int fd;

	(void)sigprocmask(SIG_BLOCK, set, NULL);
	fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? cj_fail(err, errno, "make a signalfd") : fd;
}

static int start(struct cli *cli, struct detach *detach, int signals, struct cj_plan *plan,
		 struct cj_child **ret, struct cj_error *err)
{
	struct cj_launch_options launch = CJ_LAUNCH_OPTIONS_INIT;
	int r;

	launch.log = cli_log;
	launch.log_data = cli;
	launch.log_level = cli->verbose ? CJ_LOG_STEP : CJ_LOG_WARNING;
	launch.stdio[0] = -1;
	launch.stdio[1] = launch.stdio[2] = detach->log;
	launch.signals = signals;
	launch.preserve_fds = detach->request->preserve_fds;
	launch.detach = !detach->request->stays;
	r = cj_launch(plan, &launch, ret, err);
	if (r < 0)
		return r;
	r = announce(detach, *ret, signals, err);
	if (r < 0) {
		cj_child_free(*ret); /* kills it */
		*ret = NULL;
	}
	return r;
}

/* Ours are all close-on-exec: what isn't was handed to us, and may be a pipe that somebody reads. */
static void close_inherited(void)
{
	_cleanup_dir_ DIR *dir = opendir("/dev/fd");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		int fd, flags;

		if (parse_int(entry->d_name, 3, INT_MAX, &fd) < 0)
			continue;
		flags = fcntl(fd, F_GETFD);
		if (flags >= 0 && !(flags & FD_CLOEXEC))
			(void)close(fd);
	}
}

/* From here on nobody waits for us: we hold nothing of whoever called us. */
void detach_let_go(struct detach *detach)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)prctl(PR_SET_PDEATHSIG, 0);
	detach_done(detach);
	close_inherited();
	for (int i = 0; i < 3 && null >= 0; i++)
		(void)dup2(null, i);
	close_fd(&null);
	if (chdir("/") < 0) /* a file system stays busy that needn't */
		return;
}

/* The one that stays. `ready` tells the other that the command runs. */
static int stay(struct cli *cli, struct detach *detach, struct cj_plan *plan, pid_t parent,
		int ready, struct cj_error *err)
{
	struct cj_session_options session = CJ_SESSION_OPTIONS_INIT;
	struct cj_child *child = NULL;
	struct cj_exit end;
	int r;

	(void)setsid();
	/* Until the command runs we end with the one that waits for us. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_OURS);
	session.signals = open_signals(&detach->request->forwarded, err);
	if (session.signals < 0)
		return session.signals;
	r = start(cli, detach, session.signals, plan, &child, err);
	if (r < 0) {
		close_fd(&session.signals);
		return r;
	}
	detach_let_go(detach);
	(void)io_write_all(ready, "", 1); /* it may have been killed: the command has been told */
	close_fd(&ready);
	(void)cj_session_run(child, &session, &end, NULL); /* nobody listens to how it ended */
	cj_child_free(child);				   /* removes the cgroup */
	exit(0);
}

/* The one that was called: its end is the other's word. */
static int await(pid_t pid, int ready, const sigset_t *set, int *ret_status, struct cj_error *err)
{
	char byte;
	int status;

	(void)sigprocmask(SIG_UNBLOCK, set, NULL);
	if (io_read(ready, &byte, 1) == 1) {
		*ret_status = 0;
		return 0;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cj_fail(err, errno, "wait for the process that stays");
	if (!WIFEXITED(status))
		return cj_fail(err, EINTR,
			       "start the command: signal %d ended the process that stays",
			       WTERMSIG(status));
	*ret_status = WEXITSTATUS(status); /* it has said why */
	return 0;
}

static int run_with_one_who_stays(struct cli *cli, struct detach *detach, struct cj_plan *plan,
				  const sigset_t *set, int *ret_status, struct cj_error *err)
{
	_cleanup_fd_ int ready_r = -EBADF, ready_w = -EBADF;
	pid_t parent = getpid(), pid;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return cj_fail(err, errno, "make a pipe");
	ready_r = fds[0];
	ready_w = fds[1];
	pid = fork();
	if (pid < 0)
		return cj_fail(err, errno, "make the process that stays");
	if (pid == 0) {
		close_fd(&ready_r);
		return stay(cli, detach, plan, parent, take_fd(&ready_w), err);
	}
	close_fd(&ready_w);
	return await(pid, ready_r, set, ret_status, err);
}

int detach_run(struct cli *cli, struct detach *detach, struct cj_plan *plan, int *ret_status,
	       struct cj_error *err)
{
	_cleanup_fd_ int signals = -EBADF;
	struct cj_child *child = NULL;
	sigset_t set;
	int r;

	if (cli->no_stdout) /* nobody would learn of it */
		return cj_fail(err, EBADF, "write to stdout");
	(void)sigemptyset(&set);
	for (size_t i = 0; i < ELEMENTS(ending); i++)
		(void)sigaddset(&set, ending[i]);
	if (detach->request->stays)
		return run_with_one_who_stays(cli, detach, plan, &set, ret_status, err);
	signals = open_signals(&set, err);
	r = signals < 0 ? signals : start(cli, detach, signals, plan, &child, err);
	if (r < 0)
		return r;
	cj_child_release(child);
	*ret_status = 0;
	return 0;
}
