/* SPDX-License-Identifier: MIT
 *
 * As much of a C library as the stage's program calls: system calls and four functions on memory,
 * under the names that the C library's headers declare. It starts in no time, has no state but errno,
 * and is all that a container could ever see of us.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/raw.h"

/* What the library's headers hide behind macros. */
#undef errno

char **environ; /* exec has given us none */

int *__errno_location(void)
{
	static int value;

	return &value;
}

static long result(long r)
{
	if (r < 0 && r > -4096) {
		*__errno_location() = (int)-r;
		return -1;
	}
	return r;
}

#define CALL(nr, a, b, c, d)                                                                       \
	result(raw_call((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0))

long syscall(long nr, ...)
{
	long arg[6];
	va_list args;

	va_start(args, nr);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long); /* those that weren't given are anything */
	va_end(args);
	return result(raw_call(nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]));
}

void _exit(int status)
{
	for (;;)
		(void)CALL(SYS_exit_group, status, 0, 0, 0);
}

ssize_t read(int fd, void *data, size_t size)
{
	return CALL(SYS_read, fd, data, size, 0);
}

ssize_t write(int fd, const void *data, size_t size)
{
	return CALL(SYS_write, fd, data, size, 0);
}

ssize_t pread(int fd, void *data, size_t size, off_t from)
{
	return CALL(SYS_pread64, fd, data, size, from);
}

int close(int fd)
{
	return (int)CALL(SYS_close, fd, 0, 0, 0);
}

/* None of our callers creates files: the mode is never there. */
int open(const char *path, int flags, ...)
{
	return (int)CALL(SYS_openat, AT_FDCWD, path, flags, 0);
}

int openat(int dir, const char *path, int flags, ...)
{
	return (int)CALL(SYS_openat, dir, path, flags, 0);
}

int fcntl(int fd, int command, ...)
{
	va_list args;
	long arg;

	va_start(args, command);
	arg = va_arg(args, long);
	va_end(args);
	return (int)CALL(SYS_fcntl, fd, command, arg, 0);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	long arg;

	va_start(args, request);
	arg = va_arg(args, long);
	va_end(args);
	return (int)CALL(SYS_ioctl, fd, request, arg, 0);
}

int dup2(int from, int to)
{
	return (int)CALL(SYS_dup3, from, to, 0, 0); /* they are never the same */
}

int chdir(const char *path)
{
	return (int)CALL(SYS_chdir, path, 0, 0, 0);
}

int fchdir(int fd)
{
	return (int)CALL(SYS_fchdir, fd, 0, 0, 0);
}

int chroot(const char *path)
{
	return (int)CALL(SYS_chroot, path, 0, 0, 0);
}

mode_t umask(mode_t mask)
{
	return (mode_t)CALL(SYS_umask, mask, 0, 0, 0);
}

int personality(unsigned long persona)
{
	return (int)CALL(SYS_personality, persona, 0, 0, 0);
}

pid_t setsid(void)
{
	return (pid_t)CALL(SYS_setsid, 0, 0, 0, 0);
}

int faccessat(int dir, const char *path, int mode, int flags)
{
	(void)flags;
	return (int)CALL(SYS_faccessat, dir, path, mode, 0);
}

int stat(const char *path, struct stat *ret)
{
	return (int)CALL(SYS_newfstatat, AT_FDCWD, path, ret, 0);
}

int fstatat(int dir, const char *path, struct stat *ret, int flags)
{
	return (int)CALL(SYS_newfstatat, dir, path, ret, flags);
}

int fstat(int fd, struct stat *ret)
{
	return (int)CALL(SYS_fstat, fd, ret, 0, 0);
}

int fstatfs(int fd, struct statfs *ret)
{
	return (int)CALL(SYS_fstatfs, fd, ret, 0, 0);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t from)
{
	return (void *)result(
		raw_call(SYS_mmap, (long)at, (long)size, protection, flags, fd, from));
}

int madvise(void *at, size_t size, int advice)
{
	return (int)CALL(SYS_madvise, at, size, advice, 0);
}

int execve(const char *path, char *const *argv, char *const *envp)
{
	return (int)CALL(SYS_execve, path, argv, envp, 0);
}

size_t strlen(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i] || !a[i])
			return (unsigned char)a[i] - (unsigned char)b[i];
	return 0;
}

size_t strcspn(const char *text, const char *reject)
{
	size_t n = 0;

	for (; text[n]; n++)
		for (const char *r = reject; *r; r++)
			if (text[n] == *r)
				return n;
	return n;
}

/* The compiler writes calls of these. */

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	char *t = to;
	const char *f = from;

	for (size_t i = 0; i < n; i++)
		t[i] = f[i];
	return to;
}

void *memset(void *at, int c, size_t n)
{
	char *t = at;

	for (size_t i = 0; i < n; i++)
		t[i] = (char)c;
	return at;
}
