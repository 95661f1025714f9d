/* SPDX-License-Identifier: MIT */
#include "sys/user_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/parse.h"
#include "sys/beneath.h"
#include "sys/mountinfo.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U /* 5.8 */
#endif

enum { MOUNTINFO_LIMIT = 64 << 20 };

/* Those that answer by themselves, and that no user can mount outside of a namespace of his own. */
static const char *const local_types[] = {
	"tmpfs", "ramfs",   "ext4", "ext3", "ext2",	"xfs",
	"btrfs", "overlay", "zfs",  "f2fs", "bcachefs",
};

/* Without asking the file system, which may be the very one that never answers: statx(2). */
static int mount_of(int fd, uint64_t *ret)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0)
		return -errno;
	if (!(stx.stx_mask & STATX_MNT_ID))
		return -EOPNOTSUPP;
	*ret = stx.stx_mnt_id;
	return 0;
}

static bool type_is_local(struct mount_word type)
{
	for (size_t i = 0; i < ELEMENTS(local_types); i++)
		if (mount_word_is(type, local_types[i]))
			return true;
	return false;
}

static int check_mount(uint64_t mount)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int self = -EBADF;
	struct mount_line line;
	const char *at;
	char id[24];
	int r = proc_open(0, &self, NULL);

	if (r == 0)
		r = proc_read(self, "mountinfo", MOUNTINFO_LIMIT, &text);
	if (r < 0)
		return r;
	(void)format_safe(id, sizeof(id), "%llu", (unsigned long long)mount);
	for (at = text.data; mountinfo_next(&at, &line);)
		if (mount_word_is(line.id, id))
			return type_is_local(line.type) ? 0 : -EREMOTE;
	return -EREMOTE;
}

static int open_place(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int user_tree_open(const char *path, const char *beside, uid_t owner, int *ret)
{
	_cleanup_fd_ int tree = open_place(path), known = -EBADF;
	uint64_t mount = 0, mount_known = 0;
	struct stat st;
	int r;

	if (tree < 0)
		return tree;
	r = mount_of(tree, &mount);
	if (r < 0)
		return r;
	known = open_place(beside);
	if (known < 0 || mount_of(known, &mount_known) < 0 || mount != mount_known)
		r = check_mount(mount);
	if (r < 0)
		return r;
	if (fstat(tree, &st) < 0)
		return -errno;
	if (st.st_uid != owner && st.st_uid != 0)
		return -EPERM;
	*ret = take_fd(&tree);
	return 0;
}

static int open_below(int tree, const char *path, int flags)
{
	return sys_openat2(tree, path, (uint64_t)flags,
			   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
				   RESOLVE_NO_XDEV);
}

int user_tree_open_path(int tree, const char *path)
{
	return open_below(tree, path, O_PATH);
}

/* By the place that was opened, so that the path can't lead elsewhere meanwhile. */
int user_tree_connect(int tree, const char *path, int fd)
{
	_cleanup_fd_ int place = open_below(tree, path, O_PATH);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;

	if (place < 0)
		return place;
	if (fstat(place, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	(void)format_safe(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", place);
	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

/* FIFOs and devices act on open: it's looked at before. */
int user_tree_read(int tree, const char *path, size_t limit, struct bytes *ret)
{
	_cleanup_fd_ int place = open_below(tree, path, O_PATH), fd = -EBADF;
	struct stat st;

	if (place < 0)
		return place;
	if (fstat(place, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	fd = reopen(place, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? fd : io_read_all(fd, limit, ret);
}

int user_tree_opendir(int tree, const char *path, DIR **ret)
{
	_cleanup_fd_ int fd = open_below(tree, path, O_RDONLY | O_DIRECTORY);
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	(void)take_fd(&fd); /* the directory's now */
	*ret = dir;
	return 0;
}
