/* SPDX-License-Identifier: MIT */
#include "sys/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/beneath.h"
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

/* A message with room for two files. cmsg(3) */
struct parcel {
	struct answer answer;
	struct iovec text;
	char control[CMSG_SPACE(2 * sizeof(int))] __attribute__((aligned(8)));
	struct msghdr message;
};

static void parcel_init(struct parcel *parcel)
{
	memset(parcel, 0, sizeof(*parcel));
	parcel->text = (struct iovec){&parcel->answer, sizeof(parcel->answer)};
	parcel->message.msg_iov = &parcel->text;
	parcel->message.msg_iovlen = 1;
}

static void put_files(struct parcel *parcel, int master, int slave)
{
	const int files[2] = {master, slave};
	struct cmsghdr *head;

	parcel->message.msg_control = parcel->control;
	parcel->message.msg_controllen = sizeof(parcel->control);
	head = CMSG_FIRSTHDR(&parcel->message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(files));
	memcpy(CMSG_DATA(head), files, sizeof(files));
}

/* The helper, a copy of a caller with perhaps many threads: async-signal-safe calls only. */
static _Noreturn void open_for_caller(int root, const char *path, int out)
{
	int keep[] = {root, out}, place, master, slave, r;
	struct parcel parcel;

	/* The caller's pipes mustn't stay open for it. */
	sys_close_all_but_these(keep, ELEMENTS(keep));
	place = beneath_open_path(root, path, 0);
	r = place < 0 ? place : open_pair(place, &master, &slave);
	parcel_init(&parcel);
	parcel.answer.code = -r;
	if (r == 0)
		put_files(&parcel, master, slave);
	(void)sendmsg(out, &parcel.message, MSG_NOSIGNAL);
	_exit(0);
}

static int take_files(int fd, int ms, int *ret_master, int *ret_slave)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	int64_t end = clock_ms() + ms;
	const struct cmsghdr *head;
	struct parcel parcel;
	int files[2], r;

	do
		r = poll(&ready, 1, ms);
	while (r < 0 && errno == EINTR && (ms = (int)(end - clock_ms())) > 0);
	if (r <= 0)
		return -ETIMEDOUT;
	parcel_init(&parcel);
	parcel.message.msg_control = parcel.control;
	parcel.message.msg_controllen = sizeof(parcel.control);
	if (recvmsg(fd, &parcel.message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) !=
	    (ssize_t)sizeof(parcel.answer))
		return -EIO; /* the helper was killed */
	if (parcel.answer.code)
		return -parcel.answer.code;
	head = CMSG_FIRSTHDR(&parcel.message);
	if (!head || head->cmsg_type != SCM_RIGHTS)
		return -EMFILE; /* ours are too few: recvmsg has dropped what didn't fit */
	memcpy(files, CMSG_DATA(head), sizeof(files));
	if (head->cmsg_len != CMSG_LEN(sizeof(files))) {
		close_fd(&files[0]); /* the one that did */
		return -EMFILE;
	}
	*ret_master = files[0];
	*ret_slave = files[1];
	return 0;
}

/* By a process that can be killed: the container's /dev may be a FUSE that never answers. */
int pty_open_beneath(int root, const char *path, int ms, int *ret_master, int *ret_slave)
{
	_cleanup_fd_ int in = -EBADF, out = -EBADF;
	int fds[2], helper = -EBADF, r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	in = fds[0];
	out = fds[1];
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
