/* SPDX-License-Identifier: MIT */
#include "sys/executable.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/syscalls.h"

#define SELF "/proc/self/exe"

enum { SEAL_TRIES = 50, SEAL_PAUSE_MS = 10 };

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* 6.3; without it the kernel warns in its log */
#endif

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* 6.3; asked for by vm.memfd_noexec */
#endif

static int open_self(void)
{
	int fd = open(SELF, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int executable_is_sealed(void)
{
	_cleanup_fd_ int fd = -EBADF;
	struct statvfs fs;
	int seals;

	if (statvfs(SELF, &fs) < 0)
		return -errno;
	if (fs.f_flag & ST_RDONLY)
		return 1;
	fd = open_self();
	if (fd < 0)
		return fd;
	seals = fcntl(fd, F_GET_SEALS); /* EINVAL: not a memfd */
	return seals >= 0 && (seals & SEALS) == SEALS;
}

int executable_stat(struct stat *ret)
{
	return stat(SELF, ret) < 0 ? -errno : 0;
}

int executable_run_clone(char *const *argv, char *const *envp)
{
	_cleanup_fd_ int tree = sys_open_tree(AT_FDCWD, SELF, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r;

	if (tree < 0)
		return tree;
	r = sys_mount_setattr(tree, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY);
	return r < 0 ? r : sys_execveat(tree, "", argv, envp, AT_EMPTY_PATH);
}

static int copy_self(int from, off_t size, int to)
{
	for (off_t left = size; left > 0;) {
		ssize_t n = sendfile(to, from, NULL, (size_t)left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		left -= n;
	}
	return 0;
}

/* EBUSY: the kernel has hold of a page for the moment. */
static int seal(int fd)
{
	for (int i = 0; fcntl(fd, F_ADD_SEALS, SEALS) < 0; i++) {
		if (errno != EBUSY || i == SEAL_TRIES)
			return -errno;
		(void)poll(NULL, 0, SEAL_PAUSE_MS);
	}
	return 0;
}

/* Checked beforehand: a write beyond the limit isn't only an error, it's a SIGXFSZ. setrlimit(2) */
static int check_size(size_t size)
{
	struct rlimit64 limit;

	return sys_prlimit(0, RLIMIT_FSIZE, NULL, &limit) == 0 && limit.rlim_cur < size ? -EFBIG
											: 0;
}

/* A file in memory that may be executed, with room for that much. */
static int make_file(size_t size)
{
	int fd = check_size(size);

	if (fd < 0)
		return fd;
	fd = memfd_create("conjoin", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL) /* MFD_EXEC */
		fd = memfd_create("conjoin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

int executable_run_copy(char *const *argv, char *const *envp)
{
	_cleanup_fd_ int from = open_self(), fd = -EBADF;
	struct stat st;
	int r;

	if (from < 0)
		return from;
	if (fstat(from, &st) < 0)
		return -errno;
	fd = make_file((size_t)st.st_size);
	if (fd < 0)
		return fd;
	r = copy_self(from, st.st_size, fd);
	if (r < 0)
		return r;
	r = seal(fd);
	if (r < 0)
		return r;
	return sys_execveat(fd, "", argv, envp, AT_EMPTY_PATH);
}

int memory_file(int *file, size_t size)
{
	_cleanup_fd_ int fd = -EBADF;
	int r = check_size(size);

	if (r < 0)
		return r;
	if (*file >= 0)
		return ftruncate(*file, (off_t)size) < 0 ? -errno : 0;
	fd = memfd_create("conjoin-orders", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("conjoin-orders", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return -errno;
	*file = take_fd(&fd);
	return 0;
}

int executable_make(const void *program, size_t size)
{
	_cleanup_fd_ int fd = make_file(size);
	int r = fd < 0 ? fd : io_write_all(fd, program, size);

	if (r == 0)
		r = seal(fd);
	return r < 0 ? r : take_fd(&fd);
}
