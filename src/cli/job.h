/* SPDX-License-Identifier: MIT
 *
 * Ourselves as a process among others: which signals we take for the command, how we stop and go on at a shell's word.
 * Not here: the command's side of that (the library), modes of terminals (terminal.h).
 */
#pragma once

#include <signal.h>

#include "cli/terminal.h"

struct job {
	struct terminal *terminal;
	int signals; /* of job_open_signals() */
};

/* All that can be taken. */
void job_signals(sigset_t *ret);

/* Blocks them; a signalfd for all but SIGCHLD, which every start of a command raises: that's added when the command lasts. */
int job_open_signals(struct cj_error *err);

/* A cj_session_function; `data` is the struct job. */
void job_event(void *data, enum cj_session_event event);
