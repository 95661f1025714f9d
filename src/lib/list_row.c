/* SPDX-License-Identifier: MIT
 *
 * What is told of one target. Not here: which processes are in it (list_group.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/cgroup_name.h"
#include "lib/list.h"
#include "sys/cgroup_usage.h"
#include "sys/pidref.h"
#include "sys/proc.h"

_Static_assert((int)CJ_NAMESPACE_USER == (int)NAMESPACE_USER &&
		       (int)CJ_NAMESPACE_CGROUP == (int)NAMESPACE_CGROUP &&
		       (int)CJ_NAMESPACE_IPC == (int)NAMESPACE_IPC &&
		       (int)CJ_NAMESPACE_UTS == (int)NAMESPACE_UTS &&
		       (int)CJ_NAMESPACE_NET == (int)NAMESPACE_NET &&
		       (int)CJ_NAMESPACE_PID == (int)NAMESPACE_PID &&
		       (int)CJ_NAMESPACE_TIME == (int)NAMESPACE_TIME &&
		       (int)CJ_NAMESPACE_MNT == (int)NAMESPACE_MNT &&
		       (int)CJ_NAMESPACE_KINDS == (int)NAMESPACE_KINDS,
	       "the public numbers of namespaces are those of namespace.h");

static void add_special(struct list_row *row, const char *text)
{
	struct cj_list_target *target = &row->target;

	if (target->n_special == LIST_SPECIAL_MAX)
		return;
	(void)snprintf(row->special_text[target->n_special],
		       sizeof(row->special_text[target->n_special]), "%s", text);
	target->n_special++;
}

/* Of a container what it has in common with us, of anything else what it has for itself. */
static void tell_namespaces(struct list_row *row, bool container)
{
	static const int host_kinds[] = {NAMESPACE_NET, NAMESPACE_PID, NAMESPACE_IPC,
					 NAMESPACE_MNT};
	unsigned int own = row->target.own;
	char text[64] = "own";

	if (container || (own & 1U << NAMESPACE_PID)) {
		for (size_t i = 0; i < ELEMENTS(host_kinds); i++) {
			(void)snprintf(text, sizeof(text), "host %s",
				       namespace_kinds[host_kinds[i]].name);
			if (!(own & 1U << host_kinds[i]))
				add_special(row, text);
		}
		return;
	}
	for (int kind = 0; kind < NAMESPACE_KINDS; kind++) {
		size_t n = strlen(text);

		if (own & 1U << kind)
			(void)snprintf(text + n, sizeof(text) - n, "%c%s", n == 3 ? ' ' : ',',
				       namespace_kinds[kind].name);
	}
	add_special(row, text);
}

/* All capabilities that we may ever have, over our own user namespace, and no filter. */
static bool is_privileged(const struct list_context *context, const struct list_row *row,
			  const struct proc_status *status)
{
	uint64_t all = context->own.bounding;

	return !(row->target.own & 1U << NAMESPACE_USER) && (status->effective & all) == all &&
	       (status->bounding & all) == all && status->seccomp == 0;
}

static bool is_paused(const struct list_context *context, const struct cgroup_list *cgroups)
{
	static const char *const freezers[] = {"freezer", ""};

	for (size_t i = 0; i < ELEMENTS(freezers); i++) {
		const struct cgroup_entry *entry = cgroup_list_controller(cgroups, freezers[i]);
		_cleanup_free_ char *directory = NULL;

		if (entry && strcmp(entry->path, "/") != 0 &&
		    cgroup_directory(&context->mounts, entry, &directory) == 0 &&
		    cgroup_is_frozen(directory, entry->unified))
			return true;
	}
	return false;
}

/* The container's own cgroup in one hierarchy, whichever below it its first process is in. */
static void cut_path(const struct list_group_target *target, struct cgroup_entry *entry)
{
	size_t length = strlen(entry->path), n = strlen("/init.scope");
	const char *path = strchr(target->place, ':') + 1;
	size_t hierarchy = (size_t)(path - target->place) - 1;
	struct cgroup_name engine;

	if (strlen(entry->controllers) == hierarchy &&
	    memcmp(entry->controllers, target->place, hierarchy) == 0 &&
	    strncmp(entry->path, path, strlen(path)) == 0)
		entry->path[strlen(path)] = '\0';
	else if (cgroup_name_find(entry->path, length, &engine))
		entry->path[engine.length] = '\0';
	else if (length > n && strcmp(entry->path + length - n, "/init.scope") == 0)
		entry->path[length - n] = '\0';
}

/* Keeps the cgroups that are the target's alone: of others the numbers would be others', too. */
static int keep_own(const struct list_group *group, const struct list_group_target *target,
		    struct cgroup_list *cgroups)
{
	size_t kept = 0;

	for (size_t i = 0; i < cgroups->n; i++) {
		struct cgroup_entry entry = cgroups->entries[i];
		_cleanup_free_ char *place = NULL;

		cut_path(target, &entry);
		if (asprintf(&place, "%s:%s", entry.controllers, entry.path) < 0) {
			place = NULL;
			return -ENOMEM;
		}
		if (strcmp(entry.path, "/") != 0 &&
		    !list_group_is_shared(group, place, strlen(place))) {
			cgroups->entries[i] = cgroups->entries[kept];
			cgroups->entries[kept++] = entry;
		}
	}
	for (size_t i = kept; i < cgroups->n; i++) {
		free(cgroups->entries[i].controllers);
		free(cgroups->entries[i].path);
	}
	cgroups->n = kept;
	return 0;
}

