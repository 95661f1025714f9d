/* SPDX-License-Identifier: MIT */
#include "lib/list_group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/grow.h"

static uint64_t foreign_pidns(const struct list_group *group, const struct namespaces *namespaces)
{
	uint64_t inode = namespaces->inode[NAMESPACE_PID];

	return inode == group->ours.inode[NAMESPACE_PID] ? 0 : inode;
}

static struct list_pidns *find_pidns(const struct list_group *group, uint64_t inode)
{
	size_t i = map_get(&group->by_pidns, &inode, sizeof(inode));

	return i == MAP_NONE ? NULL : &group->pidns[i];
}

/*
 * The first process of a pid namespace is the oldest one in it, so that few need to be asked: mostly
 * the first that comes, and all those of the same clock tick.
 */
bool list_group_wants_inside(const struct list_group *group, const struct scan_process *process)
{
	uint64_t inode = foreign_pidns(group, &process->namespaces);
	const struct list_pidns *pidns = inode ? find_pidns(group, inode) : NULL;

	if (!inode)
		return false;
	return !pidns || (pidns->init == MAP_NONE && process->start <= pidns->oldest);
}

static int note_pidns(struct list_group *group, const struct scan_process *process)
{
	uint64_t inode = foreign_pidns(group, &process->namespaces);
	struct list_pidns *pidns = inode ? find_pidns(group, inode) : NULL;

	if (!inode)
		return 0;
	if (!pidns) {
		struct list_pidns *grown =
			reallocarray(group->pidns, group->n_pidns + 1, sizeof(*grown));
		int r;

		if (!grown)
			return -ENOMEM;
		group->pidns = grown;
		r = map_put(&group->by_pidns, &inode, sizeof(inode), group->n_pidns);
		if (r < 0)
			return r;
		pidns = &grown[group->n_pidns++];
		*pidns = (struct list_pidns){inode, process->start, MAP_NONE};
	}
	if (process->inside == 1)
		pidns->init = group->n_processes;
	if (process->start < pidns->oldest)
		pidns->oldest = process->start;
	return 0;
}

static bool is_cell(const struct list_cell *cell, const struct scan_process *process)
{
	return memcmp(&cell->namespaces, &process->namespaces, sizeof(cell->namespaces)) == 0 &&
	       cell->cgroup_size == process->cgroup_size &&
	       memcmp(cell->cgroup, process->cgroup, cell->cgroup_size) == 0;
}

