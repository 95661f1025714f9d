/* SPDX-License-Identifier: MIT */
#include "base/io.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

void bytes_done(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes)BYTES_INIT;
}

ssize_t io_read(int fd, void *data, size_t size)
{
	ssize_t n;

	do
		n = read(fd, data, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t io_write(int fd, const void *data, size_t size)
{
	ssize_t n;

	do
		n = write(fd, data, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int64_t clock_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int io_write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = io_write(fd, at, size);

		if (n < 0)
			return (int)n;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

ssize_t io_read_small(int fd, char *buf, size_t size)
{
	size_t got = 0;

	for (;;) {
		ssize_t n = io_read(fd, buf + got, size - got);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		got += (size_t)n;
		if (got == size)
			return -EFBIG; /* no room for the NUL, and perhaps more to come */
	}
	buf[got] = '\0';
	return (ssize_t)got;
}

int io_read_all(int fd, size_t limit, struct bytes *ret)
{
	_cleanup_(bytes_done) struct bytes all = BYTES_INIT;
	size_t room = 0;

	for (;;) {
		if (all.size + 1 >= room) {
			size_t more = room ? room * 2 : 4096;
			char *data = realloc(all.data, more);

			if (!data)
				return -ENOMEM;
			all.data = data;
			room = more;
		}
		ssize_t n = io_read(fd, all.data + all.size, room - all.size - 1);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		all.size += (size_t)n;
		if (all.size > limit)
			return -EFBIG;
	}
	all.data[all.size] = '\0';
	*ret = all;
	all = (struct bytes)BYTES_INIT;
	return 0;
}
