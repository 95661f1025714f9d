/* SPDX-License-Identifier: MIT */
#include "lib/accounts.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define NO_ID ((uid_t)-1) /* credentials(7): no user or group has it */

/* "+" and "-" begin lines for NIS, which glibc's reader turns into entries of uid 0. */
static bool is_nis(const char *name)
{
	return name[0] == '+' || name[0] == '-';
}

void account_done(struct account *account)
{
	free(account->name);
	free(account->home);
	free(account->shell);
	*account = (struct account)ACCOUNT_INIT;
}

/* NULL: nothing to read. */
static FILE *open_text(const struct bytes *text)
{
	return text->size ? fmemopen(text->data, text->size, "r") : NULL;
}

static int find_account(const struct bytes *passwd, const char *name, uid_t uid,
			struct account *ret)
{
	_cleanup_file_ FILE *file = open_text(passwd);
	_cleanup_free_ char *buf = malloc(passwd->size + 64); /* no line is longer */
	struct passwd entry, *found;

	if (!buf)
		return -ENOMEM;
	while (file && fgetpwent_r(file, &entry, buf, passwd->size + 64, &found) == 0) {
		struct account account = {.uid = entry.pw_uid, .gid = entry.pw_gid};

		if (entry.pw_uid == NO_ID || entry.pw_gid == NO_ID || is_nis(entry.pw_name))
			continue; /* setresuid(2) would take -1 for "leave as it is" */
		if (name ? strcmp(entry.pw_name, name) != 0 : entry.pw_uid != uid)
			continue;
		account.name = strdup(entry.pw_name);
		account.home = strdup(entry.pw_dir);
		account.shell = strdup(entry.pw_shell);
		if (!account.name || !account.home || !account.shell) {
			account_done(&account);
			return -ENOMEM;
		}
		*ret = account;
		return 0;
	}
	return -ENOENT;
}

int account_by_name(const struct bytes *passwd, const char *name, struct account *ret)
{
	return find_account(passwd, name, 0, ret);
}

int account_by_uid(const struct bytes *passwd, uid_t uid, struct account *ret)
{
	return find_account(passwd, NULL, uid, ret);
}

/* Calls back with every group until it returns non-zero, and returns that. */
static int each_group(const struct bytes *text, int (*visit)(const struct group *group, void *data),
		      void *data)
{
	_cleanup_file_ FILE *file = open_text(text);
	/* The members are pointers behind the text of the line: one for each two bytes at most. */
	size_t room = text->size * (1 + sizeof(char *)) + 256;
	_cleanup_free_ char *buf = malloc(room);
	struct group entry, *found;
	int r = 0;

	if (!buf)
		return -ENOMEM;
	while (r == 0 && file && fgetgrent_r(file, &entry, buf, room, &found) == 0)
		r = visit(&entry, data);
	return r;
}

struct by_name {
	const char *name;
	gid_t gid;
};

static int is_named(const struct group *group, void *data)
{
	struct by_name *search = data;

	if (group->gr_gid == NO_ID || is_nis(group->gr_name) ||
	    strcmp(group->gr_name, search->name) != 0)
		return 0;
	search->gid = group->gr_gid;
	return 1;
}

int group_by_name(const struct bytes *group, const char *name, gid_t *ret)
{
	struct by_name search = {.name = name};
	int r = each_group(group, is_named, &search);

	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	*ret = search.gid;
	return 0;
}

struct membership {
	const char *name;
	gid_t *gids;
	size_t n;
};

static int add_gid(struct membership *membership, gid_t gid)
{
	gid_t *grown;

	for (size_t i = 0; i < membership->n; i++)
		if (membership->gids[i] == gid)
			return 0;
	grown = reallocarray(membership->gids, membership->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	membership->gids = grown;
	membership->gids[membership->n++] = gid;
	return 0;
}

static int add_if_member(const struct group *group, void *data)
{
	struct membership *membership = data;

	for (char **member = group->gr_mem;
	     *member && group->gr_gid != NO_ID && !is_nis(group->gr_name); member++)
		if (strcmp(*member, membership->name) == 0)
			return add_gid(membership, group->gr_gid);
	return 0;
}

int groups_of(const struct bytes *group, const char *name, gid_t gid, gid_t **ret,
	      size_t *ret_count)
{
	struct membership membership = {.name = name};
	int r = add_gid(&membership, gid);

	if (r == 0 && name)
		r = each_group(group, add_if_member, &membership);
	if (r < 0) {
		free(membership.gids);
		return r;
	}
	*ret = membership.gids;
	*ret_count = membership.n;
	return 0;
}
