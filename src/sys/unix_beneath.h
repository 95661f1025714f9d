/* SPDX-License-Identifier: MIT
 *
 * UNIX sockets by a path beneath a container's root. A file's name there is resolved as openat2(2) does, with RESOLVE_IN_ROOT, so no
 * link leads out. For a process made for it that can be killed: it changes its working directory, and a file system may never answer.
 * All async-signal-safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The file of a socket. */
struct unix_file {
	uint64_t device, inode;
};

/*
 * bind(2), with exactly the permissions `mode`. A socket that is there already and that nobody listens on is removed first. Only the last
 * component of `path` becomes the socket's address.
 *
 *	EADDRINUSE	somebody listens there, or it's no socket
 *	ENAMETOOLONG	the last component is longer than the kernel takes
 */
int unix_bind_beneath(int socket, int root, const char *path, mode_t mode, struct unix_file *ret);

/*
 * connect(2).
 *
 *	ENOTSOCK	it's no socket
 */
int unix_connect_beneath(int socket, int root, const char *path);

/* Is it the file that the path leads to now? */
bool unix_is_at(int root, const char *path, const struct unix_file *file);

/* Removes the file if it's still that one. */
int unix_unlink_beneath(int root, const char *path, const struct unix_file *file);
