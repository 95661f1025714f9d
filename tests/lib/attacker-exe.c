/* SPDX-License-Identifier: MIT
 *
 * Keeps the executable of whoever enters, by O_PATH fds, and tries to get a writable one out of it:
 * at once, and when its process has gone and the kernel no more says ETXTBSY. CVE-2019-5736
 *
 * It never writes to a file on a disk: that it could is enough.
 */
#include "attacker.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

enum { KEPT = 16, LOOPS = 200 };

static int kept[KEPT];
static unsigned int n_kept;

static void path_of(int fd, char buf[static 32])
{
	(void)snprintf(buf, 32, "/proc/self/fd/%d", fd);
}

/*
 * A file in memory of one launch: that it can be opened, or its mode changed, is nothing if its content
 * can't be. Tried and not believed: seals that can be taken off would be none.
 */
static void try_to_change(int fd, int writable)
{
	enum { ALL = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };
	int seals = fcntl(fd, F_GET_SEALS);

	if ((seals & ALL) != ALL)
		finding("the executable in memory isn't sealed: %x", (unsigned int)seals);
	if (writable < 0)
		return;
	if (pwrite(writable, "", 1, 0) >= 0 || ftruncate(writable, 0) == 0 ||
	    ftruncate(writable, 1 << 20) == 0)
		finding("the executable in memory can be changed");
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writable, 0) != MAP_FAILED)
		finding("the executable in memory can be mapped for writing");
}

static void try_to_write(int fd, const char *how)
{
	_cleanup_fd_ int readable = -EBADF, writable = -EBADF;
	char path[32];

	path_of(fd, path);
	readable = open(path, O_RDONLY | O_CLOEXEC);
	writable = open(path, O_RDWR | O_CLOEXEC);
	if (readable >= 0 && fcntl(readable, F_GET_SEALS) >= 0) { /* else EINVAL: not in memory */
		try_to_change(readable, writable);
		return;
	}
	if (writable >= 0)
		finding("the executable can be opened for writing%s", how);
	if (chmod(path, 0755) == 0)
		finding("the executable's mode can be changed%s", how);
}

/* Makes the mount writable that the file was found on, or a copy of it. Needs CAP_SYS_ADMIN. */
static void try_mounts(int fd)
{
	struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};
	_cleanup_fd_ int tree = -EBADF;
	char path[32];

	path_of(fd, path);
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
		try_to_write(fd, " after mount_setattr");
	if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
		try_to_write(fd, " after a remount");
	tree = (int)syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | O_CLOEXEC);
	if (tree >= 0) {
		(void)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr));
		try_to_write(tree, " through a clone of its mount");
	}
}

static void try_bind(int fd)
{
	static const char place[] = "/tmp/attacker-bind";
	_cleanup_fd_ int file = open(place, O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
	_cleanup_fd_ int bound = -EBADF;
	char path[32];

	path_of(fd, path);
	if (file < 0 || mount(path, place, NULL, MS_BIND, NULL) < 0)
		return;
	(void)mount(NULL, place, NULL, MS_REMOUNT | MS_BIND, NULL);
	bound = open(place, O_PATH | O_CLOEXEC);
	if (bound >= 0)
		try_to_write(bound, " through a bind mount");
	(void)umount2(place, MNT_DETACH);
}

static void try_all(void)
{
	for (unsigned int i = 0; i < n_kept && i < KEPT; i++) {
		try_to_write(kept[i], "");
		try_mounts(kept[i]);
	}
}

static void keep(int fd)
{
	if (n_kept >= KEPT)
		(void)close(kept[n_kept % KEPT]);
	kept[n_kept++ % KEPT] = fd;
	if (n_kept % KEPT == 0)
		try_all();
}

/* Tries it at once, and keeps it for later; takes the fd over. */
static void attack_file(const struct attacker *a, int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || is_own_mount(a, fd)) {
		close_fd(&fd);
		return;
	}
	(*a->caught)++;
	try_to_write(fd, "");
	try_mounts(fd);
	try_bind(fd);
	keep(fd);
}

/* What it has mapped: a program of ours that serves as an ELF interpreter is no "exe". */
static void attack_mappings(const struct attacker *a, int proc)
{
	int fd = openat(proc, "map_files", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(close_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			attack_file(a, openat(dirfd(dir), entry->d_name, O_PATH | O_CLOEXEC));
}

void attack_exe(const struct attacker *a, struct victim *v)
{
	attack_file(a, openat(v->proc, "exe", O_PATH | O_CLOEXEC));
	if (v->number % 2)
		attack_mappings(a, v->proc);
	attack_file(a, openat(v->proc, "exe", O_PATH | O_CLOEXEC));
}

void exe_finish(const struct attacker *a)
{
	static const struct timespec pause = {.tv_nsec = 1000000};

	(void)a;
	for (int i = 0; i < LOOPS; i++) {
		try_all();
		(void)nanosleep(&pause, NULL);
	}
}
