/* SPDX-License-Identifier: MIT */
#include "sys/cgroup_below.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/syscalls.h"

/* A level costs stack, of which a caller's thread may have little: so they aren't without end. */
enum { LEVELS = 32, WALK_MS = 500 };

struct walk {
	cgroup_visit *visit; /* NULL: they are removed */
	void *data;
	int64_t end;
};

static int open_directory(int base, const char *name)
{
	int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool is_child(const struct directory_entry *entry)
{
	return entry->type == DT_DIR && strcmp(entry->name, ".") != 0 &&
	       strcmp(entry->name, "..") != 0;
}

static int go_down(const struct walk *walk, int base, const char *name, int levels);

static int each_child(const struct walk *walk, int dir, int levels)
{
	char buf[1024] __attribute__((aligned(8)));
	int n, r = 0, first = 0;

	while (r == 0 && (n = sys_getdents(dir, buf, sizeof(buf))) != 0) {
		if (n < 0)
			return n;
		for (int at = 0; at < n && r == 0;) {
			const struct directory_entry *entry = (const void *)(buf + at);

			at += entry->length;
			if (is_child(entry))
				r = go_down(walk, dir, entry->name, levels);
			if (r >= 0 || r == -ETIMEDOUT)
				continue;
			if (r != -ENOENT && r != -ENODEV && first == 0) /* not gone meanwhile */
				first = r;
			r = 0; /* whatever it is, the others aren't that one */
		}
	}
	return r ?: first;
}

static int remove_directory(int base, const char *name)
{
	if (unlinkat(base, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return errno == ENOTEMPTY ? -EBUSY : -errno;
}

static int go_down(const struct walk *walk, int base, const char *name, int levels)
{
	_cleanup_fd_ int dir = -EBADF;
	int r;

	if (clock_ms() > walk->end)
		return -ETIMEDOUT;
	r = walk->visit ? 0 : remove_directory(base, name);
	if (!walk->visit && r != -EBUSY)
		return r;
	if (levels == 0)
		return -ELOOP;
	dir = open_directory(base, name);
	if (dir < 0)
		return dir;
	r = walk->visit ? walk->visit(dir, walk->data) : 0;
	if (r == 0)
		r = each_child(walk, dir, levels - 1);
	return walk->visit || r == -ETIMEDOUT ? r : remove_directory(base, name);
}

int cgroup_visit_below(int base, const char *name, cgroup_visit *visit, void *data)
{
	const struct walk walk = {visit, data, clock_ms() + WALK_MS};

	return go_down(&walk, base, name, LEVELS);
}

int cgroup_remove_below(int base, const char *name, int64_t end)
{
	const struct walk walk = {NULL, NULL, end};

	return go_down(&walk, base, name, LEVELS);
}
