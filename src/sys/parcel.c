/* SPDX-License-Identifier: MIT */
#include "sys/parcel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/io.h"

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(PARCEL_FILES_MAX * sizeof(int))];
};

int parcel_pair(int *ret_in, int *ret_out)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*ret_in = fds[0];
	*ret_out = fds[1];
	return 0;
}

int parcel_send(int fd, const void *data, size_t size, const int *files, size_t n)
{
	struct iovec text = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};
	union control control;

	if (n > PARCEL_FILES_MAX)
		return -EINVAL;
	memset(&control, 0, sizeof(control));
	if (n > 0) {
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.head), files, n * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int await(int fd, int ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	int64_t end = clock_ms() + ms;
	int r;

	do
		r = poll(&ready, 1, ms);
	while (r < 0 && errno == EINTR && (ms = (int)(end - clock_ms())) > 0);
	return r > 0 ? 0 : -ETIMEDOUT;
}

/* All that came, also when it's more or less than we want: they are open by now. */
static size_t take_files(struct msghdr *message, int *files)
{
	size_t n = 0;

	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head;
	     head = CMSG_NXTHDR(message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(files, CMSG_DATA(head), n * sizeof(int));
	}
	return n;
}

int parcel_receive(int fd, int ms, void *data, size_t size, int *ret_files, size_t max)
{
	struct iovec text = {.iov_base = data, .iov_len = size};
	union control control;
	struct msghdr message = {.msg_iov = &text,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int files[PARCEL_FILES_MAX];
	int r = await(fd, ms);
	ssize_t length;
	size_t n;

	if (r < 0)
		return r;
	length = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (length < 0)
		return -errno;
	n = take_files(&message, files);
	if (message.msg_flags & MSG_CTRUNC)
		r = -EMFILE;
	else if (length != (ssize_t)size || message.msg_flags & MSG_TRUNC || n > max)
		r = -EIO;
	if (r < 0) {
		while (n > 0)
			close_fd(&files[--n]);
		return r;
	}
	if (n > 0)
		memcpy(ret_files, files, n * sizeof(int));
	return (int)n;
}
