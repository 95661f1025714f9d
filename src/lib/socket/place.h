/* SPDX-License-Identifier: MIT
 *
 * Where sockets are made: a target's net namespace and root, kept open.
 * Not here: making them (maker.h).
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <conjoin/error.h>
#include <conjoin/target.h>

struct socket_place {
	int pidfd; /* of who is in the net namespace; -EBADF: it's ours. Borrowed from the target. */
	int root;  /* O_PATH; -EBADF where it can't be opened, see `root_error` */
	int root_error; /* positive */
	uid_t uid;	/* of the target's root user, in our numbers: whose files are made there */
	gid_t gid;
};

#define SOCKET_PLACE_INIT {.pidfd = -EBADF, .root = -EBADF}

/*
 * `target` NULL: our own. Must not outlive the target.
 *
 *	ESRCH		the target has ended
 *	EACCES, EPERM	no right to look
 */
int socket_place_open(const struct cj_target *target, struct socket_place *ret,
		      struct cj_error *err);
/* A step failed there: if the target (or NULL) has ended by now that's the reason. As target_explain(), but that a file or a name that isn't there isn't waited for. */
int socket_place_explain(const struct cj_target *target, int r, struct cj_error *err);
void socket_place_done(struct socket_place *place);
