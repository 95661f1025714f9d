/* SPDX-License-Identifier: MIT
 *
 * --pid-file: which process the command is, in a file that appears whole and, unless the command outlives us,
 * goes with it.
 */
#pragma once

#include <conjoin/error.h>

#include <sys/types.h>

struct pid_file {
	const char *path; /* NULL: none is wanted */
	const char *name; /* in `dir` */
	int dir;
	int fd; /* what was written: as long as it's open nobody else's file has its inode */
};

#define PID_FILE_INIT {.dir = -1, .fd = -1}

/* Opens where it is to lie: before anything has run. A `path` of NULL is nothing to be done. */
int pid_file_open(const char *path, struct pid_file *ret, struct cj_error *err);

/* What is there is replaced. */
int pid_file_write(struct pid_file *file, pid_t pid, struct cj_error *err);

/* Removes what was written, unless somebody has replaced it meanwhile. */
void pid_file_remove(struct pid_file *file);

/* Leaves the file. */
void pid_file_done(struct pid_file *file);
