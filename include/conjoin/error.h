/* SPDX-License-Identifier: MIT
 *
 * An error that can be built anywhere, also between clone and execve, and written whole to
 * another process.
 * Not here: printing (the program's business) and what a failure means for the exit status.
 */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What failed, in words for a person, the errno behind it, and what can be done about it.
 *
 * Fixed size and free of pointers: a child fills it without malloc and sends it up a pipe in one
 * write (it is smaller than PIPE_BUF, so it arrives whole or not at all). A reader must treat one
 * that came out of a container as hostile: bound `text`, escape it before a terminal sees it.
 */
struct cj_error {
	int code;   /* errno, positive; 0 while there is no error */
	int status; /* what the program should exit with; 0: its own word for "we failed" (125) */
	char text[376]; /* "join mnt namespace": no strerror, no full stop; NUL-ended */
	char hint[120]; /* "run as root"; empty when there is nothing to say */
};

#define CJ_ERROR_INIT {.code = 0}

/*
 * Records a failure and returns -code, so that a caller can write
 *
 *	return cj_fail(err, errno, "open %s", path);
 *
 * The first failure wins: on the way up, callers may pass `err` on without looking. It may be NULL.
 * Async-signal-safe: the format knows %s, %d, %u, %x, %lu, %llu, %c and %% and nothing else
 * (anything else is copied as it stands). A text that is too long is cut at the end.
 */
int cj_fail(struct cj_error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Adds the hint, unless there is one already. `err` may be NULL. Same formats, same safety. */
void cj_hint(struct cj_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
