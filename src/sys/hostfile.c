/* SPDX-License-Identifier: MIT */
#include "sys/hostfile.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "sys/beneath.h"

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U /* 5.8 */
#endif

void host_file_done(struct host_file *file)
{
	close_fd(&file->fd);
	free(file->path);
	*file = (struct host_file)HOST_FILE_INIT;
}

int host_path(int fd, char **ret)
{
	char link[32], path[PATH_MAX];
	ssize_t n;

	(void)format_safe(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	if (n == sizeof(path) - 1)
		return -ENAMETOOLONG;
	if (path[0] != '/') /* "(unreachable)…": outside of our root */
		return -ENOENT;
	*ret = strdup(path);
	return *ret ? 0 : -ENOMEM;
}

static int look(int fd, struct statx *ret)
{
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, ret) < 0)
		return -errno;
	return ret->stx_nlink == 0 ? -ENOENT : 0; /* its path would be somebody else's by now */
}

int host_mount(int fd, uint64_t *ret)
{
	struct statx stx;
	int r = look(fd, &stx);

	if (r == 0)
		*ret = stx.stx_mask & STATX_MNT_ID ? stx.stx_mnt_id : 0;
	return r;
}

static int take_facts(int place, const struct statx *stx, struct host_file *ret)
{
	char link[32];
	struct statvfs fs;

	ret->device = makedev(stx->stx_dev_major, stx->stx_dev_minor);
	ret->inode = stx->stx_ino;
	ret->mount = stx->stx_mask & STATX_MNT_ID ? stx->stx_mnt_id : 0;
	if (fstatvfs(place, &fs) < 0)
		return -errno;
	ret->noexec = fs.f_flag & ST_NOEXEC;
	(void)format_safe(link, sizeof(link), "/proc/self/fd/%d", place);
	ret->executable = faccessat(AT_FDCWD, link, X_OK, AT_EACCESS) == 0;
	return host_path(place, &ret->path);
}

int host_file_open(int root, const char *path, struct host_file *ret)
{
	_cleanup_(host_file_done) struct host_file file = HOST_FILE_INIT;
	_cleanup_fd_ int place = root >= 0 ? beneath_open_path(root, path, O_CLOEXEC)
					   : open(path, O_PATH | O_CLOEXEC);
	struct statx stx;
	int r;

	if (place < 0)
		return root >= 0 ? place : -errno;
	r = look(place, &stx);
	if (r < 0)
		return r;
	if (!S_ISREG(stx.stx_mode))
		return S_ISDIR(stx.stx_mode) ? -EISDIR : -EINVAL;
	r = take_facts(place, &stx, &file);
	if (r < 0)
		return r;
	file.fd = reopen(place, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (file.fd < 0)
		return file.fd;
	*ret = file;
	file = (struct host_file)HOST_FILE_INIT;
	return 0;
}
