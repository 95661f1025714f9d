/* SPDX-License-Identifier: MIT */
#include "sys/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/io.h"
#include "sys/mountinfo.h"
#include "sys/proc.h"

enum { FILE_LIMIT = 4 << 20 };

void cgroup_list_done(struct cgroup_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->entries[i].controllers);
		free(list->entries[i].path);
	}
	free(list->entries);
	*list = (struct cgroup_list)CGROUP_LIST_INIT;
}

/* "4:cpu,cpuacct:/path": two colons; a path may hold more of them. A newline it can't hold. */
static int parse_entry(const char *line, size_t length, struct cgroup_list *list)
{
	const char *first = memchr(line, ':', length);
	const char *second = first ? memchr(first + 1, ':', length - (size_t)(first + 1 - line))
				   : NULL;
	struct cgroup_entry entry;
	void *grown;

	if (!second || second + 1 == line + length || second[1] != '/')
		return -EBADMSG;
	grown = reallocarray(list->entries, list->n + 1, sizeof(entry));
	if (!grown)
		return -ENOMEM;
	list->entries = grown;
	entry.controllers = strndup(first + 1, (size_t)(second - first - 1));
	entry.path = strndup(second + 1, (size_t)(line + length - second - 1));
	entry.unified = second == first + 1;
	list->entries[list->n++] = entry;
	return entry.controllers && entry.path ? 0 : -ENOMEM;
}

int cgroup_list_parse(const char *text, struct cgroup_list *ret)
{
	_cleanup_(cgroup_list_done) struct cgroup_list list = CGROUP_LIST_INIT;

	while (*text) {
		size_t length = strcspn(text, "\n");
		int r = parse_entry(text, length, &list);

		if (r < 0)
			return r;
		text += length + (text[length] == '\n');
	}
	*ret = list;
	list = (struct cgroup_list)CGROUP_LIST_INIT;
	return 0;
}

int cgroup_list_read(int proc, struct cgroup_list *ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	int r = proc_read(proc, "cgroup", FILE_LIMIT, &text);

	return r < 0 ? r : cgroup_list_parse(text.data, ret);
}

const struct cgroup_entry *cgroup_list_find(const struct cgroup_list *list,
					    const struct cgroup_entry *like)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->entries[i].controllers, like->controllers) == 0)
			return &list->entries[i];
	return NULL;
}

/* Is `word` one of the comma-separated words of `text`? */
static bool has_word(const char *text, const char *word, size_t length)
{
	for (;;) {
		size_t n = strcspn(text, ",");

		if (n == length && memcmp(text, word, n) == 0)
			return true;
		if (!text[n])
			return false;
		text += n + 1;
	}
}

const struct cgroup_entry *cgroup_list_controller(const struct cgroup_list *list,
						  const char *controller)
{
	for (size_t i = 0; i < list->n; i++)
		if (has_word(list->entries[i].controllers, controller, strlen(controller)))
			return &list->entries[i];
	return NULL;
}

const char *cgroup_entry_name(const struct cgroup_entry *entry)
{
	return entry->unified ? "unified" : entry->controllers;
}

void cgroup_mounts_done(struct cgroup_mounts *mounts)
{
	for (size_t i = 0; i < mounts->n; i++) {
		free(mounts->mounts[i].options);
		free(mounts->mounts[i].root);
		free(mounts->mounts[i].point);
	}
	free(mounts->mounts);
	*mounts = (struct cgroup_mounts)CGROUP_MOUNTS_INIT;
}

static int add_mount(const struct mount_line *line, struct cgroup_mounts *mounts)
{
	struct cgroup_mount mount;
	void *grown;

	if (!mount_word_is(line->type, "cgroup") && !mount_word_is(line->type, "cgroup2"))
		return 0;
	grown = reallocarray(mounts->mounts, mounts->n + 1, sizeof(mount));
	if (!grown)
		return -ENOMEM;
	mounts->mounts = grown;
	mount.unified = mount_word_is(line->type, "cgroup2");
	mount.root = mount_word_text(line->root);
	mount.point = mount_word_text(line->point);
	mount.options = strndup(line->options.at, line->options.length);
	mounts->mounts[mounts->n++] = mount;
	return mount.root && mount.point && mount.options ? 0 : -ENOMEM;
}

int cgroup_mounts_parse(const char *mountinfo, struct cgroup_mounts *ret)
{
	_cleanup_(cgroup_mounts_done) struct cgroup_mounts mounts = CGROUP_MOUNTS_INIT;
	struct mount_line line;

	while (mountinfo_next(&mountinfo, &line)) {
		int r = add_mount(&line, &mounts);

		if (r < 0)
			return r;
	}
	*ret = mounts;
	mounts = (struct cgroup_mounts)CGROUP_MOUNTS_INIT;
	return 0;
}

