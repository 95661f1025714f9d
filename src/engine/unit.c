/* SPDX-License-Identifier: MIT
 *
 * unit:nginx.service, by systemd's cgroups: nobody is asked. Which process is the unit's main one isn't
 * on disk; it's taken to be the oldest one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/cgroup_tree.h"
#include "engine/engine.h"
#include "engine/first.h"

/* systemd.unit(5) */
static const struct {
	const char *suffix;
	const char *why; /* it has no processes; NULL: it may have */
} types[] = {
	{".service", NULL},
	{".scope", NULL},
	{".socket", NULL},
	{".mount", NULL},
	{".swap", NULL},
	{".slice", "a slice holds units and no process of its own"},
	{".target", "a target has no processes"},
	{".timer", "a timer has no processes"},
	{".path", "a path unit has no processes"},
	{".device", "a device has no processes"},
	{".automount", "an automount has no processes"},
};

/* Does it end as a unit's name does? */
static bool has_type(const char *name, const char **ret_why)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < ELEMENTS(types); i++) {
		size_t length = strlen(types[i].suffix);

		if (n > length && strcmp(name + n - length, types[i].suffix) == 0) {
			*ret_why = types[i].why;
			return true;
		}
	}
	return false;
}

static bool is_unit_name(const char *ref)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@";
	size_t n = strlen(ref);

	return n > 0 && n < NAME_MAX && strspn(ref, allowed) == n && ref[0] != '@' &&
	       strcmp(ref, ".") != 0 && strcmp(ref, "..") != 0;
}

/* "nginx" is nginx.service, as for systemctl(1). */
static int complete(const char *ref, char buf[NAME_MAX + 16])
{
	const char *why;

	return snprintf(buf, NAME_MAX + 16, "%s%s", ref, has_type(ref, &why) ? "" : ".service") >
			       NAME_MAX
		       ? -ENAMETOOLONG
		       : 0;
}

struct search {
	struct source *source;
	char name[NAME_MAX + 16];
};

static int add(const char *path, const char *name, uid_t owner, void *data)
{
	const struct search *search = data;
	struct container *container = containers_add(&search->source->found);
	struct first first;
	int r;

	if (!container)
		return -ENOMEM;
	container->scheme = search->source->engine->scheme;
	container->owner = owner;
	container->state = CONTAINER_STOPPED;
	if (cgroup_first_process(path, &first) == 0) {
		/* No start time: that it's (still) in the unit's cgroup is what counts. */
		container->pid = first.pid;
		container->state = CONTAINER_RUNNING;
	}
	r = container_set(&container->name, search->name);
	return r < 0 ? r : container_set(&container->cgroup_word, name);
}

/* systemd.unit(5): where units of the system are written down, generated and transient ones among them. */
static const char *const unit_directories[] = {
	"/etc/systemd/system",	  "/run/systemd/system",	   "/run/systemd/transient",
	"/run/systemd/generator", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
	"/lib/systemd/system",
};

static bool has_file(const struct engine_request *request, const char *name)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < ELEMENTS(unit_directories); i++)
		if (snprintf(path, sizeof(path), "%s%s/%s", request->root, unit_directories[i],
			     name) < (int)sizeof(path) &&
		    faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

/* Also "getty@.service" for "getty@tty1.service". */
static bool is_defined(const struct engine_request *request, const char *name)
{
	const char *at = strchr(name, '@'), *type = strrchr(name, '.');
	char template[NAME_MAX + 16];

	if (has_file(request, name))
		return true;
	if (!at || !type || type < at)
		return false;
	(void)snprintf(template, sizeof(template), "%.*s%s", (int)(at + 1 - name), name, type);
	return has_file(request, template);
}

static bool has_systems(const struct containers *found)
{
	for (size_t i = 0; i < found->n; i++)
		if (found->items[i].owner == 0)
			return true;
	return false;
}

/* The system's unit has no cgroup while it doesn't run. It's the one that is meant, and not a user's of that name. */
static int add_stopped(const struct search *search)
{
	struct source *source = search->source;
	struct container *container;

	if (has_systems(&source->found) || !is_defined(source->request, search->name))
		return 0;
	container = containers_add(&source->found);
	if (!container)
		return -ENOMEM;
	container->scheme = source->engine->scheme;
	container->state = CONTAINER_STOPPED;
	return container_set(&container->name, search->name);
}

static int look(struct source *source, struct cj_error *err)
{
	_cleanup_(cgroup_roots_done) struct cgroup_roots roots = CGROUP_ROOTS_INIT;
	struct search search = {.source = source};
	int r = complete(source->request->ref, search.name);

	if (r < 0)
		return -ENOENT; /* no file can be called that */
	r = cgroup_roots_read(source->request, &roots);
	if (r < 0)
		return cj_fail(err, -r, "find where cgroups are mounted");
	for (size_t i = 0; i < roots.n && r == 0 && source->found.n == 0; i++) {
		r = cgroup_tree_find(roots.paths[i], search.name, add, &search);
		if (r == 0)
			r = source_read_from(source, roots.paths[i]);
	}
	if (r == 0 && roots.n == 0)
		return -ENOENT;
	return r == 0 ? add_stopped(&search) : r;
}

static const struct source_type disk = {.look = look};

static int add_sources(const struct engine_request *request, struct sources *sources,
		       struct cj_error *err)
{
	const char *why = NULL;

	if (!request->ref)
		return 0; /* what runs without a container isn't one */
	if (!is_unit_name(request->ref))
		return request->bare ? 0
				     : cj_fail(err, EINVAL, "find \"%s\", which is no unit's name",
					       request->ref);
	/* Else each container that is called like a service would be ambiguous. */
	if (!has_type(request->ref, &why) && request->bare)
		return 0;
	if (why)
		return request->bare ? 0
				     : cj_fail(err, EINVAL, "find unit %s: %s", request->ref, why);
	return sources_add(sources, &disk, &engine_unit, request, NULL, 0);
}

const struct engine engine_unit = {.scheme = "unit", .sources = add_sources};