static int read_cgroups(const struct list_context *context, const struct list_group_target *target,
			const struct list_cell *cell, struct list_row *row)
{
	_cleanup_(cgroup_list_done) struct cgroup_list cgroups = CGROUP_LIST_INIT;
	struct cgroup_usage usage = {.has_memory = false};
	int r = cgroup_list_parse(cell->cgroup, &cgroups);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	if (is_paused(context, &cgroups))
		add_special(row, "paused");
	if (!context->options->usage || !target->place)
		return 0;
	r = keep_own(&context->group, target, &cgroups);
	if (r < 0)
		return r;
	cgroup_usage_read(&cgroups, &context->mounts, &usage);
	if (usage.has_memory)
		row->target.memory = usage.memory;
	if (usage.has_cpu)
		row->target.cpu = usage.cpu_used;
	return 0;
}

/* Name, status and handle, all of the process that was scanned, or -ESRCH. */
static int read_first(const struct list_process *process, struct list_row *row,
		      struct proc_status *ret)
{
	_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;
	uint64_t start;
	int r = pidref_open(process->pid, &ref, NULL);

	if (r == 0)
		r = proc_read_start_time(ref.proc, &start);
	if (r == 0 && start != process->start)
		r = -ESRCH;
	if (r == 0 && proc_read_small(ref.proc, "comm", row->comm, sizeof(row->comm)) > 0)
		row->comm[strlen(row->comm) - 1] = '\0';
	if (r == 0)
		r = proc_read_status(ref.proc, ret);
	if (r == 0 && pidref_verify(&ref) < 0) {
		proc_status_done(ret);
		r = -ESRCH;
	}
	if (r == 0)
		(void)pidref_format(&ref, row->handle, sizeof(row->handle));
	return r == -ENOMEM ? r : r < 0 ? -ESRCH : 0;
}

static int copy(char **ret, const char *text)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

static int fill(struct list_context *context, struct list_group_target *target,
		const struct proc_status *status, struct list_row *row)
{
	const struct list_process *first = &context->group.processes[target->first];
	const struct list_cell *cell = &context->group.cells[first->cell];
	struct cj_list_target *to = &row->target;

	*to = (struct cj_list_target){.engine = target->engine,
				      .pid = first->pid,
				      .processes = target->processes,
				      .memory = CJ_LIST_UNKNOWN,
				      .cpu = CJ_LIST_UNKNOWN,
				      .host = target->host};
	row->start = first->start;
	to->age = context->uptime > first->start ? (context->uptime - first->start) / context->ticks
						 : 0;
	for (int kind = 0; kind < NAMESPACE_KINDS; kind++) {
		to->namespaces[kind] = cell->namespaces.inode[kind];
		if (to->namespaces[kind] != context->group.ours.inode[kind])
			to->own |= 1U << kind;
	}
	if (copy(&row->engine_id, target->id) < 0 || copy(&row->engine_name, target->name) < 0)
		return -ENOMEM;
	memcpy(row->known, target->known, sizeof(target->known));
	row->told = target->told;
	target->told = (struct container){.scheme = NULL};
	if (target->host)
		return 0;
	tell_namespaces(row, target->container);
	if (is_privileged(context, row, status))
		add_special(row, "privileged");
	return read_cgroups(context, target, cell, row);
}

enum { TRIES = 8 }; /* a target that still has nobody then is made of processes that come and go */

int list_row_read(struct list_context *context, size_t i, struct list_row *ret)
{
	struct list_group_target *target = &context->group.targets[i];
	_cleanup_(list_row_done) struct list_row row = {.comm = ""};

	for (int n = 0; n < TRIES && target->first != MAP_NONE; n++) {
		_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
		const struct list_process *first = &context->group.processes[target->first];
		int r = read_first(first, &row, &status);

		if (r == -ESRCH) {
			list_group_replace_first(&context->group, i);
			continue;
		}
		if (r == 0)
			r = fill(context, target, &status, &row);
		if (r < 0)
			return r;
		*ret = row;
		row.engine_id = row.engine_name = NULL;
		row.told = (struct container){.scheme = NULL};
		return 1;
	}
	return 0;
}

/* Where some containers of an engine have a user namespace, those without are the exception. */
void list_rows_compare(struct list_row *rows, size_t n)
{
	_cleanup_(map_done) struct map engines = MAP_INIT;

	for (size_t i = 0; i < n; i++) {
		const struct cj_list_target *target = &rows[i].target;

		if (target->engine && target->own & 1U << NAMESPACE_USER)
			(void)map_put(&engines, target->engine, strlen(target->engine), 0);
	}
	for (size_t i = 0; i < n; i++) {
		const struct cj_list_target *target = &rows[i].target;

		if (target->engine && !target->host && !(target->own & 1U << NAMESPACE_USER) &&
		    map_get(&engines, target->engine, strlen(target->engine)) != MAP_NONE)
			add_special(&rows[i], "host user");
	}
}

void list_row_done(struct list_row *row)
{
	free(row->engine_id);
	free(row->engine_name);
	container_done(&row->told);
	row->engine_id = row->engine_name = NULL;
}
