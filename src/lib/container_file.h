/* SPDX-License-Identifier: MIT
 *
 * Reads a file of a container that may lie on a file system that never answers.
 */
#pragma once

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
