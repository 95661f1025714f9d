/* SPDX-License-Identifier: MIT */
#include "base/told_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

enum { NAMES_TRIED = 100 };

int told_file_open(const char *what, const char *path, struct told_file *ret, struct cj_error *err)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *name = slash ? slash + 1 : path;
	_cleanup_free_ char *dir = NULL;
	_cleanup_fd_ int fd = -EBADF;
	struct stat st;

	if (!path)
		return 0;
	if (!name[0])
		return cj_fail(err, EISDIR, "write %s \"%s\"", what, path);
	dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	if (!dir)
		return cj_fail(err, ENOMEM, "write %s %s", what, path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* What is there is replaced: a device or a link isn't meant for that. */
	if (fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
		return cj_fail(err, S_ISDIR(st.st_mode) ? EISDIR : EINVAL,
			       "write %s %s, which is no regular file", what, path);
	if (fd < 0 || faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return cj_fail(err, errno, "write %s %s", what, path);
	*ret = (struct told_file){.what = what,
				  .path = path,
				  .name = name,
				  .dir = take_fd(&fd),
				  .fd = -EBADF};
	return 0;
}

/* Makes a file beside the one that is meant, which becomes that one when it's whole. rename(2) */
static int make_beside(int dir, char *ret, size_t size)
{
	for (int i = 0; i < NAMES_TRIED; i++) {
		int fd;

		(void)snprintf(ret, size, ".conjoin.%d.%d", getpid(), i);
		fd = openat(dir, ret, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd >= 0 || errno != EEXIST)
			return fd < 0 ? -errno : fd;
	}
	return -EEXIST;
}

int told_file_write(struct told_file *file, const char *text, struct cj_error *err)
{
	char beside[NAME_MAX + 1];
	_cleanup_fd_ int fd = -EBADF;
	int r;

	if (!file->path)
		return 0;
	fd = make_beside(file->dir, beside, sizeof(beside));
	if (fd < 0)
		return cj_fail(err, -fd, "write %s %s", file->what, file->path);
	r = io_write_all(fd, text, strlen(text));
	if (r == 0 && renameat(file->dir, beside, file->dir, file->name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(file->dir, beside, 0);
		return cj_fail(err, -r, "write %s %s", file->what, file->path);
	}
	close_fd(&file->fd); /* of what it has replaced */
	file->fd = take_fd(&fd);
	return 0;
}

void told_file_remove(struct told_file *file)
{
	struct stat ours, there;

	if (file->fd >= 0 && fstat(file->fd, &ours) == 0 &&
	    fstatat(file->dir, file->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
		(void)unlinkat(file->dir, file->name, 0);
	close_fd(&file->fd);
}

void told_file_done(struct told_file *file)
{
	close_fd(&file->dir);
	close_fd(&file->fd);
}
