/* SPDX-License-Identifier: MIT */
#include "lib/list_state.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "lib/bundle_state.h"

enum { MAX_ENTRIES = 16384 };

/* Of users' directories only our own: others could name containers there that aren't theirs. */
static const struct {
	const char *user; /* what comes before our uid, NULL: nothing does */
	const char *path, *engine;
	enum bundle_layout layout;
	enum { PLAIN, NESTED } depth; /* NESTED: one more level, containerd's namespaces */
} places[] = {
	{NULL, "/run/runc", "oci", BUNDLE_RUNC, PLAIN},
	{NULL, "/run/crun", "oci", BUNDLE_CRUN, PLAIN},
	{NULL, "/run/containerd/io.containerd.runtime.v2.task", "containerd", BUNDLE_CONTAINERD,
	 NESTED},
	{"/run/user/", "/runc", "oci", BUNDLE_RUNC, PLAIN},
	{"/run/user/", "/crun", "oci", BUNDLE_CRUN, PLAIN},
};

static bool is_nameless(const struct list_group_target *target)
{
	return !target->host && (!target->engine || strcmp(target->engine, "unit") == 0);
}

static int name_by(struct list_group *group, const char *engine, const struct bundle_state *state)
{
	size_t process = list_group_find(group, state->pid);
	struct list_group_target *target;
	char *id, *name;
	size_t i;

	if (process == MAP_NONE ||
	    (state->has_start && group->processes[process].start != state->start))
		return 0;
	i = group->cells[group->processes[process].cell].target;
	if (i == MAP_NONE || !is_nameless(&group->targets[i]))
		return 0;
	id = strdup(state->id);
	name = strdup(state->id);
	if (!id || !name) {
		free(id);
		free(name);
		return -ENOMEM;
	}
	target = &group->targets[i];
	free(target->id);
	free(target->name);
	target->id = id;
	target->name = name;
	target->engine = engine;
	target->first = process;
	return 0;
}

/* Each container directory below `path`; `depth` more levels are between. */
static int visit(struct list_group *group, size_t place, const char *path, int depth, int *left)
{
	_cleanup_dir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return 0;
	while (r == 0 && (entry = readdir(dir)) && (*left)-- > 0) {
		struct bundle_state state;
		char below[PATH_MAX];

		if (!bundle_id_is_valid(entry->d_name))
			continue;
		if (depth > 0) {
			if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) <
			    (int)sizeof(below))
				r = visit(group, place, below, depth - 1, left);
		} else if (bundle_state_read(places[place].layout, "", path, entry->d_name,
					     &state) == 0) {
			r = name_by(group, places[place].engine, &state);
		}
	}
	return r;
}

int list_state_name(struct list_group *group)
{
	bool wanted = false;
	int r = 0;

	for (size_t i = 0; i < group->n_targets; i++)
		wanted = wanted || is_nameless(&group->targets[i]);
	for (size_t i = 0; i < ELEMENTS(places) && wanted && r == 0; i++) {
		int left = MAX_ENTRIES;
		char path[96];

		if (places[i].user)
			(void)snprintf(path, sizeof(path), "%s%u%s", places[i].user, geteuid(),
				       places[i].path);
		else
			(void)snprintf(path, sizeof(path), "%s", places[i].path);
		r = visit(group, i, path, places[i].depth == NESTED, &left);
	}
	return r;
}
