/* SPDX-License-Identifier: MIT
 *
 * Users and groups out of the text of passwd(5) and group(5) files. The text may come from a
 * container: names are compared, never used otherwise.
 * Not here: where the text comes from (container_file.h). No NSS: a static program has none, and the
 * container's must never be loaded.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <conjoin/error.h>

#include "base/io.h"

/* Owned strings; NULL where the file doesn't know the user. */
struct account {
	uid_t uid;
	gid_t gid;
	char *name, *home, *shell;
};

#define ACCOUNT_INIT {.name = NULL}

/* -ENOENT: there is no such user. Empty text has no users; an entry with the id -1 is none. */
int account_by_name(const struct bytes *passwd, const char *name, struct account *ret);
int account_by_uid(const struct bytes *passwd, uid_t uid, struct account *ret);
void account_done(struct account *account);

/* -ENOENT: there is no such group. */
int group_by_name(const struct bytes *group, const char *name, gid_t *ret);

/* The groups that list `name` as a member, and `gid`. Owned by the caller. */
int groups_of(const struct bytes *group, const char *name, gid_t gid, gid_t **ret,
	      size_t *ret_count);
