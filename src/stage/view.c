/* SPDX-License-Identifier: MIT */
#include "stage/view.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/io.h"
#include "sys/mount_tree.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

enum { HARMLESS = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, PROC_FLAGS = HARMLESS | MOUNT_ATTR_NOEXEC };

/*
 * mount(2) takes mount points only, and in a chroot / may be none. Joining the namespace that one is
 * in leads to its very root.
 */
static int make_private_from_top(void)
{
	_cleanup_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int self = sys_pidfd_open(sys_getpid(), 0);
	int r;

	if (root < 0 || cwd < 0)
		return -errno;
	if (self < 0)
		return self;
	r = sys_setns(self, CLONE_NEWNS);
	if (r == 0)
		r = sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE);
	if (r < 0)
		return r;
	return fchdir(root) < 0 || chroot(".") < 0 || fchdir(cwd) < 0 ? -errno : 0;
}

/* A copy of the mount namespace, from which nothing spreads: before anything is mounted in it. */
static int make_private_copy(struct cj_error *err)
{
	int r = sys_unshare(CLONE_NEWNS);

	if (r == -EPERM)
		cj_hint(err, "needs CAP_SYS_ADMIN: run as root");
	if (r < 0)
		return cj_fail(err, -r, "make a mount namespace");
	r = sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE);
	if (r == -EINVAL)
		r = make_private_from_top();
	return r < 0 ? cj_fail(err, -r, "make a private mount namespace") : 0;
}

/* A new file system, not mounted anywhere yet. `fd`, if it's none of -EBADF, is the value of `key`. */
static int new_file_system(const char *type, const char *key, const char *value, int fd,
			   unsigned int attributes)
{
	_cleanup_fd_ int fs = sys_fsopen(type);
	int r = fs;

	if (r >= 0 && value)
		r = sys_fsconfig_string(fs, key, value);
	if (r >= 0 && fd >= 0)
		r = sys_fsconfig_fd(fs, key, fd);
	if (r >= 0)
		r = sys_fsconfig_create(fs);
	return r < 0 ? r : sys_fsmount(fs, attributes);
}

/* `mount`, which lies at `point`; mount_setattr(2) is there since 5.12. */
static int make_readonly(int mount, const char *point)
{
	int r = sys_mount_setattr(mount, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY | HARMLESS);

	if (r == -ENOSYS || r == -EPERM)
		r = sys_mount(NULL, point, NULL,
			      MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV);
	return r;
}

/* --- a place of ours in a directory that others fill --- */

static int make_file(int dir, const char *path, mode_t mode)
{
	_cleanup_fd_ int fd = sys_create(dir, path, mode);

	return fd < 0 ? fd : 0;
}

/* Puts the detached tree there, on a new directory or file. */
static int mount_new(int tree, bool is_directory, int dir, const char *path)
{
	int r = is_directory ? sys_mkdirat(dir, path, 0755) : make_file(dir, path, 0444);

	return r < 0 ? r : sys_move_mount(tree, dir, path);
}