static int new_cell(struct list_group *group, const struct scan_process *process)
{
	struct list_cell *cell, *grown;

	grown = reallocarray(group->cells, group->n_cells + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	group->cells = grown;
	cell = &grown[group->n_cells];
	*cell = (struct list_cell){.namespaces = process->namespaces, .target = MAP_NONE};
	cell->ours = memcmp(&cell->namespaces, &group->ours, sizeof(group->ours)) == 0;
	cell->cgroup_size = process->cgroup_size;
	cell->cgroup = malloc(cell->cgroup_size + 1);
	if (!cell->cgroup)
		return -ENOMEM;
	memcpy(cell->cgroup, process->cgroup, cell->cgroup_size);
	cell->cgroup[cell->cgroup_size] = '\0';
	group->n_cells++;
	return 0;
}

/* Most processes are in the cell of the one before. */
static int find_cell(struct list_group *group, const struct scan_process *process, uint32_t *ret)
{
	size_t size = sizeof(process->namespaces) + process->cgroup_size, i;
	_cleanup_free_ char *key = NULL;
	int r;

	if (group->n_processes > 0) {
		*ret = group->processes[group->n_processes - 1].cell;
		if (is_cell(&group->cells[*ret], process))
			return 0;
	}
	key = malloc(size);
	if (!key)
		return -ENOMEM;
	memcpy(key, &process->namespaces, sizeof(process->namespaces));
	memcpy(key + sizeof(process->namespaces), process->cgroup, process->cgroup_size);
	i = map_get(&group->by_cell, key, size);
	if (i == MAP_NONE) {
		i = group->n_cells;
		r = new_cell(group, process);
		if (r == 0)
			r = map_put(&group->by_cell, key, size, i);
		if (r < 0)
			return r;
	}
	*ret = (uint32_t)i;
	return 0;
}

int list_group_add(struct list_group *group, const struct scan_process *process)
{
	struct list_process added = {process->pid, process->parent, process->start, 0, false};
	int r = find_cell(group, process, &added.cell);

	if (r == 0)
		r = note_pidns(group, process);
	if (r < 0)
		return r;
	if (!array_grow((void **)&group->processes, sizeof(added), &group->room,
			group->n_processes + 1))
		return -ENOMEM;
	group->processes[group->n_processes++] = added;
	group->cells[added.cell].processes++;
	return 0;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = ((const struct list_process *)b)->pid;

	return (x > y) - (x < y);
}

size_t list_group_find(const struct list_group *group, pid_t pid)
{
	const struct list_process *found =
		group->n_processes ? bsearch(&pid, group->processes, group->n_processes,
					     sizeof(*found), compare_pids)
				   : NULL;

	return found ? (size_t)(found - group->processes) : MAP_NONE;
}

static size_t target_of(const struct list_group *group, size_t process)
{
	return group->cells[group->processes[process].cell].target;
}

static bool is_child_of_its_target(const struct list_group *group, size_t process)
{
	size_t parent = list_group_find(group, group->processes[process].parent);

	return parent != MAP_NONE && !group->processes[parent].dropped &&
	       target_of(group, parent) == target_of(group, process);
}

/* Who stands for a target: who came from outside, rather than a child of it; then the older one. */
static bool is_better(const struct list_group *group, size_t process, size_t than)
{
	const struct list_process *a = &group->processes[process], *b;
	bool a_is_child, b_is_child;

	if (than == MAP_NONE)
		return true;
	b = &group->processes[than];
	a_is_child = is_child_of_its_target(group, process);
	b_is_child = is_child_of_its_target(group, than);
	if (a_is_child != b_is_child)
		return b_is_child;
	return a->start < b->start || (a->start == b->start && a->pid < b->pid);
}

/* If that one is in a pid namespace whose first process is in the target as well, then it's that. */
static void prefer_init(const struct list_group *group, struct list_group_target *target)
{
	const struct list_pidns *pidns;
	const struct list_cell *cell;
	uint64_t inode;

	if (target->first == MAP_NONE)
		return;
	cell = &group->cells[group->processes[target->first].cell];
	inode = foreign_pidns(group, &cell->namespaces);
	pidns = inode ? find_pidns(group, inode) : NULL;
	if (pidns && pidns->init != MAP_NONE && !group->processes[pidns->init].dropped &&
	    target_of(group, pidns->init) == cell->target)
		target->first = pidns->init;
}

/* Of all targets, or of one. */
static void choose_first(struct list_group *group, size_t only)
{
	for (size_t i = 0; i < group->n_targets; i++)
		if (only == MAP_NONE || only == i)
			group->targets[i].first = MAP_NONE;
	for (size_t i = 0; i < group->n_processes; i++) {
		size_t target = target_of(group, i);

		if (target == MAP_NONE || group->processes[i].dropped ||
		    (only != MAP_NONE && only != target))
			continue;
		if (is_better(group, i, group->targets[target].first))
			group->targets[target].first = i;
	}
	for (size_t i = 0; i < group->n_targets; i++)
		if (only == MAP_NONE || only == i)
			prefer_init(group, &group->targets[i]);
}

void list_group_replace_first(struct list_group *group, size_t target)
{
	struct list_group_target *of = &group->targets[target];

	if (of->first != MAP_NONE) {
		group->processes[of->first].dropped = true;
		of->processes--;
	}
	choose_first(group, target);
}

int list_group_resolve(struct list_group *group, enum list_host host)
{
	int r = list_group_assign(group, host);

	if (r < 0)
		return r;
	for (size_t i = 0; i < group->n_cells; i++) {
		const struct list_cell *cell = &group->cells[i];

		if (cell->target != MAP_NONE)
			group->targets[cell->target].processes += cell->processes;
	}
	choose_first(group, MAP_NONE);
	return 0;
}

bool list_group_is_shared(const struct list_group *group, const char *place, size_t length)
{
	return map_get(&group->of_host, place, length) != MAP_NONE;
}

void list_group_done(struct list_group *group)
{
	for (size_t i = 0; i < group->n_cells; i++)
		free(group->cells[i].cgroup);
	for (size_t i = 0; i < group->n_targets; i++) {
		free(group->targets[i].id);
		free(group->targets[i].name);
		free(group->targets[i].place);
		container_done(&group->targets[i].told);
	}
	free(group->processes);
	free(group->cells);
	free(group->pidns);
	free(group->targets);
	map_done(&group->by_cell);
	map_done(&group->by_pidns);
	map_done(&group->by_place);
	map_done(&group->by_set);
	map_done(&group->of_host);
	*group = (struct list_group)LIST_GROUP_INIT;
}
