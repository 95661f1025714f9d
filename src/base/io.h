/* SPDX-License-Identifier: MIT
 *
 * Reading and writing whole things: EINTR and short transfers are dealt with here and nowhere else.
 * Not here: which file to read (sys/).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A file's content: `data` is NUL-ended behind its `size` bytes, which may hold NULs themselves.
 * Owned: bytes_done() frees it.
 */
struct bytes {
	char *data;
	size_t size;
};

#define BYTES_INIT {.data = NULL}

void bytes_done(struct bytes *bytes);

/*
 * Reads `fd` to its end.
 *
 *	EFBIG	there is more than `limit` bytes
 */
int io_read_all(int fd, size_t limit, struct bytes *ret);

/*
 * Reads `fd` to its end into a buffer of the caller's, NUL-ended; no heap. Returns the length.
 *
 *	EFBIG	it doesn't fit
 */
ssize_t io_read_small(int fd, char *buf, size_t size);

/* Milliseconds of CLOCK_MONOTONIC, for deadlines. Async-signal-safe. */
int64_t clock_ms(void);

/* The sooner of two timeouts of poll(2), of which -1 is none. */
static inline int timeout_sooner(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

/* Writes all of it, or fails. Async-signal-safe. */
int io_write_all(int fd, const void *data, size_t size);

/* One read(2)/write(2), begun again after EINTR. Return the length or -errno. Async-signal-safe. */
ssize_t io_read(int fd, void *data, size_t size);
ssize_t io_write(int fd, const void *data, size_t size);
