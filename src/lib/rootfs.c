/* SPDX-License-Identifier: MIT */
#include "lib/rootfs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "sys/mountinfo.h"

enum { MOUNTINFO_LIMIT = 64 << 20, DEPTH_MAX = 4096 };

void rootfs_done(struct rootfs *rootfs)
{
	free(rootfs->type);
	free(rootfs->source);
	free(rootfs->host_path);
	free(rootfs->upper);
	free(rootfs->work);
	for (size_t i = 0; i < rootfs->n_lower; i++)
		free(rootfs->lower[i]);
	free(rootfs->lower);
	*rootfs = (struct rootfs)ROOTFS_INIT;
}

static bool same_number(struct mount_word word, uint64_t wanted)
{
	char text[24];
	uint64_t number;

	if (word.length >= sizeof(text))
		return false;
	memcpy(text, word.at, word.length);
	text[word.length] = '\0';
	return parse_u64(text, 0, UINT64_MAX, &number) == 0 && number == wanted;
}

/*
 * Its mountinfo begins at its own root. Where that isn't a mount point (chroot(2)) its mount isn't in it.
 */
static bool find_root_mount(const char *text, const struct place *root, struct mount_line *ret)
{
	struct mount_line line;
	bool found = false;

	while (mountinfo_next(&text, &line)) {
		if (root->mount ? !same_number(line.id, root->mount)
				: !mount_word_is(line.point, "/")) /* before 5.8; the last counts */
			continue;
		*ret = line;
		found = true;
	}
	return found;
}

/* What is left of `path` below `base`: "" or "/…"; NULL if it isn't below. */
static const char *below(const char *path, const char *base)
{
	size_t length = strcmp(base, "/") == 0 ? 0 : strlen(base);

	if (strncmp(path, base, length) != 0 || (path[length] && path[length] != '/'))
		return NULL;
	return strcmp(path + length, "/") == 0 ? "" : path + length;
}

static bool same_word(struct mount_word a, struct mount_word b)
{
	return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

/* Something may be mounted over it, or the path lead elsewhere. */
static bool is_root(const char *path, const struct place *root)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == root->device && st.st_ino == root->inode;
}

/* Looks for one of our mounts that shows the directory `wanted` of the same file system. */
static int find_on_host(const char *ours, struct mount_word device, const char *wanted,
			const struct place *place, char **ret)
{
	struct mount_line line;

	while (mountinfo_next(&ours, &line)) {
		_cleanup_free_ char *root = NULL, *point = NULL, *path = NULL;
		const char *rest;

		if (!same_word(line.device, device))
			continue;
		root = mount_word_text(line.root);
		point = mount_word_text(line.point);
		if (!root || !point)
			return -ENOMEM;
		rest = below(wanted, root);
		if (!rest)
			continue;
		if (asprintf(&path, "%s%s", strcmp(point, "/") == 0 && rest[0] ? "" : point, rest) <
		    0) {
			path = NULL;
			return -ENOMEM;
		}
		if (is_root(path, place)) {
			*ret = take_ptr(path);
			return 0;
		}
	}
	return 0;
}

/* "/a:/b:/c", with "\:" for a colon in a name. */
static int split_lower(const char *text, struct rootfs *ret)
{
	_cleanup_free_ char *one = calloc(1, strlen(text) + 1);

	if (!one)
		return -ENOMEM;
	for (size_t n = 0; ret->n_lower < DEPTH_MAX; text++) {
		if (text[0] == '\\' && text[1]) {
			one[n++] = *++text;
			continue;
		}
		if (*text && *text != ':') {
			one[n++] = *text;
			continue;
		}
		one[n] = '\0';
		if (n > 0) {
			char **grown = reallocarray(ret->lower, ret->n_lower + 1, sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			ret->lower = grown;
			grown[ret->n_lower] = strdup(one);
			if (!grown[ret->n_lower])
				return -ENOMEM;
			ret->n_lower++;
		}
		n = 0;
		if (!*text)
			break;
	}
	return 0;
}

static int take_overlay(struct mount_word options, struct rootfs *ret)
{
	_cleanup_free_ char *lower = NULL;
	struct mount_word word;

	if (mount_option(options, "upperdir", &word))
		ret->upper = mount_word_text(word);
	if (mount_option(options, "workdir", &word))
		ret->work = mount_word_text(word);
	if (!mount_option(options, "lowerdir", &word))
		return 0;
	lower = mount_word_text(word);
	return lower ? split_lower(lower, ret) : -ENOMEM;
}

int rootfs_find(int proc, const struct place *root, struct rootfs *ret)
{
	_cleanup_(bytes_done) struct bytes theirs = BYTES_INIT, ours = BYTES_INIT;
	_cleanup_(rootfs_done) struct rootfs rootfs = ROOTFS_INIT;
	_cleanup_free_ char *mounted = NULL;
	_cleanup_fd_ int own = -EBADF;
	struct mount_line line;
	int r = proc_read(proc, "mountinfo", MOUNTINFO_LIMIT, &theirs);

	if (r == 0)
		r = proc_open(0, &own, NULL);
	if (r == 0)
		r = proc_read(own, "mountinfo", MOUNTINFO_LIMIT, &ours);
	if (r < 0)
		return r;
	if (!find_root_mount(theirs.data, root, &line))
		return -ENOENT;
	rootfs.type = mount_word_text(line.type);
	rootfs.source = mount_word_text(line.source);
	mounted = mount_word_text(line.root);
	if (!rootfs.type || !rootfs.source || !mounted)
		return -ENOMEM;
	r = find_on_host(ours.data, line.device, mounted, root, &rootfs.host_path);
	if (r == 0 && mount_word_is(line.type, "overlay"))
		r = take_overlay(line.options, &rootfs);
	if (r < 0)
		return r;
	*ret = rootfs;
	rootfs = (struct rootfs)ROOTFS_INIT;
	return 0;
}
