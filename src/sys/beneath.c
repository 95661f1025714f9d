/* SPDX-License-Identifier: MIT */
#include "sys/beneath.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "sys/syscalls.h"

enum { TRIES = 1000 };

int beneath_open_path(int root, const char *path, int flags)
{
	int fd;

	/* EAGAIN: something was mounted or renamed anywhere while it stepped over a "..". */
	for (int i = 0; i < TRIES; i++) {
		fd = sys_openat2(root, path, (uint64_t)(O_PATH | flags),
				 RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
		if (fd != -EAGAIN)
			break;
	}
	return fd;
}

int reopen(int fd, int flags)
{
	char path[32];
	int new;

	(void)format_safe(path, sizeof(path), "/proc/self/fd/%d", fd);
	new = open(path, flags | O_CLOEXEC);
	return new < 0 ? -errno : new;
}

int beneath_open_file(int root, const char *path)
{
	_cleanup_fd_ int fd = beneath_open_path(root, path, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return reopen(fd, O_RDONLY | O_NOCTTY | O_NONBLOCK);
}