int cgroup_mounts_read(int proc, struct cgroup_mounts *ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	int r = proc_read(proc, "mountinfo", FILE_LIMIT, &text);

	return r < 0 ? r : cgroup_mounts_parse(text.data, ret);
}

/* Are all controllers of the entry among the super block's options? */
static bool same_hierarchy(const struct cgroup_mount *mount, const struct cgroup_entry *entry)
{
	const char *at = entry->controllers;

	if (mount->unified || entry->unified)
		return mount->unified && entry->unified;
	for (;;) {
		size_t n = strcspn(at, ",");

		if (!has_word(mount->options, at, n))
			return false;
		if (!at[n])
			return true;
		at += n + 1;
	}
}

static bool has_parent_component(const char *path)
{
	for (const char *at = path; (at = strstr(at, "/..")); at += 3)
		if (at[3] == '\0' || at[3] == '/')
			return true;
	return false;
}

/* What is left of `path` below `root`: "" or "/…", NULL if it isn't below. */
static const char *path_below(const char *path, const char *root)
{
	size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(path, root, length) != 0 || (path[length] && path[length] != '/'))
		return NULL;
	path += length;
	if (has_parent_component(path)) /* above our cgroup namespace's root, or another branch */
		return NULL;
	return strcmp(path, "/") == 0 ? "" : path;
}

/* Later lines are later mounts: one on the same point covers what was there. */
static bool is_covered(const struct cgroup_mounts *mounts, size_t i)
{
	for (size_t later = i + 1; later < mounts->n; later++)
		if (strcmp(mounts->mounts[later].point, mounts->mounts[i].point) == 0)
			return true;
	return false;
}

/* How many "/.." a path begins with, and what follows them. */
static size_t count_parents(const char *path, const char **ret_rest)
{
	size_t n = 0;

	for (; strncmp(path, "/..", 3) == 0 && (path[3] == '/' || !path[3]); path += 3)
		n++;
	*ret_rest = path;
	return n;
}

/* Our own cgroup namespace's root, looked for from above. */
struct own_place {
	ino_t inode;	      /* 0: unknown, and then it's where we are */
	char below[PATH_MAX]; /* where we are, beneath it: "/x/cgroup.procs" */
	unsigned int left;    /* entries that are still looked at */
};

enum { SEARCH_MAX = 65536 };

static bool holds_us(const char *path, const struct own_place *place)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int fd = -EBADF;
	char procs[2 * PATH_MAX], line[24];
	size_t length;

	(void)snprintf(procs, sizeof(procs), "%s%s", path, place->below);
	fd = open(procs, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || io_read_all(fd, FILE_LIMIT, &text) < 0)
		return false;
	(void)snprintf(line, sizeof(line), "%d\n", getpid());
	length = strlen(line);
	for (const char *at = text.data; (at = strstr(at, line)); at += length)
		if (at == text.data || at[-1] == '\n')
			return true;
	return false;
}

static bool is_ours(const char *path, const struct dirent *entry, const struct own_place *place)
{
	return place->inode ? entry->d_ino == place->inode : holds_us(path, place);
}

/* It's `depth` levels below the directory `path`, of PATH_MAX bytes: 0 with its path there, or -ENOENT. */
static int find_own_place(char *path, size_t depth, struct own_place *place)
{
	_cleanup_dir_ DIR *dir = opendir(path);
	size_t length = strlen(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)) && place->left > 0) {
		place->left--;
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    snprintf(path + length, PATH_MAX - length, "/%s", entry->d_name) <
			    (int)(PATH_MAX - length) &&
		    (depth == 1 ? is_ours(path, entry, place)
				: find_own_place(path, depth - 1, place) == 0))
			return 0;
		path[length] = '\0';
	}
	return -ENOENT;
}

/* By the inode, where it's mounted itself. */
static int own_place_init(const struct cgroup_mounts *mounts, const struct cgroup_entry *entry,
			  struct own_place *ret)
{
	_cleanup_(cgroup_list_done) struct cgroup_list list = CGROUP_LIST_INIT;
	_cleanup_fd_ int own = -EBADF;
	const struct cgroup_entry *ours;
	struct stat st;
	int r;

	*ret = (struct own_place){.left = SEARCH_MAX};
	for (size_t i = 0; i < mounts->n && ret->inode == 0; i++)
		if (same_hierarchy(&mounts->mounts[i], entry) &&
		    strcmp(mounts->mounts[i].root, "/") == 0 && !is_covered(mounts, i) &&
		    stat(mounts->mounts[i].point, &st) == 0)
			ret->inode = st.st_ino;
	if (ret->inode)
		return 0;
	r = proc_open(0, &own, NULL);
	if (r == 0)
		r = cgroup_list_read(own, &list);
	ours = r == 0 ? cgroup_list_find(&list, entry) : NULL;
	if (!ours || has_parent_component(ours->path))
		return -ENOENT;
	(void)snprintf(ret->below, sizeof(ret->below), "%s/cgroup.procs",
		       strcmp(ours->path, "/") == 0 ? "" : ours->path);
	return 0;
}