/* Some file systems don't say it in the listing. */
static unsigned char type_of(int dir, const struct directory_entry *entry)
{
	struct stat st;

	if (entry->type != DT_UNKNOWN)
		return entry->type;
	if (fstatat(dir, entry->name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return DT_REG;
	return S_ISLNK(st.st_mode) ? DT_LNK : S_ISDIR(st.st_mode) ? DT_DIR : DT_REG;
}

/*
 * Makes the entry appear in `to` as it is in `from`. Not followed: neither what it is nor where it leads. Nor
 * is the file system asked that is mounted there: it may never answer.
 */
static int carry_over(int from, const struct directory_entry *entry, int to)
{
	unsigned char type = type_of(from, entry);
	_cleanup_fd_ int tree = -EBADF;
	char text[PATH_MAX];
	int n;

	if (type == DT_LNK) {
		n = sys_readlinkat(from, entry->name, text, sizeof(text) - 1);
		if (n < 0)
			return n;
		text[n] = '\0';
		return sys_symlinkat(text, to, entry->name);
	}
	tree = sys_open_tree(from, entry->name,
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
				     AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
	return tree < 0 ? tree : mount_new(tree, type == DT_DIR, to, entry->name);
}

static bool is_first_part(const char *path, const char *name)
{
	size_t n = strlen(name);

	return strncmp(path, name, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Returns how many entries couldn't be had, of which `*ret_code` is an errno; or the directory's. */
static int carry_all_over(const struct orders *orders, int from, int to, int *ret_code)
{
	const struct order_view *view = &orders->view;
	char buf[8192] __attribute__((aligned(8)));
	int missing = 0, n;

	while ((n = sys_getdents(from, buf, sizeof(buf))) > 0) {
		for (int at = 0; at < n;) {
			const struct directory_entry *entry =
				(const struct directory_entry *)(const void *)(buf + at);
			int r = 0;

			at += entry->length;
			if (is_first_part(view->home, entry->name))
				step_warn(orders, EEXIST, "view %s: what was there is hidden",
					  view->point);
			else if (!is_dots(entry->name))
				r = carry_over(from, entry, to);
			if (r < 0 && r != -ENOENT) { /* it has just gone */
				missing++;
				*ret_code = -r;
			}
		}
	}
	return n < 0 ? n : missing;
}

/* "run/conjoin": each of its parts. */
static int make_directories(int dir, const char *path)
{
	char part[64];
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(part); i++) {
		part[i] = '\0';
		if (path[i] == '/' || path[i] == '\0')
			r = sys_mkdirat(dir, part, 0755);
		if (path[i] == '\0')
			return r;
		part[i] = path[i];
	}
	return r < 0 ? r : -ENAMETOOLONG;
}

/* With / covered, what was mounted over it is where we are from now on. */
static int enter_root(int mount)
{
	return fchdir(mount) < 0 || chroot(".") < 0 ? -errno : 0;
}

/* To where we were, as it is now: it may have lain beneath what was covered. */
static void return_to(const struct orders *orders, const char *cwd, int length)
{
	if (length <= 0 || cwd[0] != '/' || chdir(cwd) == 0)
		return;
	step_warn(orders, errno, "view: %s isn't there, / is the working directory", cwd);
	(void)chdir("/");
}

static bool covers_root(const struct order_view *view)
{
	return view->base[1] == '\0';
}

static int fill_cover(const struct orders *orders, int from, int mount, struct cj_error *err)
{
	const struct order_view *view = &orders->view;
	int code = 0, r = covers_root(view) ? enter_root(mount) : 0;

	if (r == 0)
		r = carry_all_over(orders, from, mount, &code);
	if (r < 0)
		return cj_fail(err, -r, "make %s anew", view->base);
	if (r > 0)
		step_warn(orders, code, "view %s: entries that were left out: %d", view->base, r);
	r = make_directories(mount, view->home);
	return r < 0 ? cj_fail(err, -r, "make %s", view->point) : 0;
}

/*
 * Covers `base` by a file system in memory with the same entries and a place of ours. Returns its mount,
 * still writable.
 */
static int cover(const struct orders *orders, struct cj_error *err)
{
	const struct order_view *view = &orders->view;
	_cleanup_fd_ int from = open(view->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int mount = -EBADF;
	int r;

	if (from < 0)
		return cj_fail(err, errno, "open %s", view->base);
	mount = r = new_file_system("tmpfs", "mode", "0755", -EBADF, HARMLESS);
	if (r >= 0)
		r = sys_move_mount(mount, AT_FDCWD, view->base);
	if (r < 0)
		return cj_fail(err, -r, "mount a file system in memory on %s", view->base);
	r = fill_cover(orders, from, mount, err);
	if (r == 0)
		return take_fd(&mount);
	if (!covers_root(view))
		(void)sys_umount(view->base);
	return r;
}

/* --- what is brought --- */

static int bring_mount(const struct brought *one, int to)
{
	_cleanup_fd_ int tree =
		sys_open_tree(AT_FDCWD, one->source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	char point[PATH_MAX];
	int r = tree < 0 ? tree : mount_new(tree, one->kind == BROUGHT_TREE, to, one->path);

	if (r < 0)
		return r;
	(void)format_safe(point, sizeof(point), PROC_PATH "/%s", one->path);
	return make_readonly(tree, point);
}

static int bring_program(const struct brought *one, int to)
{
	_cleanup_fd_ int fd = sys_create(to, one->path, 0555);

	return fd < 0 ? fd : io_write_all(fd, one->bytes, one->size);
}

static int bring_one(const struct brought *one, int to)
{
	switch (one->kind) {
	case BROUGHT_DIRECTORY:
		return sys_mkdirat(to, one->path, 0755);
	case BROUGHT_FILE:
	case BROUGHT_TREE:
		return bring_mount(one, to);
	case BROUGHT_LINK:
		return sys_symlinkat(one->source, to, one->path);
	case BROUGHT_PROGRAM:
		return bring_program(one, to);
	}
	return -EINVAL;
}

int view_gather(const struct order_view *view, int *ret_tree, struct cj_error *err)
{
	mode_t mask = umask(0);
	_cleanup_fd_ int mount = -EBADF;
	int tree, r = make_private_copy(err);

	if (r < 0)
		return r;
	/* Over /proc, beneath which nothing lies that could be brought. */
	mount = r = new_file_system("tmpfs", "mode", "0755", -EBADF, HARMLESS);
	if (r >= 0)
		r = sys_move_mount(mount, AT_FDCWD, PROC_PATH);
	if (r < 0)
		return cj_fail(err, -r, "make a file system in memory");
	for (size_t i = 0; i < view->n_brought; i++) {
		const struct brought *one = &view->brought[i];

		r = bring_one(one, mount);
		if (r < 0)
			return cj_fail(err, -r, "bring %s", one->source ? one->source : one->path);
	}
	r = make_readonly(mount, PROC_PATH);
	if (r < 0)
		return cj_fail(err, -r, "make what is brought read-only");
	tree = sys_open_tree(mount, "",
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	if (tree < 0)
		return cj_fail(err, -tree, "take along what is brought");
	(void)umask(mask);
	*ret_tree = tree;
	return 0;
}

int view_make_target(const struct orders *orders, int brought, struct cj_error *err)
{
	const struct order_view *view = &orders->view;
	_cleanup_fd_ int mount = -EBADF;
	char cwd[PATH_MAX];
	mode_t mask;
	int n, r = change_root(orders, err);

	/* By what is open here: the copy has other mounts, and takes root and directory along itself. */
	if (r >= 0)
		r = orders->cwd ? chdir("/") : change_cwd(orders, err);
	if (r >= 0)
		r = make_private_copy(err);
	if (r < 0 || brought < 0)
		return r;
	n = sys_getcwd(cwd, sizeof(cwd));
	mask = umask(0);
	mount = r = cover(orders, err);
	if (r < 0)
		return r;
	return_to(orders, cwd, n);
	r = sys_move_mount(brought, mount, view->home);
	if (r == 0)
		r = make_readonly(mount, view->base);
	(void)umask(mask);
	return r < 0 ? cj_fail(err, -r, "mount what is brought on %s", view->point) : 0;
}

/* --- the host's view --- */

static int attach_root(const struct orders *orders, int tree, int mount, struct cj_error *err)
{
	const struct order_view *view = &orders->view;
	char path[80];
	int r;

	(void)format_safe(path, sizeof(path), "%s/root", view->home);
	r = sys_mkdirat(mount, path, 0755);
	if (r == 0)
		r = sys_move_mount(tree, mount, path);
	if (r == 0)
		r = make_readonly(mount, view->base);
	return r < 0 ? cj_fail(err, -r, "mount the target's files on %s/root", view->point) : 0;
}

/* A help and no condition, unless we have lost our root for it. */
static int show_root(const struct orders *orders, struct cj_error *err)
{
	const struct order_view *view = &orders->view;
	struct cj_error own = CJ_ERROR_INIT;
	_cleanup_fd_ int mount = -EBADF, tree = -EBADF;
	mode_t mask = umask(0);
	int r = mount_tree_clone(orders->target, orders->root_fd, !view->writable, &tree);

	if (r < 0)
		(void)cj_fail(&own, -r, "clone its mounts");
	else
		mount = r = cover(orders, &own);
	if (r >= 0) {
		r = attach_root(orders, tree, mount, &own);
		if (r < 0 && !covers_root(view))
			(void)sys_umount(view->base);
	}
	(void)umask(mask);
	if (r >= 0)
		return 0;
	if (r == -ENOTRECOVERABLE || (tree >= 0 && covers_root(view)))
		return cj_fail(err, own.code, "%s", own.text);
	step_warn(orders, own.code, "view: the target's files aren't there: %s", own.text);
	return 0;
}

/* What the host has mounted beneath /sys is hidden by a new one, and what uses it would break. */
static void bring_back(const struct orders *orders, int from)
{
	for (char **path = orders->view.sys_back; *path; path++) {
		_cleanup_fd_ int tree = sys_open_tree(from, *path,
						      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
							      AT_RECURSIVE | AT_NO_AUTOMOUNT);
		char point[PATH_MAX];
		int r = tree;

		(void)format_safe(point, sizeof(point), "/sys/%s", *path);
		if (r >= 0)
			r = sys_move_mount(tree, AT_FDCWD, point);
		if (r < 0)
			step_warn(orders, -r, "view: %s can't be shown", point);
		else
			step_note(orders, "view: %s as it is here", point);
	}
}

static void mount_sys(const struct orders *orders)
{
	_cleanup_fd_ int from = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = from < 0 ? -errno : 0;

	if (r == 0)
		r = sys_mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC);
	if (r < 0) {
		step_warn(orders, -r, "view: /sys stays the host's and shows its network devices");
		return;
	}
	step_note(orders, "view: /sys of the target's net namespace");
	bring_back(orders, from);
}

static int say_proc(const struct orders *orders, int r)
{
	if (r < 0)
		step_warn(orders, -r, "view: /proc stays the host's and shows its processes");
	else
		step_note(orders, "view: /proc of the target's pid namespace");
	return STEP_NOTHING;
}

static void mount_proc_from_outside(const struct orders *orders)
{
	_cleanup_fd_ int mount =
		new_file_system("proc", "pidns", NULL, orders->view.pidns, PROC_FLAGS);

	(void)say_proc(orders, mount < 0 ? mount : sys_move_mount(mount, AT_FDCWD, PROC_PATH));
}

int view_mount_proc(const struct orders *orders, struct cj_error *err)
{
	(void)err;
	if (!orders->view.proc_inside)
		return STEP_NOTHING;
	return say_proc(orders,
			sys_mount("proc", PROC_PATH, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC));
}

int view_make_host(const struct orders *orders, struct cj_error *err)
{
	char cwd[PATH_MAX];
	int n, r = make_private_copy(err);

	if (r < 0)
		return r;
	n = sys_getcwd(cwd, sizeof(cwd));
	r = orders->view.show_root ? show_root(orders, err) : 0;
	if (r < 0)
		return r;
	if (orders->view.sys)
		mount_sys(orders);
	if (orders->view.pidns >= 0)
		mount_proc_from_outside(orders);
	return_to(orders, cwd, n);
	return 0;
}
