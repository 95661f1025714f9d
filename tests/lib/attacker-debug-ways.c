/* SPDX-License-Identifier: MIT
 *
 * Each way to open a process of others: what ptrace(2) calls a check of the access mode, reading or
 * attaching. True if it's open.
 */
#include "attacker-debug.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/base/cleanup.h"

enum { FDS_MAX = 8 };

static bool opens(const struct victim *v, const char *name, int flags)
{
	_cleanup_fd_ int fd = openat(v->proc, name, flags | O_CLOEXEC);

	return fd >= 0;
}

/* An open file of an ending process reads as empty. */
static bool has_content(const struct victim *v, const char *name)
{
	_cleanup_fd_ int fd = openat(v->proc, name, O_RDONLY | O_CLOEXEC);
	char byte;

	return fd >= 0 && read(fd, &byte, 1) == 1;
}

static bool by_root(const struct victim *v)
{
	return opens(v, "root", O_PATH | O_DIRECTORY);
}

static bool by_marker(const struct victim *v)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "root%s", v->marker);
	return has_content(v, path);
}

static bool by_cwd(const struct victim *v)
{
	return opens(v, "cwd", O_PATH | O_DIRECTORY);
}

static bool by_fds(const struct victim *v)
{
	bool open = false; /* to list the numbers is a matter of ids alone, and opens nothing */

	for (int i = 0; i < FDS_MAX; i++) {
		char path[32], text[64];

		(void)snprintf(path, sizeof(path), "fd/%d", i);
		open |= readlinkat(v->proc, path, text, sizeof(text)) > 0 || opens(v, path, O_PATH);
	}
	return open;
}

static bool by_exe(const struct victim *v)
{
	char text[64];

	return readlinkat(v->proc, "exe", text, sizeof(text)) > 0 || opens(v, "exe", O_PATH);
}

static bool by_exe_written(const struct victim *v)
{
	return opens(v, "exe", O_RDWR) || errno == ETXTBSY;
}

static bool by_environ(const struct victim *v)
{
	return has_content(v, "environ");
}

static bool by_maps(const struct victim *v)
{
	return has_content(v, "maps");
}

/* The first page that is mapped, if that may be known; else where a program usually is. */
static uint64_t some_address(const struct victim *v)
{
	_cleanup_fd_ int fd = openat(v->proc, "maps", O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		return strtoull(text, NULL, 16);
	return 0x400000;
}

static bool by_mem(const struct victim *v)
{
	_cleanup_fd_ int fd = openat(v->proc, "mem", O_RDWR | O_CLOEXEC);
	char byte;

	return fd >= 0 && pread(fd, &byte, 1, (off_t)some_address(v)) == 1;
}

/* To list them opens nothing yet. */
static bool opens_map_file(const struct victim *v, int flags)
{
	_cleanup_fd_ int fd = openat(v->proc, "map_files", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool open = false;

	if (!dir)
		return false;
	fd = -EBADF; /* the directory's now */
	while ((entry = readdir(dir))) {
		_cleanup_fd_ int file = openat(dirfd(dir), entry->d_name, flags | O_CLOEXEC);

		open |= file >= 0 && entry->d_name[0] != '.';
	}
	return open;
}

static bool by_map_files(const struct victim *v)
{
	return opens_map_file(v, O_RDONLY);
}

static bool by_map_files_written(const struct victim *v)
{
	return opens_map_file(v, O_RDWR);
}

static bool by_ns(const struct victim *v)
{
	char text[64];

	return readlinkat(v->proc, "ns/mnt", text, sizeof(text)) > 0 ||
	       opens(v, "ns/mnt", O_RDONLY);
}

/* Waits for its stop by `sig`, and lets it go on: a signal that is still to come would stop it for good. */
static bool let_go(const struct victim *v, int sig)
{
	int status;

	while (waitpid(v->pid, &status, __WALL) == v->pid && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == sig) {
			(void)ptrace(PTRACE_DETACH, v->pid, NULL, NULL);
			break;
		}
		(void)ptrace(PTRACE_CONT, v->pid, NULL, NULL);
	}
	return true;
}

static bool by_seize(const struct victim *v)
{
	if (ptrace(PTRACE_SEIZE, v->pid, NULL, NULL) < 0)
		return false;
	return ptrace(PTRACE_INTERRUPT, v->pid, NULL, NULL) == 0 ? let_go(v, SIGTRAP) : true;
}

static bool by_attach(const struct victim *v)
{
	return ptrace(PTRACE_ATTACH, v->pid, NULL, NULL) == 0 && let_go(v, SIGSTOP);
}

static bool by_readv(const struct victim *v)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)some_address(v), 1};

	/* EFAULT: allowed, and a wrong guess of the address */
	return process_vm_readv(v->pid, &here, 1, &there, 1, 0) == 1 || errno == EFAULT;
}

static bool by_getfd(const struct victim *v)
{
	_cleanup_fd_ int pidfd = (int)syscall(SYS_pidfd_open, v->pid, 0);
	bool open = false;

	for (int i = 0; pidfd >= 0 && i < 3; i++) {
		_cleanup_fd_ int fd = (int)syscall(SYS_pidfd_getfd, pidfd, i, 0);

		open |= fd >= 0;
	}
	return open;
}

static bool by_kcmp(const struct victim *v)
{
	return syscall(SYS_kcmp, getpid(), v->pid, KCMP_FILES, 0, 0) >= 0;
}

static bool by_robust_list(const struct victim *v)
{
	void *head;
	size_t size;

	return syscall(SYS_get_robust_list, v->pid, &head, &size) == 0;
}

const struct way ways[] = {
	{"root", by_root, false},
	{"marker", by_marker, false},
	{"cwd", by_cwd, false},
	{"fd", by_fds, false},
	{"exe", by_exe, false},
	{"exe-written", by_exe_written, false},
	{"environ", by_environ, false},
	{"maps", by_maps, false},
	{"mem", by_mem, false},
	{"map_files", by_map_files, false},
	{"map_files-written", by_map_files_written, false},
	{"ns", by_ns, false},
	{"getfd", by_getfd, true},
	{"readv", by_readv, true},
	{"kcmp", by_kcmp, true},
	{"robust", by_robust_list, true},
	{"seize", by_seize, true},
	{"attach", by_attach, true},
};

const size_t n_ways = sizeof(ways) / sizeof(ways[0]);
