/* SPDX-License-Identifier: MIT
 *
 * The test container's file system: ROOTFS copied into a tmpfs (or bound), with its own /proc,
 * /sys, /dev and /tmp, then pivot_root. Everything happens in a mount namespace of its own whose
 * mounts are private first, so nothing reaches the host.
 * Not here: which user the files are for (sandbox-identity.c).
 *
 * The working directory is ROOTFS when this begins: the kernel moves it along into a new mount
 * namespace, so that directories on the way to it needn't be open to the container's root.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Any directory that is always there. Only our own mount namespace sees what is mounted on it. */
#define NEW_ROOT "/tmp"

static void close_fts(FTS **tree)
{
	if (*tree)
		(void)fts_close(*tree);
}

/* fts wants a char *const[]; it changes neither. */
static FTS *open_tree_here(void)
{
	static char here[] = ".";
	char *const paths[] = {here, NULL};

	return fts_open(paths, FTS_PHYSICAL | FTS_XDEV, NULL);
}

int owners_collect(struct sandbox *box, struct failure *why)
{
	_cleanup_(close_fts) FTS *tree = open_tree_here();
	FTSENT *entry;

	if (!tree)
		return fail(why, errno, "read %s", box->rootfs);
	while ((entry = fts_read(tree))) {
		const struct stat *st = entry->fts_statp;
		struct owner *owners;

		if (entry->fts_info == FTS_DP || (st->st_uid == 0 && st->st_gid == 0))
			continue;
		owners = realloc(box->owners, (box->n_owners + 1) * sizeof(*owners));
		if (!owners)
			return fail(why, ENOMEM, "read %s", box->rootfs);
		box->owners = owners;
		owners[box->n_owners].path = strdup(entry->fts_path);
		owners[box->n_owners].uid = st->st_uid;
		owners[box->n_owners].gid = st->st_gid;
		if (!owners[box->n_owners++].path)
			return fail(why, ENOMEM, "read %s", box->rootfs);
	}
	return 0;
}

