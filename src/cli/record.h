/* SPDX-License-Identifier: MIT
 *
 * --record: where a recording lies. What a terminal shows is for nobody else's eyes, and others may have a say in what a path
 * leads to.
 */
#pragma once

#include <stdbool.h>

#include "cli/cli.h"

struct record {
	const char *path; /* NULL: nothing is recorded */
	bool input;
	int fd; /* open, until there is a recording */
	struct cj_recording *recording;
};

#define RECORD_INIT {.fd = -1}

/* Do the options go together? Returns the exit status of wrong usage, or 0. */
int record_check(const struct cli *cli, const struct record *record, bool pty);

/*
 * Opens the file, before anything else: a new one, mode 0600, or a regular file of the caller's with one name. Not through a
 * symbolic link that another user has put into a directory that anybody may write to, whatever
 * fs.protected_symlinks is; proc_sys_fs(5).
 */
int record_open(struct record *record, struct cj_error *err);

/* The command runs: the recording begins, and is the session's. One that can't begin is a warning. */
void record_start(struct cli *cli, struct record *record, struct cj_session_options *session);

/* The terminal has its mode again: what went wrong is told. */
void record_end(struct cli *cli, struct record *record);
