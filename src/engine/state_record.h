/* SPDX-License-Identifier: MIT
 *
 * Reading one record of a runtime, of which is known where it lies.
 * Not here: where they lie (state.c).
 */
#pragma once

#include "engine/state.h"

/* A directory of records, while it's searched. */
struct state_place {
	enum state_layout layout;
	const char *root; /* goes before paths that stand in a record */
	char path[PATH_MAX / 2];
	size_t begin; /* of what comes behind the user's runtime directory */
	int user;     /* that directory, or -EBADF: the path is the system's */
	uid_t owner;
};

/*
 * The record of container `id` there.
 *
 *	EINVAL, ERANGE	it has no record's content
 *	EFBIG	a file is too big for a record's: another user's have less room
 */
int state_record_read(const struct state_place *place, const char *id, struct state *ret);
