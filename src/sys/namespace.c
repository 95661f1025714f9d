/* SPDX-License-Identifier: MIT */
#include "sys/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/parse.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080 /* 5.6 */
#endif

const struct namespace_kind namespace_kinds[NAMESPACE_KINDS] = {
	[NAMESPACE_USER] = {"user", CLONE_NEWUSER},
	[NAMESPACE_CGROUP] = {"cgroup", CLONE_NEWCGROUP},
	[NAMESPACE_IPC] = {"ipc", CLONE_NEWIPC},
	[NAMESPACE_UTS] = {"uts", CLONE_NEWUTS},
	[NAMESPACE_NET] = {"net", CLONE_NEWNET},
	[NAMESPACE_PID] = {"pid", CLONE_NEWPID},
	[NAMESPACE_TIME] = {"time", CLONE_NEWTIME},
	[NAMESPACE_MNT] = {"mnt", CLONE_NEWNS},
};

int namespace_index(const char *name)
{
	for (int i = 0; i < NAMESPACE_KINDS; i++)
		if (strcmp(namespace_kinds[i].name, name) == 0)
			return i;
	return -EINVAL;
}

static void file_of(int kind, char buf[static 16])
{
	(void)format_safe(buf, 16, "ns/%s", namespace_kinds[kind].name);
}

/* "mnt:[4026531841]". Reading the link is half the price of following it to an inode. */
int namespace_read(int proc, int kind, uint64_t *ret)
{
	size_t prefix = strlen(namespace_kinds[kind].name) + 2;
	char file[16], link[64];
	ssize_t n;

	file_of(kind, file);
	n = proc_readlink(proc, file, link, sizeof(link));
	if (n < 0)
		return (int)n;
	if ((size_t)n < prefix + 2 || link[prefix - 1] != '[' || link[n - 1] != ']')
		return -EBADMSG;
	link[n - 1] = '\0';
	return parse_u64(link + prefix, 1, UINT64_MAX, ret);
}

int namespaces_read(int proc, struct namespaces *ret, int *ret_kind)
{
	struct namespaces all = {{0}};

	for (int i = 0; i < NAMESPACE_KINDS; i++) {
		int r = namespace_read(proc, i, &all.inode[i]);

		if (r < 0 && r != -ENOENT) {
			*ret_kind = i;
			return r;
		}
	}
	*ret = all;
	return 0;
}

int namespace_open(int proc, int kind)
{
	char file[16];
	int fd;

	file_of(kind, file);
	fd = openat(proc, file, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int namespace_owner(int fd, uid_t *ret)
{
	return ioctl(fd, NS_GET_OWNER_UID, ret) < 0 ? -errno : 0;
}

int namespace_parent(int fd)
{
	int parent = ioctl(fd, NS_GET_PARENT);

	return parent < 0 ? -errno : parent;
}

int namespace_inode(int fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = st.st_ino;
	return 0;
}

int namespace_user(int fd, uint64_t *ret)
{
	_cleanup_fd_ int user = ioctl(fd, NS_GET_USERNS);
	struct stat st;

	if (user < 0 || fstat(user, &st) < 0)
		return -errno;
	*ret = st.st_ino;
	return 0;
}

int namespace_join_net(int pidfd)
{
	int r = sys_setns(pidfd, CLONE_NEWNET);

	if (r != -EPERM)
		return r;
	r = sys_setns(pidfd, CLONE_NEWUSER | CLONE_NEWNET);
	return r < 0 ? r : 1;
}
