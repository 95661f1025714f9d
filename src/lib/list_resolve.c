/* SPDX-License-Identifier: MIT
 *
 * The rules of list_group.h, one after the other. Not here: gathering processes (list_group.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/cgroup_name.h"
#include "lib/list_group.h"

/* One line of /proc/PID/cgroup behind its number: "HIERARCHY:PATH". */
struct line {
	const char *at;
	size_t length;
	const char *path;
	size_t path_length;
};

static bool next_line(const char **text, struct line *ret)
{
	while (**text) {
		size_t length = strcspn(*text, "\n");
		const char *line = *text, *end = line + length;
		const char *colon = memchr(line, ':', length);
		const char *path = colon ? memchr(colon + 1, ':', (size_t)(end - colon - 1)) : NULL;

		*text = end + (*end == '\n');
		if (path) {
			*ret = (struct line){colon + 1, (size_t)(end - colon - 1), path + 1,
					     (size_t)(end - path - 1)};
			return true;
		}
	}
	return false;
}

/* Where engines put their containers: v2, systemd's own hierarchy, any other of v1. */
static int rank(const struct line *line)
{
	static const char systemd[] = "name=systemd:";

	return line->at[0] == ':' ? 0 : strncmp(line->at, systemd, strlen(systemd)) == 0 ? 1 : 2;
}

/* systemd in a container moves itself to a cgroup below the container's. */
static size_t without_init_scope(const char *key, size_t size)
{
	static const char scope[] = "/init.scope";
	size_t n = strlen(scope);

	return size > n && memcmp(key + size - n, scope, n) == 0 ? size - n : size;
}

enum clue { BY_PATTERN, BY_PLACE };

/* The hierarchy to go by: the first that names a container, else the first with more than its root. */
static void classify(struct list_cell *cell, enum clue how)
{
	const char *text = cell->cgroup;
	int best = 3;
	struct line line;

	cell->recognised = false;
	cell->key = NULL;
	while (next_line(&text, &line)) {
		struct cgroup_name engine;

		if (rank(&line) >= best)
			continue;
		if (how == BY_PATTERN && cgroup_name_find(line.path, line.path_length, &engine)) {
			cell->key_size = (size_t)(line.path - line.at) + engine.length;
			cell->recognised = true;
		} else if (how == BY_PLACE && line.path_length > 1) {
			cell->key_size = line.length;
		} else {
			continue;
		}
		cell->key = line.at;
		best = rank(&line);
	}
}

static bool same_key(const struct list_cell *a, const struct list_cell *b)
{
	return a->key && b->key && a->key_size == b->key_size &&
	       memcmp(a->key, b->key, a->key_size) == 0;
}

/* A container that the caller itself lives in is no container, seen from there. */
static void classify_all(struct list_group *group)
{
	size_t own = list_group_find(group, group->own);
	const struct list_cell *own_cell =
		own == MAP_NONE ? NULL : &group->cells[group->processes[own].cell];

	for (size_t i = 0; i < group->n_cells; i++)
		classify(&group->cells[i], BY_PATTERN);
	for (size_t i = 0; i < group->n_cells; i++) {
		struct list_cell *cell = &group->cells[i];

		if (cell != own_cell && cell->recognised && own_cell && same_key(cell, own_cell))
			cell->recognised = false;
	}
	for (size_t i = 0; i < group->n_cells; i++) {
		struct list_cell *cell = &group->cells[i];

		if (cell == own_cell || !cell->recognised)
			classify(cell, BY_PLACE);
	}
}

/* Each cgroup of the host's processes with all that are above it, in every hierarchy. */
static int note_host(struct list_group *group, const struct list_cell *cell)
{
	const char *text = cell->cgroup;
	struct line line;

	while (next_line(&text, &line))
		for (const char *end = line.at + line.length; end > line.path;
		     end = memrchr(line.path, '/', (size_t)(end - line.path))) {
			int r = map_put(&group->of_host, line.at, (size_t)(end - line.at), 0);

			if (r < 0)
				return r;
			if (r == 0)
				break; /* those above are noted, too */
		}
	return 0;
}

