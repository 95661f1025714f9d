/* SPDX-License-Identifier: MIT */
#include "sys/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/beneath.h"
#include "sys/parcel.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"

/* For the helper to be gone, which may sit in FUSE for as long as its server likes. */
enum { KILLED_MS = 50 };

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

/* What the helper sends, with both files if code is 0. */
struct answer {
	int code;
};

/* The helper, a copy of a caller with perhaps many threads: async-signal-safe calls only. */
static _Noreturn void open_for_caller(int root, const char *path, int out)
{
	int keep[] = {root, out}, files[2], place, r;
	struct answer answer = {.code = 0};

	/* The caller's pipes mustn't stay open for it. */
	sys_close_all_but_these(keep, ELEMENTS(keep));
	place = beneath_open_path(root, path, 0);
	r = place < 0 ? place : open_pair(place, &files[0], &files[1]);
	answer.code = -r;
	(void)parcel_send(out, &answer, sizeof(answer), files, r == 0 ? 2 : 0);
	_exit(0);
}

static int take_files(int fd, int ms, int *ret_master, int *ret_slave)
{
	struct answer answer;
	int files[2];
	int r = parcel_receive(fd, ms, &answer, sizeof(answer), files, ELEMENTS(files));

	if (r < 0)
		return r;
	if (answer.code)
		return -answer.code;
	if (r != ELEMENTS(files))
		return -EIO;
	*ret_master = files[0];
	*ret_slave = files[1];
	return 0;
}

/* By a process that can be killed: the container's /dev may be a FUSE that never answers. */
int pty_open_beneath(int root, const char *path, int ms, int *ret_master, int *ret_slave)
{
	_cleanup_fd_ int in = -EBADF, out = -EBADF;
	int helper = -EBADF, r = parcel_pair(&in, &out);
	pid_t pid;

	if (r < 0)
		return r;
	pid = process_spawn(-1, &helper);
	if (pid == 0)
		open_for_caller(root, path, out);
	if (pid < 0)
		return (int)pid;
	close_fd(&out);
	r = take_files(in, ms, ret_master, ret_slave);
	process_end_within(&helper, KILLED_MS);
	return r;
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
