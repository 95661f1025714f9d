/* SPDX-License-Identifier: MIT
 *
 * Reads a file of a container, or of a user, that may lie on a file system that never answers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/error.h>

#include "base/io.h"

/*
 * Reads the regular file `path` beneath `root` in a process of its own, which is killed when it
 * hasn't answered within two seconds or by `deadline` (clock_ms(); 0: none).
 *
 *	ENOENT		no such file
 *	EINVAL		not a regular file
 *	EFBIG		more than `limit` bytes
 *	ETIMEDOUT	the file system doesn't answer
 */
int container_file_read(int root, const char *path, size_t limit, int64_t deadline,
			struct bytes *ret, struct cj_error *err);

/* Whose rights files are read with, and how many milliseconds that may take. */
struct file_reader {
	uid_t uid;
	gid_t gid;
	int64_t ms;
};

/*
 * The same for a file that a user may have put there: the process takes on that user's ids, without other
 * groups and capabilities, before it resolves the path. What the user can't read it doesn't read either,
 * whatever a link says. Beneath our own root it doesn't see what users have mounted (user_mounts.h).
 *
 *	EACCES	the user may not
 *	EPERM	we can't take on these ids
 */
int container_file_read_as(int root, const char *path, size_t limit,
			   const struct file_reader *reader, struct bytes *ret,
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
			int64_t deadline, size_t *ret, struct cj_error *err);

/* The same with a user's rights, as above. */
int container_file_find_as(int root, const struct file_query *queries, size_t n,
			   const struct file_reader *reader, size_t *ret, struct cj_error *err);
