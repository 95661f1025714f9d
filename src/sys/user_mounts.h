/* SPDX-License-Identifier: MIT
 *
 * What users have mounted themselves, by fusermount3(1): file systems that answer or don't, as their users like.
 * Who waits in one can't be killed once its server has taken the request, so a process that looks at a user's
 * files goes without them.
 * Not here: reading the files (container_file.h).
 */
#pragma once

#include <stddef.h>

/* Mount points, in the order of mountinfo. Owned. */
struct user_mounts {
	char **points;
	size_t n;
};

#define USER_MOUNTS_INIT {.points = NULL}

/* Those of our mount namespace: FUSE whose user_id isn't root's. mount.fuse3(8). ENOMEM, … */
int user_mounts_read(struct user_mounts *ret);
void user_mounts_done(struct user_mounts *mounts);

/*
 * Takes them out of the caller's view, in a mount namespace of its own, which what is mounted later doesn't reach.
 * "/" and the working directory are the new one's from then on; files that were opened before are not.
 * Async-signal-safe, for a process that has just been made.
 *
 *	EPERM	no CAP_SYS_ADMIN
 */
int user_mounts_leave(const struct user_mounts *mounts);
