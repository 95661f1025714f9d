/* SPDX-License-Identifier: MIT */
#include "sys/unix_beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "sys/beneath.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

static int fill(const char *name, struct sockaddr_un *ret)
{
	size_t length = strlen(name);

	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	if (length >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret->sun_path, name, length);
	return 0;
}

/* The directory in which `path` has its last component. */
static int open_directory(int root, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX];
	size_t length = slash ? (size_t)(slash - path) : 0;
	int fd;

	if (!slash || length >= sizeof(directory))
		return -EINVAL;
	memcpy(directory, path, length);
	directory[length] = '\0';
	fd = beneath_open_path(root, length ? directory : "/", O_DIRECTORY);
	if (fd >= 0)
		*ret_name = slash + 1;
	return fd;
}

/* By the file that was looked at, whatever has its name by now. */
static int connect_to(int socket, int place)
{
	struct sockaddr_un address;
	char path[sizeof(PROC_PATH "/self/fd/") + 12];
	struct stat st;
	int r;

	if (fstat(place, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	(void)format_safe(path, sizeof(path), PROC_PATH "/self/fd/%d", place);
	r = fill(path, &address);
	if (r < 0)
		return r;
	return connect(socket, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

/* Nobody listens on it. */
static bool refuses(int place)
{
	_cleanup_fd_ int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return probe >= 0 && connect_to(probe, place) == -ECONNREFUSED;
}

/*
 * Removes somebody's that has gone. Who has come meanwhile may have put another one there: so it's first taken out of the way, and what was
 * taken is given back if somebody listens on it. Who sees it gone after that loses (unix_is_at()).
 */
static bool remove_abandoned(int directory, const char *name)
{
	_cleanup_fd_ int place = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_fd_ int taken = -EBADF;
	char aside[64];

	if (place < 0 || !refuses(place))
		return false;
	(void)format_safe(aside, sizeof(aside), ".conjoin.%d.old", sys_getpid());
	if (renameat(directory, name, directory, aside) < 0)
		return false;
	taken = openat(directory, aside, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (taken >= 0 && !refuses(taken)) {
		(void)linkat(directory, aside, directory, name,
			     0); /* EEXIST: somebody else's by now */
		(void)unlinkat(directory, aside, 0);
		return false;
	}
	return unlinkat(directory, aside, 0) == 0;
}

static int bind_here(int socket, const struct sockaddr_un *address)
{
	return bind(socket, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
}

int unix_bind_beneath(int socket, int root, const char *path, mode_t mode, struct unix_file *ret)
{
	const char *name = NULL;
	_cleanup_fd_ int directory = open_directory(root, path, &name);
	struct sockaddr_un address;
	struct stat st;
	int r = directory < 0 ? directory : fill(name, &address);

	if (r < 0)
		return r;
	if (fchdir(directory) < 0)
		return -errno;
	(void)umask(~mode & 0777);
	r = bind_here(socket, &address);
	if (r == -EADDRINUSE && remove_abandoned(directory, name))
		r = bind_here(socket, &address);
	if (r < 0)
		return r;
	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(st.st_mode))
		memset(&st, 0,
		       sizeof(st)); /* somebody was quick to replace it: not ours to remove */
	ret->device = st.st_dev;
	ret->inode = st.st_ino;
	return 0;
}

int unix_connect_beneath(int socket, int root, const char *path)
{
	_cleanup_fd_ int place = beneath_open_path(root, path, 0);

	return place < 0 ? place : connect_to(socket, place);
}

bool unix_is_at(int root, const char *path, const struct unix_file *file)
{
	const char *name = NULL;
	_cleanup_fd_ int directory = open_directory(root, path, &name);
	struct stat st;

	return directory >= 0 && fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == file->device && st.st_ino == file->inode;
}

int unix_unlink_beneath(int root, const char *path, const struct unix_file *file)
{
	const char *name = NULL;
	_cleanup_fd_ int directory = open_directory(root, path, &name);
	struct stat st;

	if (directory < 0)
		return directory;
	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode) || st.st_dev != file->device || st.st_ino != file->inode)
		return -ESTALE;
	return unlinkat(directory, name, 0) < 0 ? -errno : 0;
}