/* "HIERARCHY:PATH" → PATH */
static const char *path_of(const char *place)
{
	return strchr(place, ':') + 1;
}

/* What the place tells: an engine's container, or a service with processes of its own only. */
static int name_target(struct list_group_target *target)
{
	struct cgroup_name engine = {.engine = NULL};
	const char *path = path_of(target->place);
	size_t length = strlen(path), unit = cgroup_unit_length(path, length);

	if (cgroup_name_find(path, length, &engine) && engine.length == length) {
		target->engine = engine.engine;
		target->id = strdup(engine.id);
		target->name = strdup(engine.name);
		return target->id && target->name ? 0 : -ENOMEM;
	}
	if (unit == length) {
		const char *slash = memrchr(path, '/', length);

		target->engine = "unit";
		target->name = strdup(slash ? slash + 1 : path);
		return target->name ? 0 : -ENOMEM;
	}
	return 0;
}

/* `place` may be NULL. The index of the new target, or -ENOMEM. */
static ssize_t new_target(struct list_group *group, const char *place, size_t size)
{
	struct list_group_target *grown, *target;

	grown = reallocarray(group->targets, group->n_targets + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	group->targets = grown;
	target = &grown[group->n_targets++];
	*target = (struct list_group_target){.first = MAP_NONE};
	if (place) {
		target->place = strndup(place, size);
		if (!target->place || name_target(target) < 0)
			return -ENOMEM;
	}
	return (ssize_t)group->n_targets - 1;
}

/* The container whose cgroup this is; made, if there is none. */
static int container_at(struct list_group *group, const char *key, size_t size)
{
	ssize_t target;

	if (map_get(&group->by_place, key, size) != MAP_NONE)
		return 0;
	target = new_target(group, key, size);
	if (target < 0)
		return (int)target;
	group->targets[target].container = true;
	return map_put(&group->by_place, key, size, (size_t)target);
}

/* Rule 1 for those with namespaces of their own, and for the rest where there are no such. */
static int by_pattern(struct list_group *group)
{
	int r = 0;

	for (size_t i = 0; i < group->n_cells && r >= 0; i++) {
		struct list_cell *cell = &group->cells[i];

		if (!cell->recognised || cell->ours)
			continue;
		r = container_at(group, cell->key, cell->key_size);
		cell->target = map_get(&group->by_place, cell->key, cell->key_size);
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < group->n_cells; i++) {
		struct list_cell *cell = &group->cells[i];

		if (!cell->recognised || !cell->ours)
			continue;
		/* The supervisor of a container, in a cgroup of it: that's the host. */
		if (map_get(&group->by_place, cell->key, cell->key_size) != MAP_NONE)
			cell->supervisor = true;
	}
	for (size_t i = 0; i < group->n_cells && r >= 0; i++) {
		struct list_cell *cell = &group->cells[i];

		if (!cell->recognised || !cell->ours || cell->supervisor)
			continue;
		r = container_at(group, cell->key, cell->key_size);
		cell->target = map_get(&group->by_place, cell->key, cell->key_size);
	}
	return r < 0 ? r : 0;
}

/* Rule 2: which cgroups are containers', and who is in them. */
static int by_looks(struct list_group *group)
{
	for (size_t i = 0; i < group->n_pidns; i++) {
		const struct list_cell *cell;
		size_t size;
		int r;

		if (group->pidns[i].init == MAP_NONE)
			continue;
		cell = &group->cells[group->processes[group->pidns[i].init].cell];
		if (cell->recognised || !cell->key)
			continue;
		size = without_init_scope(cell->key, cell->key_size);
		if (cell->key[size - 1] == ':' || list_group_is_shared(group, cell->key, size))
			continue;
		r = container_at(group, cell->key, size);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < group->n_cells; i++) {
		struct list_cell *cell = &group->cells[i];
		const char *end = cell->key + cell->key_size;

		if (cell->recognised || cell->ours || !cell->key)
			continue;
		while (end && cell->target == MAP_NONE) {
			size_t size = (size_t)(end - cell->key);

			cell->target = map_get(&group->by_place, cell->key, size);
			end = memrchr(cell->key, '/', size);
		}
	}
	return 0;
}

enum { KEY_SET = sizeof(struct namespaces) };

/* Who has a container's namespaces, or its pid namespace, belongs to it: for rules 3 and 4. */
static int note_containers(struct list_group *group)
{
	for (size_t i = 0; i < group->n_cells; i++) {
		const struct list_cell *cell = &group->cells[i];

		if (cell->target == MAP_NONE || cell->ours)
			continue;
		if (map_put(&group->by_set, &cell->namespaces, KEY_SET, cell->target) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < group->n_pidns; i++) {
		const struct list_pidns *pidns = &group->pidns[i];
		size_t target = pidns->init == MAP_NONE
					? MAP_NONE
					: group->cells[group->processes[pidns->init].cell].target;

		if (target != MAP_NONE &&
		    map_put(&group->by_set, &pidns->inode, sizeof(pidns->inode), target) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The service that a cell is in, if there are no processes of the host in it. */
static size_t unit_size(const struct list_group *group, const struct list_cell *cell)
{
	const char *path;
	size_t before, length;

	if (!cell->key)
		return 0;
	path = path_of(cell->key);
	before = (size_t)(path - cell->key);
	length = cgroup_unit_length(path, cell->key_size - before);
	if (length == 0 || list_group_is_shared(group, cell->key, before + length))
		return 0;
	return before + length;
}

/* Under this key in by_set, made if it isn't there. */
static int join_set(struct list_group *group, struct list_cell *cell, const void *key, size_t size,
		    size_t unit)
{
	size_t found = map_get(&group->by_set, key, size);

	if (found == MAP_NONE) {
		ssize_t made = new_target(group, unit ? cell->key : NULL, unit);
		int r = made < 0 ? (int)made : map_put(&group->by_set, key, size, (size_t)made);

		if (r < 0)
			return r;
		found = (size_t)made;
	}
	cell->target = found;
	return 0;
}

/* Rules 3 to 5. */
static int by_namespaces(struct list_group *group, struct list_cell *cell)
{
	uint64_t pidns = cell->namespaces.inode[NAMESPACE_PID];
	size_t unit, size;
	_cleanup_free_ char *key = NULL;

	if (pidns != group->ours.inode[NAMESPACE_PID])
		return join_set(group, cell, &pidns, sizeof(pidns), unit_size(group, cell));
	if (map_get(&group->by_set, &cell->namespaces, KEY_SET) != MAP_NONE)
		return join_set(group, cell, &cell->namespaces, KEY_SET, 0);
	unit = unit_size(group, cell);
	size = KEY_SET + 1 + unit;
	key = malloc(size);
	if (!key)
		return -ENOMEM;
	memcpy(key, &cell->namespaces, KEY_SET);
	key[KEY_SET] = 'u'; /* longer than the key of rule 4, whatever follows */
	if (unit)
		memcpy(key + KEY_SET + 1, cell->key, unit);
	return join_set(group, cell, key, size, unit);
}

static int add_host(struct list_group *group)
{
	ssize_t host = new_target(group, NULL, 0);

	if (host < 0)
		return (int)host;
	group->targets[host].host = true;
	group->targets[host].engine = "host";
	for (size_t i = 0; i < group->n_cells; i++)
		if (group->cells[i].target == MAP_NONE)
			group->cells[i].target = (size_t)host;
	return 0;
}

int list_group_assign(struct list_group *group, enum list_host host)
{
	int r;

	classify_all(group);
	r = by_pattern(group);
	for (size_t i = 0; i < group->n_cells && r == 0; i++)
		if (group->cells[i].ours && !group->cells[i].recognised)
			r = note_host(group, &group->cells[i]);
	if (r == 0)
		r = by_looks(group);
	if (r == 0)
		r = note_containers(group);
	for (size_t i = 0; i < group->n_cells && r == 0; i++)
		if (group->cells[i].target == MAP_NONE && !group->cells[i].ours)
			r = by_namespaces(group, &group->cells[i]);
	if (r == 0 && host == LIST_WITH_HOST)
		r = add_host(group);
	return r;
}
