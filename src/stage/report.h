/* SPDX-License-Identifier: MIT
 *
 * What stage and child tell the supervisor, over one pipe that closes by itself at execve.
 *
 * A report is written in one write(2) and is smaller than PIPE_BUF, so it arrives whole. Those of the
 * child may be forged (a container with CAP_SYS_PTRACE can make it write what it likes), so the
 * reader checks each field and what it says is only ever shown, escaped; never trusted.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <conjoin/error.h>

enum report_kind {
	REPORT_STEP = 1, /* a step was taken; `error.text` says which. Only when somebody listens */
	REPORT_NOTE,	 /* more of it, in whole words */
	REPORT_WARNING,	 /* `error.text` was left out, because of `error.code` */
	REPORT_EXECUTE,	 /* by the child: all is done but execve */
	REPORT_ERROR,	 /* a step failed; the last word of who sends it */
};

struct report {
	uint32_t kind;
	struct cj_error error;
};

/* Async-signal-safe. A reader that has gone away is no failure: the life pipe tells of that. */
void report_send(int fd, enum report_kind kind, const struct cj_error *error);

/* 1: one was read; 0: the pipe is closed; -errno. What isn't a report is -EBADMSG. */
int report_receive(int fd, struct report *ret);
