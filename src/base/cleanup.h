/* SPDX-License-Identifier: MIT
 *
 * Scoped ownership: what a variable owns goes with its scope, unless it was taken out by name.
 *
 *	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
 *	...
 *	*ret_fd = take_fd(&fd);		moves it out; fd is -EBADF from here on
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))

/* Closes and leaves -EBADF; fine on one that isn't open. Keeps errno. */
static inline void close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd); /* Linux frees the number whatever close says */
	*fd = -EBADF;
	errno = saved;
}

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

static inline void free_pointer(void *pointer)
{
	int saved = errno;

	free(*(void **)pointer);
	errno = saved;
}

static inline void close_file(FILE **file)
{
	if (*file)
		(void)fclose(*file); /* only for files that were read */
}

static inline void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

#define _cleanup_fd_ _cleanup_(close_fd)
#define _cleanup_free_ _cleanup_(free_pointer)
#define _cleanup_file_ _cleanup_(close_file)
#define _cleanup_dir_ _cleanup_(close_dir)

#define take_ptr(pointer)                                                                          \
	({                                                                                         \
		__typeof__(pointer) *_from = &(pointer);                                           \
		__typeof__(pointer) _taken = *_from;                                               \
		*_from = NULL;                                                                     \
		_taken;                                                                            \
	})

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
