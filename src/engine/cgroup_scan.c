/* SPDX-License-Identifier: MIT */
#include "engine/cgroup_scan.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/cgroup_name.h"
#include "sys/kin.h"
#include "sys/proc.h"

enum { CGROUP_LIMIT = 1 << 20, STATUS_LIMIT = 1 << 20, ID_MIN = 4, ID_MAX = 64 };

bool cgroup_scan_may_find(const char *ref)
{
	size_t length = strlen(ref);

	return length >= ID_MIN && length <= ID_MAX && strspn(ref, "0123456789abcdef") == length;
}

/* The container that one of the lines of /proc/PID/cgroup tells of. */
static bool find_name(const char *text, const char *scheme, const char *ref,
		      struct cgroup_name *ret)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t length = strcspn(line, "\n");
		const char *colon = memchr(line, ':', length);
		const char *path =
			colon ? memchr(colon + 1, ':', length - (size_t)(colon + 1 - line)) : NULL;

		if (path && cgroup_name_find(path + 1, length - (size_t)(path + 1 - line), ret) &&
		    (!scheme || (ret->engine && strcmp(ret->engine, scheme) == 0)) &&
		    container_id_begins_with(ret->id, ref)) {
			if (!ret->engine)
				ret->engine = "cgroup"; /* an id, of whom nobody knows */
			return true;
		}
	}
	return false;
}

/* Number 1 of a pid namespace that isn't ours: nobody in the container is before it. */
static bool is_init(pid_t pid, int proc)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;

	return pid != 1 && proc_read(proc, "status", STATUS_LIMIT, &text) == 0 &&
	       proc_parse_status(text.data, &status) == 0 && status.inside == 1;
}

static struct container *find_known(struct containers *found, const struct cgroup_name *name)
{
	for (size_t i = 0; i < found->n; i++)
		if (strcmp(found->items[i].id, name->id) == 0 &&
		    strcmp(found->items[i].scheme, name->engine) == 0)
			return &found->items[i];
	return NULL;
}

/*
 * The oldest is the first one: what an engine adds comes later, and what debuggers put into the pid namespace
 * has another cgroup. Where start times are equal (10 ms) it's the one that is number 1.
 */
static bool is_before(pid_t pid, int proc, const struct kin *kin, const struct container *than)
{
	return kin->start != than->start ? kin->start < than->start : is_init(pid, proc);
}

static int add(struct containers *found, const struct cgroup_name *name, pid_t pid, int proc)
{
	struct container *container = find_known(found, name);
	struct kin kin;
	int r;

	if (kin_read(proc, &kin) < 0 || kin.ended ||
	    (container && !is_before(pid, proc, &kin, container)))
		return 0;
	if (!container) {
		container = containers_add(found);
		r = container ? container_set(&container->id, name->id) : -ENOMEM;
		if (r == 0)
			r = container_set(&container->name, name->name);
		if (r < 0)
			return r;
		container->scheme = name->engine;
	}
	container->pid = pid;
	container->start = kin.start;
	return 0;
}

int cgroup_scan(const char *scheme, const char *ref, struct containers *found)
{
	struct proc_list *list;
	int r = proc_list_new(&list, NULL);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (pid_t pid; r == 0 && (pid = proc_list_next(list));) {
		_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
		_cleanup_fd_ int proc = -EBADF;
		struct cgroup_name name;

		if (proc_open(pid, &proc, NULL) == 0 &&
		    proc_read(proc, "cgroup", CGROUP_LIMIT, &text) == 0 &&
		    find_name(text.data, scheme, ref, &name))
			r = add(found, &name, pid, proc);
	}
	proc_list_free(list);
	return r;
}
