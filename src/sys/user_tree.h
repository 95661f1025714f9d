/* SPDX-License-Identifier: MIT
 *
 * A directory that belongs to an ordinary user, read by somebody mightier: whatever the user has put
 * there, nothing waits for a file system of the user's own making (FUSE may never answer), and nothing
 * outside of it is opened.
 * Not here: which directories those are (engine/users.h), files of containers (beneath.h).
 */
#pragma once

#include <dirent.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/io.h"

/*
 * Opens directory `path` of user `owner` (O_PATH). `beside` is a directory whose mount is known to be
 * no user's ("/run"): on the same one all is well without a look at the mounts.
 *
 *	ENOENT	it isn't there
 *	EPERM	it's somebody else's, and not root's either
 *	EREMOTE	it lies on a file system that may never answer
 */
int user_tree_open(const char *path, const char *beside, uid_t owner, int *ret);

/*
 * What is below such a directory, by its relative path. No symbolic link is followed, and no mount
 * entered: ELOOP, EXDEV.
 */

/* For its place alone (O_PATH). Returns the fd. */
int user_tree_open_path(int tree, const char *path);

/*
 * Connects `fd`, a UNIX socket that doesn't block, to the one at `path`.
 *
 *	ENOTSOCK	it's none
 *	others		of connect(2)
 */
int user_tree_connect(int tree, const char *path, int fd);

/* A regular file, whole. EINVAL: it's something else. EFBIG: more than `limit` bytes. */
int user_tree_read(int tree, const char *path, size_t limit, struct bytes *ret);

/* The caller closes it. "." is the directory itself. */
int user_tree_opendir(int tree, const char *path, DIR **ret);
