/* SPDX-License-Identifier: MIT */
#include "engine/cgroup_scan.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/parse.h"
#include "engine/cgroup_name.h"
#include "sys/kin.h"
#include "sys/namespace.h"
#include "sys/proc.h"

enum {
	CGROUP_LIMIT = 1 << 20,
	ID_MIN = 4,
	BARE_MIN = 12,
	ID_MAX = 64,
	FOUND_MAX = 64,
	FOREIGN_MAX = 32,
};

bool cgroup_scan_may_find(const char *scheme, const char *ref)
{
	size_t length = strlen(ref);

	return length >= (size_t)(scheme ? ID_MIN : BARE_MIN) && length <= ID_MAX &&
	       strspn(ref, "0123456789abcdef") == length;
}

/* What one line of /proc/PID/cgroup tells. */
struct told {
	struct cgroup_name name;
	uid_t owner;
	char word[NAME_MAX + 1]; /* the component */
};

/* "PREFIX1000SUFFIX" */
static bool parse_uid(const char *part, size_t length, const char *prefix, const char *suffix,
		      uid_t *ret)
{
	size_t before = strlen(prefix), after = strlen(suffix), n = length - before - after;
	char digits[16];
	uint64_t uid;

	if (length <= before + after || n >= sizeof(digits) || memcmp(part, prefix, before) != 0 ||
	    memcmp(part + length - after, suffix, after) != 0)
		return false;
	memcpy(digits, part + before, n);
	digits[n] = '\0';
	if (parse_u64(digits, 0, UINT32_MAX - 1, &uid) < 0)
		return false;
	*ret = (uid_t)uid;
	return true;
}

/* Whose manager is the outermost one on the way; 0: nobody's. What is below one its user has named. */
static uid_t find_manager(const char *path, size_t length)
{
	uid_t uid;

	for (const char *part = path, *end = path + length; part < end;) {
		const char *slash = memchr(part, '/', (size_t)(end - part));
		size_t n = (size_t)((slash ? slash : end) - part);

		if (parse_uid(part, n, "user-", ".slice", &uid) ||
		    parse_uid(part, n, "user@", ".service", &uid))
			return uid;
		part += n + 1;
	}
	return 0;
}

/* The outermost container that the path names: whoever lives in one may make any cgroups below its own. */
static bool find_outermost(const char *path, size_t length, struct told *ret)
{
	struct cgroup_name name;
	size_t begin = length, end = 0;

	while (cgroup_name_find(path, begin, &name)) {
		ret->name = name;
		end = name.length;
		for (begin = end; begin > 0 && path[begin - 1] != '/';)
			begin--;
	}
	if (end == 0 || end - begin >= sizeof(ret->word))
		return false;
	memcpy(ret->word, path + begin, end - begin);
	ret->word[end - begin] = '\0';
	ret->owner = find_manager(path, begin);
	return true;
}

static bool is_wanted(const struct cgroup_name *name, const char *scheme, const char *ref)
{
	const char *engine = name->engine;

	if (engine && (strcmp(engine, "lxc") == 0 || strcmp(engine, "machine") == 0))
		return false;
	return (!scheme || (engine && strcmp(engine, scheme) == 0)) &&
	       (!ref || container_id_begins_with(name->id, ref));
}

/* The container that one of the lines of /proc/PID/cgroup tells of. */
static bool find_name(const char *text, const char *scheme, const char *ref, struct told *ret)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t length = strcspn(line, "\n");
		const char *colon = memchr(line, ':', length);
		const char *path =
			colon ? memchr(colon + 1, ':', length - (size_t)(colon + 1 - line)) : NULL;
		struct cgroup_name *name = &ret->name;

		if (path && find_outermost(path + 1, length - (size_t)(path + 1 - line), ret) &&
		    is_wanted(name, scheme, ref)) {
			if (!name->engine)
				name->engine = "cgroup"; /* an id, of whom nobody knows */
			return true;
		}
	}
	return false;
}

/* Number 1 of a pid namespace that isn't ours: nobody in the container is before it. */
static bool is_init(pid_t pid, const struct proc_status *status)
{
	return pid != 1 && status->inside == 1;
}

