/* SPDX-License-Identifier: MIT */
#include "sys/user_mounts.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/mountinfo.h"
#include "sys/proc.h"

enum { MOUNTINFO_LIMIT = 64 << 20, POINTS_MAX = 4096 };

static bool is_users(const struct mount_line *line)
{
	static const char fuse[] = "fuse";
	struct mount_word user;

	return line->type.length >= strlen(fuse) &&
	       strncmp(line->type.at, fuse, strlen(fuse)) == 0 &&
	       mount_option(line->options, "user_id", &user) && !mount_word_is(user, "0");
}

static int collect(const char *text, struct user_mounts *mounts)
{
	struct mount_line line;
	size_t n = 0;

	for (const char *at = text; mountinfo_next(&at, &line);)
		n += is_users(&line);
	if (n > POINTS_MAX)
		return -EFBIG;
	mounts->points = n > 0 ? calloc(n, sizeof(*mounts->points)) : NULL;
	if (n > 0 && !mounts->points)
		return -ENOMEM;
	for (const char *at = text; mounts->n < n && mountinfo_next(&at, &line);) {
		if (!is_users(&line))
			continue;
		mounts->points[mounts->n] = mount_word_text(line.point);
		if (!mounts->points[mounts->n])
			return -ENOMEM;
		mounts->n++;
	}
	return 0;
}

int user_mounts_read(struct user_mounts *ret)
{
	_cleanup_(user_mounts_done) struct user_mounts mounts = USER_MOUNTS_INIT;
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int self = -EBADF;
	int r = proc_open(0, &self, NULL);

	if (r == 0)
		r = proc_read(self, "mountinfo", MOUNTINFO_LIMIT, &text);
	if (r == 0 && text.size > 0)
		r = collect(text.data, &mounts);
	if (r < 0)
		return r;
	*ret = mounts;
	mounts = (struct user_mounts)USER_MOUNTS_INIT;
	return 0;
}

void user_mounts_done(struct user_mounts *mounts)
{
	for (size_t i = 0; i < mounts->n; i++)
		free(mounts->points[i]);
	free(mounts->points);
	*mounts = (struct user_mounts)USER_MOUNTS_INIT;
}

/* The outer ones first: the path of one that is mounted in another leads through that. */
int user_mounts_leave(const struct user_mounts *mounts)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	for (size_t i = 0; i < mounts->n; i++)
		(void)umount2(mounts->points[i],
			      MNT_DETACH | UMOUNT_NOFOLLOW); /* gone: no matter */
	return 0;
}
