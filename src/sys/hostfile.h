/* SPDX-License-Identifier: MIT
 *
 * A file of the host's: opened without acting on it, and what it's really called.
 * Not here: files of a container (beneath.h), and what is in it (elf.h).
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct host_file {
	int fd; /* for reading */
	uint64_t device, inode;
	uint64_t mount;	 /* id; 0 before 5.8 */
	bool executable; /* we may execute it; false on a mount without exec, too */
	bool noexec;	 /* it lies on a mount without exec: not even mapped as code */
	char *path;	 /* without symbolic links; owned */
};

#define HOST_FILE_INIT {.fd = -EBADF}

void host_file_done(struct host_file *file);

/*
 * Opens a regular file. With `root`, an O_PATH fd of a directory, `path` and every symbolic link
 * are taken from there on (RESOLVE_IN_ROOT); -EBADF: from our own root on. It is looked at before
 * it's opened: FIFOs and devices act on open.
 *
 *	ENOENT	there's none
 *	EISDIR	it's a directory
 *	EINVAL	it's a device, a socket, a FIFO
 */
int host_file_open(int root, const char *path, struct host_file *ret);

/* The path of what an O_PATH fd stands for, without symbolic links. The caller frees it. */
int host_path(int fd, char **ret);

/* The id of the mount that it is on; 0 before 5.8. */
int host_mount(int fd, uint64_t *ret);
