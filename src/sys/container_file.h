/* SPDX-License-Identifier: MIT
 *
 * Reads a file of a container that may lie on a file system that never answers.
 */
#pragma once

#include <stdbool.h>

#include <conjoin/error.h>

#include "base/io.h"

/*
 * Reads the regular file `path` beneath `root` in a process of its own, which is killed when it
 * hasn't answered within two seconds.
 *
 *	ENOENT		no such file
 *	EINVAL		not a regular file
 *	EFBIG		more than `limit` bytes
 *	ETIMEDOUT	the file system doesn't answer
 */
int container_file_read(int root, const char *path, size_t limit, struct bytes *ret,
			struct cj_error *err);

/* What counts as being there. */
enum file_wanted {
	FILE_ANY,	 /* whatever it is */
	FILE_REGULAR,	 /* a regular file */
	FILE_EXECUTABLE, /* one that somebody may execute */
	FILE_DIRECTORY,	 /* itself one, and directory_is_small() */
};

/* Has the directory (O_PATH) at most a thousand entries? Reads it, so it may hang as any file may. */
bool directory_is_small(int place);

struct file_query {
	const char *path;
	enum file_wanted wanted;
};

/*
 * Looks which of `n` paths beneath `root` (or, if `subroot` isn't NULL, beneath that directory of it)
 * is the first that is there; in a process of its own, as above. What can't be looked at isn't
 * there. Writes its index.
 *
 *	ENOENT		none is
 *	ENOSYS		no openat2(2)
 *	ETIMEDOUT	the file system doesn't answer
 */
int container_file_find(int root, const char *subroot, const struct file_query *queries, size_t n,
			size_t *ret, struct cj_error *err);
