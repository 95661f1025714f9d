/* SPDX-License-Identifier: MIT
 *
 * Where a process's root lies: on which mount, and where that is in our own mount namespace.
 */
#pragma once

#include <stddef.h>

#include "lib/identity.h"

/* Owned strings; NULL where there is none. */
struct rootfs {
	char *type, *source; /* "overlay", "/dev/sda1" */
	char *host_path;     /* the root as our mount namespace has it; NULL: it hasn't */
	char *upper, *work;  /* of an overlay: directories, as whoever mounted it named them */
	char **lower;	     /* the topmost first */
	size_t n_lower;
};

#define ROOTFS_INIT {.type = NULL}

/*
 * Reads the target's mountinfo, then ours. `root` is its root as identity.h has it.
 *
 *	ENOENT	it isn't on a mount of its mount namespace (a detached one)
 *	EACCES, ESRCH, ENOMEM
 */
int rootfs_find(int proc, const struct place *root, struct rootfs *ret);
void rootfs_done(struct rootfs *rootfs);