struct scan {
	const char *scheme, *ref;
	struct containers *found;
	size_t before; /* how many there were */
	size_t n_foreign;
	uint64_t starts[FOUND_MAX]; /* of their processes */
	uint64_t mnt, first_mnt;    /* our mount namespace, and that of number 1; 0: unknown */
};

static size_t find_known(const struct scan *scan, const struct told *told)
{
	size_t i = scan->before;

	for (; i < scan->found->n; i++) {
		const struct container *container = &scan->found->items[i];

		if (container->owner == told->owner && strcmp(container->id, told->name.id) == 0 &&
		    strcmp(container->scheme, told->name.engine) == 0)
			break;
	}
	return i - scan->before;
}

/*
 * May it be a container's first process? A runtime has given that one its ids, and mounts of its own. A program
 * that somebody started in a cgroup which is merely called so has the host's: new ones take a user namespace.
 */
static bool may_be_first(const struct scan *scan, int proc, uid_t owner,
			 const struct proc_status *status)
{
	uint64_t mnt;

	for (int i = 1; i < 4; i++)
		if (status->uid[i] != status->uid[0])
			return false;
	/* Unreadable: it can't be entered either. In a helper container it's number 1 that has the host's. */
	return owner || namespace_read(proc, NAMESPACE_MNT, &mnt) < 0 ||
	       (mnt != scan->mnt && mnt != scan->first_mnt);
}

static struct container *add_container(struct scan *scan, const struct told *told, int *ret)
{
	struct container *container = containers_add(scan->found);

	*ret = container ? container_set(&container->id, told->name.id) : -ENOMEM;
	if (*ret == 0)
		*ret = container_set(&container->name, told->name.name);
	if (*ret == 0 && told->owner)
		*ret = container_set(&container->cgroup_word, told->word);
	if (*ret < 0)
		return NULL;
	container->scheme = told->name.engine;
	container->owner = told->owner;
	scan->n_foreign += told->owner != 0;
	return container;
}

/*
 * The oldest is the first one: what an engine adds comes later, and what debuggers put into the pid namespace
 * has another cgroup. Where start times are equal (10 ms) it's the one that is number 1.
 */
static int add(struct scan *scan, const struct told *told, pid_t pid, int proc)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	size_t i = find_known(scan, told);
	bool known = i < scan->found->n - scan->before;
	struct container *container;
	struct kin kin;
	int r = 0;

	if ((!known && (i == FOUND_MAX || (told->owner && scan->n_foreign == FOREIGN_MAX))) ||
	    kin_read(proc, &kin) < 0 || kin.ended || (known && kin.start > scan->starts[i]) ||
	    proc_read_status(proc, &status) < 0 ||
	    !may_be_first(scan, proc, told->owner, &status) ||
	    (known && kin.start == scan->starts[i] && !is_init(pid, &status)))
		return 0;
	container = known ? &scan->found->items[scan->before + i] : add_container(scan, told, &r);
	if (!container)
		return r;
	scan->starts[i] = kin.start;
	container->pid = pid;
	/* A user's counts as long as it's in that cgroup. */
	container->start = told->owner ? 0 : kin.start;
	return 0;
}

static int scan_one(struct scan *scan, pid_t pid)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int proc = -EBADF;
	struct told told;

	if (proc_open(pid, &proc, NULL) < 0 || proc_read(proc, "cgroup", CGROUP_LIMIT, &text) < 0 ||
	    !find_name(text.data, scan->scheme, scan->ref, &told))
		return 0;
	return add(scan, &told, pid, proc);
}

static uint64_t mounts_of(pid_t pid)
{
	_cleanup_fd_ int proc = -EBADF;
	uint64_t mnt;

	return proc_open(pid, &proc, NULL) == 0 && namespace_read(proc, NAMESPACE_MNT, &mnt) == 0
		       ? mnt
		       : 0;
}

int cgroup_scan(const char *scheme, const char *ref, struct containers *found)
{
	struct scan scan = {.scheme = scheme, .ref = ref, .found = found, .before = found->n};
	struct proc_list *list;
	int r = proc_list_new(&list, NULL);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	scan.mnt = mounts_of(0);
	scan.first_mnt = mounts_of(1);
	for (pid_t pid; r == 0 && (pid = proc_list_next(list));)
		r = scan_one(&scan, pid);
	proc_list_free(list);
	return r;
}
