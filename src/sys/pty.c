/* SPDX-License-Identifier: MIT */
#include "sys/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "sys/beneath.h"

/* Takes the master out of `*master` when it succeeds. */
static int open_slave(int *master, int *ret_master, int *ret_slave)
{
	int slave, unlock = 0;

	if (ioctl(*master, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	slave = ioctl(*master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	*ret_master = take_fd(master);
	*ret_slave = slave;
	return 0;
}

/* The file is the container's: that it's a device of devpts is asked of the file system. */
static int open_pair(int place, int *ret_master, int *ret_slave)
{
	_cleanup_fd_ int master = -EBADF;
	struct statfs fs;

	if (fstatfs(place, &fs) < 0)
		return -errno;
	if (fs.f_type != DEVPTS_SUPER_MAGIC)
		return -ENOTSUP;
	master = reopen(place, O_RDWR | O_NOCTTY);
	if (master < 0)
		return master;
	return open_slave(&master, ret_master, ret_slave);
}

int pty_open_beneath(int root, const char *path, int *ret_master, int *ret_slave)
{
	_cleanup_fd_ int place = beneath_open_path(root, path, 0);

	return place < 0 ? place : open_pair(place, ret_master, ret_slave);
}

int pty_open_own(int *ret_master, int *ret_slave)
{
	_cleanup_fd_ int place = open("/dev/pts/ptmx", O_PATH | O_CLOEXEC);
	_cleanup_fd_ int master = -EBADF;
	int r = place < 0 ? -errno : open_pair(place, ret_master, ret_slave);

	/* The one inside devpts is nobody's by default (ptmxmode=000); this is everybody's. */
	if (r != -EACCES)
		return r;
	master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	return master < 0 ? -errno : open_slave(&master, ret_master, ret_slave);
}
