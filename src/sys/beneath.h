/* SPDX-License-Identifier: MIT
 *
 * Files of a container, opened from outside: only beneath its root, whatever it put in the way.
 * Not here: file systems that never answer (sys/container_file.h).
 */
#pragma once

#include <sys/types.h>

/*
 * Opens a regular file for reading. `path` is taken from `root` on, "..", absolute symlinks and
 * symlinks within /proc included (openat2(2), RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS). It is looked
 * at before it's opened: FIFOs and devices act on open.
 *
 *	ENOENT	there's no such file
 *	EINVAL	it isn't a regular file
 */
int beneath_open_file(int root, const char *path);

/*
 * Opens a path for its place alone (O_PATH); same rules. Async-signal-safe.
 */
int beneath_open_path(int root, const char *path, int flags);

/* Opens what an O_PATH fd stands for with other flags, by /proc/self/fd. Async-signal-safe. */
int reopen(int fd, int flags);
