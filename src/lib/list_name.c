/* SPDX-License-Identifier: MIT */
#include "lib/list_name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/engine.h"
#include "engine/verify.h"

/* Ids that cgroups carry → index of the target. */
static int map_ids(const struct list_group *group, struct map *ids)
{
	for (size_t i = 0; i < group->n_targets; i++) {
		const char *id = group->targets[i].id;

		if (id && map_put(ids, id, strlen(id), i) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The target with this process, MAP_NONE if there is none or it's another process by now. */
static size_t find_by_process(const struct list_group *group, const struct container *container,
			      size_t *ret_process)
{
	_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;
	size_t process = container->pid > 0 ? list_group_find(group, container->pid) : MAP_NONE;

	if (process == MAP_NONE || container_open(container, &ref, NULL) < 0)
		return MAP_NONE;
	if (container->start && group->processes[process].start != container->start)
		return MAP_NONE;
	*ret_process = process;
	return group->cells[group->processes[process].cell].target;
}

/* The target that the process is in, for what it's worth: it may be another one by now. */
static size_t target_of(const struct list_group *group, pid_t pid)
{
	size_t process = pid > 0 ? list_group_find(group, pid) : MAP_NONE;

	return process == MAP_NONE ? MAP_NONE : group->cells[group->processes[process].cell].target;
}

static size_t find_target(const struct list_group *group, const struct map *ids,
			  const struct container *container, size_t *ret_process)
{
	size_t by_id = MAP_NONE, by_pid = target_of(group, container->pid);

	*ret_process = MAP_NONE;
	/* A user's engine may claim any id, and an id may be another engine's as well. */
	if (container->id && container->owner == 0)
		by_id = map_get(ids, container->id, strlen(container->id));
	if (by_id != MAP_NONE && (by_pid == MAP_NONE || by_pid == by_id))
		return by_id;
	by_pid = find_by_process(group, container, ret_process);
	return by_pid == MAP_NONE ? by_id : by_pid;
}

static void note_known(struct list_group_target *target, const char *scheme)
{
	for (size_t i = 0; i < target->n_known; i++)
		if (strcmp(target->known[i], scheme) == 0)
			return;
	if (target->n_known < LIST_KNOWN_MAX)
		target->known[target->n_known++] = scheme;
}

static int name_target(struct list_group_target *target, struct container *container)
{
	const char *name = container->name ? container->name : container->id;
	char *own_name = name ? strdup(name) : NULL;
	char *own_id = container->id ? strdup(container->id) : NULL;

	if ((name && !own_name) || (container->id && !own_id)) {
		free(own_name);
		free(own_id);
		return -ENOMEM;
	}
	free(target->name);
	free(target->id);
	target->name = own_name;
	target->id = own_id;
	target->engine = container->scheme;
	target->told = *container;
	*container = (struct container){.scheme = NULL};
	return 0;
}

/* A cgroup's name may tell of a more specific engine, which doesn't answer. */
static bool is_better(const struct container *container, const struct list_group_target *target)
{
	return !target->engine || engine_rank(container->scheme) <= engine_rank(target->engine);
}

int list_name_targets(struct list_group *group, struct containers *containers)
{
	_cleanup_(map_done) struct map ids = MAP_INIT;
	int r = map_ids(group, &ids);

	for (size_t i = 0; i < containers->n && r == 0; i++) {
		struct container *container = &containers->items[i];
		struct list_group_target *target;
		size_t process, found = find_target(group, &ids, container, &process);

		if (found == MAP_NONE || group->targets[found].host)
			continue;
		target = &group->targets[found];
		note_known(target, container->scheme);
		if (strcmp(container->scheme, "k8s") == 0)
			note_known(target, "cri");
		if (process != MAP_NONE && !target->told.scheme)
			target->first = process;
		if (target->told.scheme)
			container_complete(&target->told, container);
		else if (is_better(container, target))
			r = name_target(target, container);
	}
	for (size_t i = 0; i < group->n_targets; i++)
		if (group->targets[i].engine)
			note_known(&group->targets[i], group->targets[i].engine);
	return r;
}
