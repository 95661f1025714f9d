/* SPDX-License-Identifier: MIT */
#include "sys/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/format.h"
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

int namespaces_read(int proc, struct namespaces *ret, int *ret_kind)
{
	struct namespaces all = {{0}};

	for (int i = 0; i < NAMESPACE_KINDS; i++) {
		struct stat st;
		char file[16];

		file_of(i, file);
		if (fstatat(proc, file, &st, 0) == 0) {
			all.inode[i] = st.st_ino;
		} else if (errno != ENOENT) {
			*ret_kind = i;
			return -errno;
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
