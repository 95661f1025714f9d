/* SPDX-License-Identifier: MIT
 *
 * conjoin exec --detach: the command goes on when we have ended.
 *
 *	caller		conjoin				command
 *	------		-------				-------
 *	waits		opens --log and where --pid-file lies
 *			launches it ──────────────────► runs, a session of its own
 *			writes --pid-file
 *	◄─ "HANDLE PID" ─ exits				is inherited by subreaper or init
 *
 * With a cgroup of its own somebody has to stay, to remove that when the command has ended. So there
 * are two of us: one does the above, in a session of its own, and stays, the other waits until it has.
 */
#pragma once

#include <signal.h>

#include "base/told_file.h"
#include "cli/cli.h"

struct detach_request {
	const char *log;	   /* NULL: /dev/null */
	const char *pid_file;	   /* NULL: none */
	unsigned int preserve_fds; /* as cj_launch_options has it */
	bool stays;		   /* the command has a cgroup of its own */
	sigset_t forwarded;	   /* signals that the one that stays passes on */
};

/* What is opened beforehand. */
struct detach {
	const struct detach_request *request;
	int log;
	struct told_file pid;
};

#define DETACH_INIT(the_request)                                                                   \
	{                                                                                          \
		.request = (the_request), .log = -1, .pid = TOLD_FILE_INIT                         \
	}

/* Opens the files: before anything else, so that nothing has run when they can't be. */
int detach_open(struct detach *detach, struct cj_error *err);

void detach_done(struct detach *detach);

/* --pid-file: which process the command is, in a file that goes with it, unless it outlives us. */
int detach_write_pid(struct detach *detach, const struct cj_child *child, struct cj_error *err);

/*
 * Writes the line that says who the command is, "HANDLE PID", behind `before`. At once, and not left to a buffer that would be
 * written although this has failed. One of `signals`, a signalfd, that means "stop that" ends the attempt: EINTR.
 */
int detach_tell(const struct cj_child *child, const char *before, int signals,
		struct cj_error *err);

/* For one that stays: it holds nothing of whoever called us from here on. */
void detach_let_go(struct detach *detach);

/*
 * Starts the command and says who it is; returns when it runs. After a failure nothing runs. In the
 * process that stays it doesn't return unless it failed before anything was said.
 */
int detach_run(struct cli *cli, struct detach *detach, struct cj_plan *plan, int *ret_status,
	       struct cj_error *err);
