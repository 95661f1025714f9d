/* SPDX-License-Identifier: MIT
 *
 * What a terminal showed during a session, and when, in a file that asciinema(1) plays: asciicast v2, which is
 * a line of JSON for what the terminal is like, and one for each event.
 *
 *	cj_recording_new()  →  cj_session_options.recording, cj_session_run()  →  cj_recording_free()
 *
 * Not here: where the file lies and who may read it, which is the caller's business.
 */
#pragma once

#include <stddef.h>

#include <conjoin/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cj_recording_options {
	size_t size;
	int fd; /* a regular file, open for writing; becomes the recording's */
	unsigned short columns, rows; /* of the terminal at its beginning; 0: 80 and 24 */
	int input;		      /* what is typed as well, which may be passwords */
	const char *const
		*env; /* NAME=VALUE, NULL-ended, as players show it: TERM and SHELL; NULL: none */
};

#define CJ_RECORDING_OPTIONS_INIT {.size = sizeof(struct cj_recording_options), .fd = -1}

struct cj_recording;

/*
 * Replaces what is in the file by the first line; from now on time counts. The command and its arguments aren't
 * told: they may hold secrets. The fd is taken over unless it fails.
 *
 *	EINVAL	no regular file
 *	others	of a write that failed; then the file is empty
 */
int cj_recording_new(const struct cj_recording_options *options, struct cj_recording **ret,
		     struct cj_error *err);

/*
 * The errno of a write that failed, after which nothing was recorded any more; 0: all is there. A session goes on
 * without its recording, which holds whole lines until then.
 */
int cj_recording_failure(const struct cj_recording *recording);

/* Ends and closes it. Takes NULL. */
void cj_recording_free(struct cj_recording *recording);

#ifdef __cplusplus
}
#endif
