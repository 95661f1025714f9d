/* SPDX-License-Identifier: MIT */
#include "sys/mount_tree.h"

#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/mountinfo.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

enum { MOUNTINFO_MAX = 4 << 20 };

/* Where to come back to: opened while it's still ours. */
struct home {
	int proc; /* the target's own may be anything */
	int namespace, root, cwd;
};

static void home_done(struct home *home)
{
	close_fd(&home->proc);
	close_fd(&home->namespace);
	close_fd(&home->root);
	close_fd(&home->cwd);
}

static int open_home(struct home *home)
{
	home->proc = open(PROC_PATH, O_PATH | O_DIRECTORY | O_CLOEXEC);
	home->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	home->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (home->proc < 0 || home->root < 0 || home->cwd < 0)
		return -errno;
	home->namespace = openat(home->proc, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return home->namespace < 0 ? -errno : 0;
}

static int come_back(const struct home *home)
{
	if (sys_setns(home->namespace, CLONE_NEWNS) < 0 || fchdir(home->root) < 0 ||
	    chroot(".") < 0 || fchdir(home->cwd) < 0)
		return -ENOTRECOVERABLE;
	return 0;
}

/* A remount sets all of them: those that it has may be locked, mount_namespaces(7). */
static unsigned long flags_of(struct mount_word attributes)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} known[] = {
		{"ro", MS_RDONLY},
		{"nosuid", MS_NOSUID},
		{"nodev", MS_NODEV},
		{"noexec", MS_NOEXEC},
		{"noatime", MS_NOATIME},
		{"relatime", MS_RELATIME},
		{"nodiratime", MS_NODIRATIME},
		{"nosymfollow", MS_NOSYMFOLLOW},
	};
	const char *at = attributes.at, *end = at + attributes.length;
	unsigned long flags = 0;

	while (at < end) {
		struct mount_word one = {at, strcspn(at, ", \n")};

		for (size_t i = 0; i < ELEMENTS(known); i++)
			if (mount_word_is(one, known[i].name))
				flags |= known[i].flag;
		at += one.length + 1;
	}
	return flags & (MS_NOATIME | MS_RELATIME) ? flags : flags | MS_STRICTATIME;
}

static int remount_each(const char *mountinfo, unsigned long more)
{
	struct mount_line line;
	char path[PATH_MAX];

	while (mountinfo_next(&mountinfo, &line)) {
		int r = mount_word_copy(line.point, path, sizeof(path));

		if (r >= 0)
			r = sys_mount(NULL, path, NULL,
				      MS_REMOUNT | MS_BIND | flags_of(line.attributes) | more);
		/*
		 * One that another covers can't be named, nor seen. Nor one below which somebody renames a
		 * directory right now: with mount_setattr(2) there is no such gap.
		 */
		if (r < 0 && r != -EINVAL && r != -ENOENT)
			return r;
	}
	return 0;
}

/*
 * Where there is no mount_setattr(2) (before 5.12): a private copy of the namespace, in which each mount is
 * changed before the tree is cloned.
 */
static int change_each(const struct home *home, int root, bool readonly)
{
	_cleanup_fd_ int file = -EBADF;
	char *text;
	size_t size = 0;
	ssize_t n = 1;
	int r = fchdir(root) < 0 ? -errno : sys_unshare(CLONE_NEWNS);

	if (r == 0)
		r = sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE);
	if (r < 0)
		return r;
	file = openat(home->proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	text = mmap(NULL, MOUNTINFO_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (text == MAP_FAILED)
		return -errno;
	while (n > 0 && size < MOUNTINFO_MAX - 1) {
		n = io_read(file, text + size, MOUNTINFO_MAX - 1 - size);
		size += n > 0 ? (size_t)n : 0;
	}
	if (n > 0) /* more than anybody has */
		return -EFBIG;
	return n < 0 ? (int)n
		     : remount_each(text, MS_NOSUID | MS_NODEV | (readonly ? MS_RDONLY : 0));
}

static int clone_at(int dir, const char *path)
{
	return sys_open_tree(dir, path,
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
}

static int clone_there(const struct home *home, int root, bool readonly)
{
	uint64_t set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (readonly ? MOUNT_ATTR_RDONLY : 0);
	_cleanup_fd_ int tree = clone_at(root, "");
	int r = tree < 0 ? tree : sys_mount_setattr_private(tree, set);

	if (r == 0)
		return take_fd(&tree);
	if (r == -ENOSYS || r == -EPERM) /* filters mean the same by both */
		r = change_each(home, root, readonly);
	else
		return r;
	/* The working directory has gone over into the copy. */
	return r < 0 ? r : clone_at(AT_FDCWD, ".");
}

int mount_tree_clone(int pidfd, int root, bool readonly, int *ret_tree)
{
	_cleanup_(home_done) struct home home = {-EBADF, -EBADF, -EBADF, -EBADF};
	_cleanup_fd_ int tree = -EBADF;
	int r = open_home(&home);

	if (r == 0)
		r = sys_setns(pidfd, CLONE_NEWNS);
	if (r < 0)
		return r;
	tree = clone_there(&home, root, readonly);
	r = come_back(&home);
	if (r < 0 || tree < 0)
		return r < 0 ? r : tree;
	*ret_tree = take_fd(&tree);
	return 0;
}
