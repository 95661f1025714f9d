/* SPDX-License-Identifier: MIT
 *
 * A file that tells others something about us, a PID or a port: it appears whole, and can be removed when it's no longer true.
 * Not here: what it says.
 */
#pragma once

#include <conjoin/error.h>

struct told_file {
	const char *what; /* "PID file", for errors */
	const char *path; /* NULL: none is wanted */
	const char *name; /* in `dir` */
	int dir;
	int fd; /* what was written: as long as it's open nobody else's file has its inode */
};

#define TOLD_FILE_INIT {.dir = -1, .fd = -1}

/* Opens where it is to lie: before anything has run. A `path` of NULL is nothing to be done. Both texts have to live as long. */
int told_file_open(const char *what, const char *path, struct told_file *ret, struct cj_error *err);

/* What is there is replaced. */
int told_file_write(struct told_file *file, const char *text, struct cj_error *err);

/* Removes what was written, unless somebody has replaced it meanwhile. */
void told_file_remove(struct told_file *file);

/* Leaves the file. */
void told_file_done(struct told_file *file);
