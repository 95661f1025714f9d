/* SPDX-License-Identifier: MIT
 *
 * What a process is, as items. A section is a function here; their order is that of the output.
 * Here: where it is. Not here: what it may do and how it runs (inspect_properties.c), the list of items
 * itself (items.c), where the root lies on the host (rootfs.c), comparing (inspect_diff.c).
 */
#include <conjoin/inspect.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "engine/cgroup_name.h"
#include "lib/inspect_view.h"
#include "lib/rootfs.h"
#include "lib/target.h"
#include "sys/cgroup_usage.h"

enum { COMMAND_LIMIT = 4 << 20, LINK_ROOM = 4096 };

static void view_done(struct view *view)
{
	identity_done(&view->is);
	identity_done(&view->ours);
	cgroup_mounts_done(&view->mounts);
}

static void link_item(struct cj_inspection *to, const struct view *view, const char *field,
		      const char *name)
{
	char text[LINK_ROOM];
	ssize_t n = proc_readlink(view->ref->proc, name, text, sizeof(text));

	if (n < 0)
		item_unread(to, field, (int)-n);
	else
		item_text(to, field, text);
}

/* "2026-11-22T10:15:00Z" */
static void started_item(struct cj_inspection *to, const struct view *view)
{
	time_t started;
	char text[32];
	struct tm tm;
	int r = proc_read_started(view->ref->proc, &started);

	if (r < 0)
		item_unread(to, "started", -r);
	else if (gmtime_r(&started, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		item_text(to, "started", text);
}

/* As far as the names of its cgroups tell. */
static void engine_items(struct cj_inspection *to, const struct view *view)
{
	struct cgroup_name found;

	if (view->container)
		return; /* it has a section of its own */
	for (size_t i = 0; i < view->is.cgroups.n; i++) {
		const char *path = view->is.cgroups.entries[i].path;

		if (!cgroup_name_find(path, strlen(path), &found) || !found.engine)
			continue;
		item_text(to, "engine", found.engine);
		item_text(to, "id", found.id);
		return;
	}
}

/* What the engine tells that the target was named by. */
static void add_container(struct cj_inspection *to, const struct cj_container *container)
{
	const char *const *label = container->labels;

	items_of(to, "container", "");
	items_not_compared(to);
	item_text(to, "engine", container->engine);
	if (container->id)
		item_text(to, "id", container->id);
	if (container->name)
		item_text(to, "name", container->name);
	if (container->image)
		item_text(to, "image", container->image);
	if (container->bundle)
		item_text(to, "bundle", container->bundle);
	if (container->state)
		item_text(to, "state", container->state);
	items_of(to, "container", "labels");
	items_not_compared(to);
	for (; label && *label; label++) {
		const char *equals = strchr(*label, '=');
		_cleanup_free_ char *key = equals ? strndup(*label, (size_t)(equals - *label))
						  : NULL;

		if (key)
			item_text(to, items_copy(to, key), equals + 1);
	}
}

static void add_process(struct cj_inspection *to, const struct view *view)
{
	_cleanup_(bytes_done) struct bytes command = BYTES_INIT;
	char handle[48];
	int r;

	items_of(to, "process", "");
	items_not_compared(to);
	(void)pidref_format(view->ref, handle, sizeof(handle));
	item_number(to, "pid", view->ref->pid);
	item_number(to, "inside", view->is.status.inside);
	item_text(to, "handle", handle);
	item_text(to, "name", view->is.status.comm);
	item_text(to, "state", (const char[]){view->is.status.state, '\0'});
	item_number(to, "threads", view->is.status.threads);
	started_item(to, view);
	engine_items(to, view);
	link_item(to, view, "exe", "exe");
	r = proc_read(view->ref->proc, "cmdline", COMMAND_LIMIT, &command);
	if (r < 0)
		item_unread(to, "command", -r);
	else
		item_strings(to, "command", command.data, command.size);
}

/* Who may do things in it: its owner. */
static void owner_item(struct cj_inspection *to, const struct view *view, int kind)
{
	_cleanup_fd_ int fd = namespace_open(view->ref->proc, kind);
	uint64_t inode;
	int r = fd < 0 ? fd : namespace_user(fd, &inode);

	if (r == -EPERM && kind == NAMESPACE_USER)
		return; /* its parent isn't below our own user namespace: ours is the top of what we see */
	if (r < 0)
		item_unread(to, "owner", -r);
	else
		item_number(to, "owner", (int64_t)inode);
}

static void add_namespaces(struct cj_inspection *to, const struct view *view)
{
	for (int i = 0; i < NAMESPACE_KINDS; i++) {
		uint64_t inode = view->is.namespaces.inode[i];

		if (view->is.unread_namespaces[i] == ENOENT)
			continue; /* a kernel without that kind */
		items_of(to, "namespaces", namespace_kinds[i].name);
		if (view->is.unread_namespaces[i]) {
			item_unread(to, "inode", view->is.unread_namespaces[i]);
			continue;
		}
		item_number(to, "inode", (int64_t)inode);
		items_not_compared(to);
		item_bool(to, "ours", inode == view->ours.namespaces.inode[i]);
		owner_item(to, view, i);
	}
}

static void map_items(struct cj_inspection *to, const char *field, const struct idmap *map)
{
	_cleanup_free_ char(*texts)[48] = calloc(map->n + 1, sizeof(*texts));
	_cleanup_free_ const char **list = calloc(map->n + 1, sizeof(*list));

	if (!texts || !list) {
		to->out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < map->n; i++) {
		(void)format_safe(texts[i], sizeof(texts[i]), "%u %u %u", map->ranges[i].inside,
				  map->ranges[i].outside, map->ranges[i].count);
		list[i] = texts[i];
	}
	item_list(to, field, list, map->n);
}

/* The maps of its user namespace. */
static void add_user(struct cj_inspection *to, const struct view *view)
{
	items_of(to, "user", "");
	if (view->is.unread_maps) {
		item_unread(to, "uid_map", view->is.unread_maps);
		return;
	}
	map_items(to, "uid_map", &view->is.uid_map);
	map_items(to, "gid_map", &view->is.gid_map);
	item_bool(to, "setgroups_denied", view->is.setgroups_denied);
}

static void add_cgroup(struct cj_inspection *to, const struct view *view,
		       const struct cgroup_entry *entry)
{
	_cleanup_free_ char *directory = NULL;
	int r = view->unread_mounts ? -view->unread_mounts
				    : cgroup_directory(&view->mounts, entry, &directory);

	items_of(to, "cgroups", cgroup_entry_name(entry));
	item_text(to, "path", entry->path);
	items_not_compared(to);
	if (r == -ENODEV || r == -ENOENT) {
		item_bool(to, "mounted", false);
		return;
	}
	if (r < 0) {
		item_unread(to, "mounted", -r);
		return;
	}
	item_bool(to, "mounted", true);
	item_text(to, "directory", directory);
	if (entry->unified || strcmp(entry->controllers, "freezer") == 0)
		item_bool(to, "frozen", cgroup_is_frozen(directory, entry->unified));
}

static void add_cgroups(struct cj_inspection *to, const struct view *view)
{
	if (view->is.unread_cgroups) {
		items_of(to, "cgroups", "");
		item_unread(to, "path", view->is.unread_cgroups);
	}
	for (size_t i = 0; i < view->is.cgroups.n; i++)
		add_cgroup(to, view, &view->is.cgroups.entries[i]);
}

static void used_item(struct cj_inspection *to, uint64_t value)
{
	items_not_compared(to);
	item_number(to, "used", (int64_t)value);
}

/* What its cgroups use and may use: memory in bytes, processor time in microseconds. */
static void add_usage(struct cj_inspection *to, const struct view *view)
{
	struct cgroup_usage usage;

	cgroup_usage_read(&view->is.cgroups, &view->mounts, &usage);
	if (usage.unread) {
		items_of(to, "usage", "");
		item_unread(to, "all", usage.unread);
	}
	if (usage.has_memory) {
		items_of(to, "usage", "memory");
		limit_item(to, "limit", usage.memory_limit);
		used_item(to, usage.memory);
	}
	if (usage.has_cpu || usage.has_quota) {
		items_of(to, "usage", "cpu");
		if (usage.has_quota) {
			limit_item(to, "quota", usage.cpu_quota);
			limit_item(to, "period", usage.cpu_period);
		}
		if (usage.has_cpu)
			used_item(to, usage.cpu_used);
	}
	if (usage.has_pids) {
		items_of(to, "usage", "pids");
		limit_item(to, "limit", usage.pids_limit);
		used_item(to, usage.pids);
	}
}

static void place_items(struct cj_inspection *to, const struct view *view, enum part part,
			const struct place *place)
{
	char device[32];

	if (place->path)
		item_text(to, "path", place->path);
	if (view->is.unread[part]) {
		item_unread(to, place->path ? "inode" : "path", view->is.unread[part]);
		return;
	}
	(void)format_safe(device, sizeof(device), "%u:%u", major(place->device),
			  minor(place->device));
	item_text(to, "device", device);
	item_number(to, "inode", (int64_t)place->inode);
}

static void add_root(struct cj_inspection *to, const struct view *view)
{
	_cleanup_(rootfs_done) struct rootfs rootfs = ROOTFS_INIT;
	int r;

	items_of(to, "root", "");
	place_items(to, view, PART_ROOT, &view->is.root);
	r = rootfs_find(view->ref->proc, &view->is.root, &rootfs);
	items_not_compared(to);
	if (r == -ENOENT && view->is.root.path &&
	    view->is.namespaces.inode[NAMESPACE_MNT] ==
		    view->ours.namespaces.inode[NAMESPACE_MNT]) {
		item_bool(to, "on_host", true); /* chroot(2) in our own mounts */
		item_text(to, "host_path", view->is.root.path);
		return;
	}
	if (r < 0) {
		item_unread(to, "host_path", -r);
		return;
	}
	item_text(to, "type", rootfs.type);
	item_text(to, "source", rootfs.source);
	item_bool(to, "on_host",
		  rootfs.host_path != NULL); /* mounted in our mount namespace, too */
	if (rootfs.host_path)
		item_text(to, "host_path", rootfs.host_path);
	if (rootfs.upper)
		item_text(to, "upper", rootfs.upper);
	if (rootfs.work)
		item_text(to, "work", rootfs.work);
	if (rootfs.n_lower)
		item_list(to, "lower", (const char *const *)rootfs.lower, rootfs.n_lower);
}

static void add_cwd(struct cj_inspection *to, const struct view *view)
{
	items_of(to, "cwd", "");
	place_items(to, view, PART_CWD, &view->is.cwd);
}

static int look(struct view *view, struct cj_error *err)
{
	_cleanup_fd_ int own = -EBADF;
	int r = proc_open(0, &own, err);

	if (r < 0)
		return r;
	r = identity_look(view->ref->pid, view->ref->proc, &view->is, err);
	if (r < 0)
		return r;
	(void)identity_look(getpid(), own, &view->ours, NULL);
	r = cgroup_mounts_read(own, &view->mounts);
	view->unread_mounts = r < 0 ? -r : 0;
	return 0;
}

static void add_all(struct cj_inspection *to, const struct view *view, bool environment)
{
	add_process(to, view);
	if (view->container)
		add_container(to, view->container);
	add_namespaces(to, view);
	add_user(to, view);
	add_cgroups(to, view);
	add_usage(to, view);
	add_root(to, view);
	add_cwd(to, view);
	add_properties(to, view, environment);
}

int cj_inspect(const struct cj_target *target, const struct cj_inspect_options *options,
	       struct cj_inspection **ret, struct cj_error *err)
{
	_cleanup_(view_done) struct view view = {.ref = &target->ref,
						 .is = IDENTITY_INIT,
						 .ours = IDENTITY_INIT,
						 .container = cj_target_container(target)};
	struct cj_inspection *inspection = calloc(1, sizeof(*inspection));
	int r = inspection ? look(&view, err) : cj_fail(err, ENOMEM, "inspect");

	if (r == 0) {
		add_all(inspection, &view, options->environment);
		if (inspection->out_of_memory)
			r = cj_fail(err, ENOMEM, "inspect process %d", target->ref.pid);
	}
	if (r == 0 && pidref_verify(&target->ref) < 0)
		r = cj_fail(err, ESRCH, "inspect process %d, which has ended meanwhile",
			    target->ref.pid);
	if (r < 0) {
		cj_inspection_free(inspection);
		return r;
	}
	*ret = inspection;
	return 0;
}