static int copy_file(const FTSENT *entry, int to_dir)
{
	_cleanup_fd_ int from = open(entry->fts_accpath, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_fd_ int to = -EBADF;
	ssize_t n;

	if (from < 0)
		return -errno;
	to = openat(to_dir, entry->fts_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	while ((n = sendfile(to, from, NULL, 1 << 20)) > 0)
		;
	if (n < 0 || fchmod(to, entry->fts_statp->st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int copy_link(const FTSENT *entry, int to_dir)
{
	char target[PATH_MAX];
	ssize_t n = readlink(entry->fts_accpath, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to_dir, entry->fts_path) < 0 ? -errno : 0;
}

static int copy_entry(const FTSENT *entry, int to_dir)
{
	switch (entry->fts_info) {
	case FTS_D:
		if (entry->fts_level > 0 && mkdirat(to_dir, entry->fts_path, 0700) < 0)
			return -errno;
		return 0;
	case FTS_DP: /* the mode last: a directory may forbid writing to itself */
		if (fchmodat(to_dir, entry->fts_path, entry->fts_statp->st_mode & 07777, 0) < 0)
			return -errno;
		return 0;
	case FTS_F:
		return copy_file(entry, to_dir);
	case FTS_SL:
	case FTS_SLNONE:
		return copy_link(entry, to_dir);
	case FTS_ERR:
	case FTS_DNR:
	case FTS_NS:
		return -entry->fts_errno;
	default:
		return 0; /* devices, sockets, pipes */
	}
}

static int copy_root(const struct sandbox *box, struct failure *why)
{
	_cleanup_(close_fts) FTS *tree = NULL;
	_cleanup_fd_ int to = -EBADF;
	FTSENT *entry;

	if (mount("sandbox", NEW_ROOT, "tmpfs", 0, "mode=755") < 0)
		return fail(why, errno, "mount a tmpfs for the root");
	to = open(NEW_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree = open_tree_here();
	if (to < 0 || !tree)
		return fail(why, errno, "copy %s", box->rootfs);
	while ((entry = fts_read(tree))) {
		int r = copy_entry(entry, to);

		if (r < 0)
			return fail(why, -r, "copy %s of %s", entry->fts_path, box->rootfs);
	}
	for (size_t i = 0; i < box->n_owners; i++) /* fails for ids that aren't mapped: root's */
		(void)fchownat(to, box->owners[i].path, box->owners[i].uid, box->owners[i].gid,
			       AT_SYMLINK_NOFOLLOW);
	return 0;
}

/* Ours where the kernel lets us, else the host's: a file system's namespace may not be ours. */
struct mount_row {
	const char *target, *type;
	unsigned long flags;
	const char *data;
	const char *else_bind; /* NULL: must work */
};

static int mount_row(const struct mount_row *row, struct failure *why)
{
	if (mkdir(row->target, 0755) < 0 && errno != EEXIST)
		return fail(why, errno, "make /%s", row->target);
	if (mount(row->type, row->target, row->type, row->flags, row->data) == 0)
		return 0;
	if (!row->else_bind)
		return fail(why, errno, "mount %s on /%s", row->type, row->target);
	if (mount(row->else_bind, row->target, NULL, MS_BIND | MS_REC, NULL) < 0)
		return fail(why, errno, "bind %s on /%s", row->else_bind, row->target);
	return 0;
}

/* mknod is not for user namespaces: then the host's node is bound over an empty file. */
static int make_device(const char *name, dev_t device, struct failure *why)
{
	char path[64], host[64];
	int fd;

	(void)snprintf(path, sizeof(path), "dev/%s", name);
	(void)snprintf(host, sizeof(host), "/dev/%s", name);
	if (mknod(path, S_IFCHR | 0666, device) == 0 && chmod(path, 0666) == 0)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return fail(why, errno, "make %s", host);
	close(fd);
	if (mount(host, path, NULL, MS_BIND, NULL) < 0)
		return fail(why, errno, "bind %s", host);
	return 0;
}

static int fill_dev(struct failure *why)
{
	static const struct {
		const char *name;
		unsigned int major, minor;
	} devices[] = {
		{"null", 1, 3},	  {"zero", 1, 5},    {"full", 1, 7},
		{"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
	};
	static const char *const links[][2] = {
		{"pts/ptmx", "dev/ptmx"},	   {"/proc/self/fd", "dev/fd"},
		{"/proc/self/fd/0", "dev/stdin"},  {"/proc/self/fd/1", "dev/stdout"},
		{"/proc/self/fd/2", "dev/stderr"},
	};

	for (size_t i = 0; i < ELEMENTS(devices); i++) {
		int r = make_device(devices[i].name, makedev(devices[i].major, devices[i].minor),
				    why);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ELEMENTS(links); i++)
		if (symlink(links[i][0], links[i][1]) < 0)
			return fail(why, errno, "link /%s", links[i][1]);
	return 0;
}

/* The working directory is the new root, the host's files are still there under absolute names. */
static int mount_system(const struct sandbox *box, struct failure *why)
{
	const unsigned long safe = MS_NOSUID | MS_NODEV;
	char proc_data[32] = "";
	const struct mount_row rows[] = {
		{"proc", "proc", safe | MS_NOEXEC, proc_data, "/proc"},
		{"sys", "sysfs", safe | MS_NOEXEC | MS_RDONLY, NULL, "/sys"},
		{"tmp", "tmpfs", safe, "mode=1777", NULL},
		{"dev", "tmpfs", MS_NOSUID, "mode=755", NULL},
		{"dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620",
		 NULL},
		{"dev/shm", "tmpfs", safe, "mode=1777", NULL},
	};
	int r;

	if (box->hidepid != UNSET)
		(void)snprintf(proc_data, sizeof(proc_data), "hidepid=%lld", box->hidepid);
	for (size_t i = 0; i < ELEMENTS(rows); i++) {
		if (box->no_proc && strcmp(rows[i].target, "proc") == 0)
			continue;
		r = mount_row(&rows[i], why);
		if (r < 0)
			return r;
	}
	return fill_dev(why);
}

/*
 * pivot_root(".", ".") puts the old root on top of the new one, where it is detached
 * (pivot_root(2)). The kernel's first root, an initramfs, can't be pivoted: there it is moved over.
 */
static int pivot(struct failure *why)
{
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		if (umount2(".", MNT_DETACH) < 0)
			return fail(why, errno, "detach the old root");
	} else if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0) {
		return fail(why, errno, "pivot_root");
	}
	return chdir("/") < 0 ? fail(why, errno, "enter the new root") : 0;
}

int root_enter(const struct sandbox *box, struct failure *why)
{
	int r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fail(why, errno, "make mounts private");
	if (!box->bind)
		r = copy_root(box, why);
	else if (mount(".", NEW_ROOT, NULL, MS_BIND | MS_REC, NULL) < 0)
		r = fail(why, errno, "bind %s", box->rootfs);
	else
		r = 0;
	if (r < 0)
		return r;
	if (chdir(NEW_ROOT) < 0)
		return fail(why, errno, "enter the new root");
	r = mount_system(box, why);
	return r < 0 ? r : pivot(why);
}
