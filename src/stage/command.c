/* SPDX-License-Identifier: MIT
 *
 * The child: born in the target's namespaces with the target's ids, capabilities and (without
 * no_new_privs) seccomp filter, it does what can only be done inside, and becomes the command.
 * Every call here must pass the target's filter: those are listed in plan_seccomp.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "stage/report.h"
#include "stage/stage.h"
#include "sys/syscalls.h"

/* The stage has left the caller's session; this one is the command's, with it as the leader. */
static int new_session(const struct orders *orders, struct cj_error *err)
{
	(void)orders;
	(void)err;
	return setsid() < 0 ? -errno : STEP_NOTHING;
}

static int take_terminal(const struct orders *orders, struct cj_error *err)
{
	(void)err;
	if (!orders->terminal)
		return STEP_NOTHING;
	return ioctl(0, TIOCSCTTY, 0) < 0 ? -errno : 0;
}

/*
 * setresuid clears the parent death signal, so it's set when the ids are final. It doesn't tell of a
 * parent that ended before, and getppid() is 0 in here: the life pipe tells.
 */
static int follow_supervisor(const struct orders *orders, struct cj_error *err)
{
	char byte;
	int r;

	(void)err;
	if (!orders->threaded && !orders->detached) {
		r = sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0);
		if (r < 0)
			return r;
	}
	/* Not poll(2): it wants a limit of open files above 0. The stage has made it non-blocking. */
	if (io_read(orders->life, &byte, 1) == 0)
		_exit(1);
	return STEP_NOTHING;
}

static int hide(const struct orders *orders, struct cj_error *err)
{
	(void)orders;
	(void)err;
	return sys_prctl(PR_SET_DUMPABLE, 0, 0) ?: STEP_NOTHING;
}

static int unblock_signals(const struct orders *orders, struct cj_error *err)
{
	(void)orders;
	(void)err;
	return sys_sigprocmask_set(0) ?: STEP_NOTHING;
}

/* The last word before execve: if we end without another, it was the command that ran. */
static int announce(const struct orders *orders, struct cj_error *err)
{
	(void)err;
	report_send(orders->report, REPORT_EXECUTE, NULL);
	return STEP_NOTHING;
}

/* A filter that would hinder us before: plan_check_seccomp() says when this may be. */
static int confine(const struct orders *orders, struct cj_error *err)
{
	return orders->load_seccomp && orders->seccomp_last ? load_seccomp(orders, err)
							    : STEP_NOTHING;
}

static const struct step child_steps[] = {
	{"make a session", new_session},
	{"take the terminal", take_terminal},
	{"follow the supervisor", follow_supervisor},
	{"hide from other processes", hide},
	{"unblock signals", unblock_signals},
	{"announce the command", announce},
	{"load the seccomp filter", confine},
};

/* Is it there after all, so that ENOENT was about its interpreter? */
static bool exists(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, 0) == 0;
}

/*
 * Tries each path, as execvp(3) does but for one thing: a file that the kernel can't execute isn't
 * given to a shell. Returns the errno to report; `*ret_path` is what it is about.
 */
static int execute(const struct orders *orders, const char **ret_path)
{
	int worst = ENOENT;

	for (size_t i = 0; i < orders->n_candidates; i++) {
		const struct candidate *candidate = &orders->candidates[i];

		if (candidate->argv0)
			orders->argv[0] = candidate->argv0;
		(void)execve(candidate->path, orders->argv, orders->env);
		if (errno == ENOENT && exists(candidate->path)) {
			*ret_path = candidate->path;
			return ELIBBAD; /* the program is there, its interpreter isn't */
		}
		if (errno == ENOENT || errno == ENOTDIR)
			continue;
		*ret_path = candidate->path;
		if (errno != EACCES)
			return errno;
		worst = EACCES; /* perhaps another directory has one that may be executed */
	}
	return worst;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void describe(int code, const char *path, const struct orders *orders, struct cj_error *err)
{
	if (code == ENOENT) {
		err->status = 127;
		(void)cj_fail(err, code, "execute %s",
			      orders->command[0] ? orders->command : "\"\"");
	} else {
		err->status = 126;
		if (code == EACCES && is_directory(path))
			code = EISDIR;
		(void)cj_fail(err, code == ELIBBAD ? ENOENT : code, "execute %s%s", path,
			      code == ELIBBAD ? ", whose interpreter is missing" : "");
	}
}

_Noreturn void child_main(const struct orders *orders)
{
	struct cj_error err = CJ_ERROR_INIT;
	const char *path = orders->command;
	int code;

	steps_run(child_steps, ELEMENTS(child_steps), orders);
	code = execute(orders, &path);
	describe(code, path, orders, &err);
	report_send(orders->report, REPORT_ERROR, &err);
	_exit(1);
}