/*
 * "/../ID", seen from a cgroup namespace at /docker/OURS, and a mount of the whole hierarchy, "/../..": between
 * them is a name that neither tells. So our own place is looked for in the mount.
 * cgroup_namespaces(7)
 */
static int directory_beside(const struct cgroup_mounts *mounts, const struct cgroup_mount *mount,
			    const struct cgroup_entry *entry, char **ret)
{
	const char *rest, *mount_rest;
	size_t up = count_parents(entry->path, &rest);
	size_t depth = count_parents(mount->root, &mount_rest);
	struct own_place place;
	char path[PATH_MAX];

	if (*mount_rest || depth == 0 || up >= depth || has_parent_component(rest) ||
	    own_place_init(mounts, entry, &place) < 0 ||
	    snprintf(path, sizeof(path), "%s", mount->point) >= (int)sizeof(path) ||
	    find_own_place(path, depth, &place) < 0)
		return -ENOENT;
	for (; up > 0; up--)
		*strrchr(path, '/') = '\0';
	return asprintf(ret, "%s%s", path, strcmp(rest, "/") == 0 ? "" : rest) < 0 ? -ENOMEM : 0;
}

int cgroup_directory(const struct cgroup_mounts *mounts, const struct cgroup_entry *entry,
		     char **ret)
{
	int r = -ENODEV;

	for (size_t i = 0; i < mounts->n; i++) {
		const struct cgroup_mount *mount = &mounts->mounts[i];
		const char *below;

		if (!same_hierarchy(mount, entry) || is_covered(mounts, i))
			continue;
		below = path_below(entry->path, mount->root);
		if (below)
			return asprintf(ret, "%s%s", mount->point, below) < 0 ? -ENOMEM : 0;
		r = -ENOENT;
	}
	for (size_t i = 0; i < mounts->n && r == -ENOENT; i++)
		if (same_hierarchy(&mounts->mounts[i], entry) && !is_covered(mounts, i))
			r = directory_beside(mounts, &mounts->mounts[i], entry, ret);
	return r;
}

bool cgroup_is_whole(const char *path, bool unified)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	/* Numbers of kernfs begin with 1 in each hierarchy, and its root comes first. */
	return fd >= 0 && fstatfs(fd, &fs) == 0 &&
	       fs.f_type == (unified ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC) &&
	       fstat(fd, &st) == 0 && st.st_ino == 1;
}

size_t cgroup_usual_roots(const char *const **ret)
{
	static const char *const v2[] = {"/sys/fs/cgroup"};
	static const char *const hybrid[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"};

	*ret = v2;
	if (cgroup_is_whole(v2[0], true))
		return 1;
	*ret = hybrid;
	return cgroup_is_whole(hybrid[0], true) && cgroup_is_whole(hybrid[1], false) ? 2 : 0;
}

/* Something may be mounted over the place that mountinfo named. */
static int check_cgroupfs(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	return fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC ? 0 : -ENOTSUP;
}

int cgroup_open(const char *directory)
{
	_cleanup_fd_ int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : check_cgroupfs(fd);

	return r < 0 ? r : take_fd(&fd);
}

/* Only one that exists: elsewhere we might make a file or wake up a device. */
static int open_file(const char *directory, const char *name, int flags)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int fd = -EBADF;
	int r;

	if (asprintf(&path, "%s/%s", directory, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	r = fd < 0 ? -errno : check_cgroupfs(fd);
	return r < 0 ? r : take_fd(&fd);
}

int cgroup_open_procs(const char *directory)
{
	return open_file(directory, "cgroup.procs", O_WRONLY);
}

int cgroup_open_file(const char *directory, const char *name)
{
	return open_file(directory, name, O_RDONLY);
}

int cgroup_open_procs_at(int directory)
{
	int fd = openat(directory, "cgroup.procs", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

int cgroup_attach(int procs, pid_t pid)
{
	char text[16];
	size_t length = format_safe(text, sizeof(text), "%d", pid);
	ssize_t n = io_write(procs, text, length);

	return n < 0 ? (int)n : 0;
}

bool cgroup_text_is_frozen(const char *text, bool unified)
{
	return unified ? strstr(text, "frozen 1") != NULL : strncmp(text, "THAWED", 6) != 0;
}

bool cgroup_is_frozen(const char *directory, bool unified)
{
	_cleanup_fd_ int fd =
		open_file(directory, unified ? "cgroup.events" : "freezer.state", O_RDONLY);
	char text[256];

	return fd >= 0 && io_read_small(fd, text, sizeof(text)) >= 0 &&
	       cgroup_text_is_frozen(text, unified);
}
