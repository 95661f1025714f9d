/* SPDX-License-Identifier: MIT
 *
 * --status-fd: what becomes of the command, for programs, a line of JSON for each event. conjoin-exec(1) is its contract.
 * Not here: what people read (cli.h).
 */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>

#include "cli/cli.h"

/* How a command ended, and what our own exit status is by that. */
struct outcome {
	struct cj_exit end;
	int status; /* of ours */
	bool timed_out, oom;
	const char *reason; /* NULL: nothing is to be said */
	bool used;	    /* `usage` is known */
	struct rusage usage;
};

struct status {
	int fd;		  /* -1: nobody wants to know */
	bool broken;	  /* half a line was written: another one would be glued to it */
	const char *step; /* "target": what a failure from now on is a failure of */
};

#define STATUS_INIT {.fd = -1, .step = "open"}

/*
 * Takes the option's value; NULL is none. 0, or a failure of usage that was told: it must be open to be written to, and
 * neither 0, 1, 2 nor one of the `preserved` from 3 on. It's close-on-exec from here on.
 */
int status_open(const struct cli *cli, const char *number, unsigned int preserved,
		struct status *ret);

/* To be inherited by another program of ours. */
void status_inherit(const struct status *status);

/*
 * A line each, in one write(2). A reader that doesn't read is waited for a moment; then the line is dropped,
 * with a warning.
 */
void status_started(struct status *status, struct cli *cli, const struct cj_child *child);
void status_exited(struct status *status, struct cli *cli, const struct outcome *outcome);
void status_failed(struct status *status, struct cli *cli, const struct cj_error *err,
		   int exit_status);
