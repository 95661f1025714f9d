/* SPDX-License-Identifier: MIT */
#include "lib/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/find.h"
#include "lib/list_name.h"
#include "lib/options.h"
#include "sys/proc.h"

static void context_done(struct list_context *context)
{
	list_group_done(&context->group);
	cgroup_mounts_done(&context->mounts);
}

/* Ourselves, and the clock that start times are told by: both before anybody is looked at. */
static int context_init(struct list_context *context, struct list_holders *holders,
			struct cj_error *err)
{
	_cleanup_fd_ int own = -EBADF;
	int kind, r = proc_open(0, &own, err);

	if (r < 0)
		return r;
	context->group.own = getpid();
	context->ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	r = namespaces_read(own, &context->group.ours, &kind);
	if (r < 0)
		return cj_fail(err, -r, "read our own namespaces");
	r = capabilities_read_own(&context->own);
	if (r < 0)
		return cj_fail(err, -r, "read our own capabilities");
	r = cgroup_mounts_read(own, &context->mounts);
	if (r == 0 && context->options->all)
		r = list_holders_look_here(holders, own, &context->group.ours);
	return r < 0 ? cj_fail(err, -r, "read our own mounts") : 0;
}

static int look_at_all(struct list_context *context, struct list_holders *holders,
		       struct cj_list *list, struct cj_error *err)
{
	struct scan_process process;
	struct scan *scan;
	int r = scan_new(&scan, err);

	if (r < 0)
		return r;
	while (r == 0 && scan_next(scan, &process)) {
		if (process.unread) {
			if (list->unread++ == 0)
				list->unread_errno = process.unread;
			continue;
		}
		if (list_group_wants_inside(&context->group, &process) &&
		    scan_inside(scan, &process.inside) == -ESRCH)
			continue;
		r = list_group_add(&context->group, &process);
		if (r == 0 && context->options->all)
			r = list_holders_look(holders, scan_directory(scan), &process);
	}
	scan_free(scan);
	return r < 0 ? cj_fail(err, -r, "list processes") : 0;
}

/* Which targets have a process in the namespace that is asked for; NULL: all are wanted. */
static int find_wanted(const struct list_context *context, bool **ret)
{
	const struct list_group *group = &context->group;
	const struct cj_list_options *options = context->options;

	*ret = NULL;
	if (!options->inode)
		return 0;
	*ret = calloc(group->n_targets + 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	for (size_t i = 0; i < group->n_cells; i++)
		if (group->cells[i].target != MAP_NONE &&
		    group->cells[i].namespaces.inode[options->kind] == options->inode)
			(*ret)[group->cells[i].target] = true;
	return 0;
}

static int read_rows(struct list_context *context, struct cj_list *list)
{
	_cleanup_free_ bool *wanted = NULL;
	int r = find_wanted(context, &wanted);

	list->rows = calloc(context->group.n_targets + 1, sizeof(*list->rows));
	if (!list->rows || r < 0)
		return -ENOMEM;
	for (size_t i = 0; i < context->group.n_targets; i++) {
		if (wanted && !wanted[i])
			continue;
		r = list_row_read(context, i, &list->rows[list->n_rows]);
		if (r < 0)
			return r;
		list->n_rows += (size_t)r;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct list_row *x = a, *y = b;

	if (x->target.host != y->target.host)
		return y->target.host - x->target.host;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->target.pid > y->target.pid) - (x->target.pid < y->target.pid);
}

/* Rows lie where they stay by now: what points into them can be set. */
static void set_pointers(struct list_row *row)
{
	struct cj_list_target *target = &row->target;

	for (size_t i = 0; i < target->n_special; i++)
		row->special[i] = row->special_text[i];
	target->special = row->special;
	target->handle = row->handle;
	target->id = row->engine_id;
	target->image = row->told.image;
	target->bundle = row->told.bundle;
	target->labels = (const char *const *)row->told.labels;
	target->engines = row->known;
	target->name = target->host ? "host" : row->engine_name ? row->engine_name : row->comm;
}

static int ask_engines(const struct cj_engine_options *options, struct containers *ret,
		       struct cj_error *err)
{
	struct cj_engine_options own = CJ_ENGINE_OPTIONS_INIT;
	int r = options ? options_take(options, &own, sizeof(own), "engine options", err) : 0;

	return r < 0 ? r : engines_list(&own, ret, err);
}

static int read_all(struct list_context *context, struct list_holders *holders,
		    struct cj_list *list, struct cj_error *err)
{
	_cleanup_(containers_done) struct containers containers = CONTAINERS_INIT;
	struct timespec now;
	int r = context_init(context, holders, err);

	/* Names first: what starts meanwhile has none, but what is named is there. */
	if (r == 0)
		r = ask_engines(context->options->engines, &containers, err);
	if (r == 0)
		r = look_at_all(context, holders, list, err);
	if (r < 0)
		return r;
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	context->uptime = (uint64_t)now.tv_sec * context->ticks +
			  (uint64_t)now.tv_nsec * context->ticks / 1000000000;
	r = list_group_resolve(&context->group,
			       context->options->all ? LIST_WITH_HOST : LIST_WITHOUT_HOST);
	if (r == 0)
		r = list_name_targets(&context->group, &containers);
	if (r == 0)
		r = read_rows(context, list);
	if (r == 0 && context->options->all)
		r = list_holders_finish(holders, context, list);
	if (r < 0)
		return cj_fail(err, -r, "list processes");
	list_rows_compare(list->rows, list->n_rows);
	qsort(list->rows, list->n_rows, sizeof(*list->rows), compare);
	for (size_t i = 0; i < list->n_rows; i++)
		set_pointers(&list->rows[i]);
	return 0;
}

int cj_list_read(const struct cj_list_options *options, struct cj_list **ret, struct cj_error *err)
{
	_cleanup_(context_done) struct list_context context = LIST_CONTEXT_INIT;
	_cleanup_(list_holders_done) struct list_holders holders = LIST_HOLDERS_INIT;
	struct cj_list_options own = CJ_LIST_OPTIONS_INIT;
	struct cj_list *list;
	int r;

	if (options->size < sizeof(size_t) || (unsigned int)options->kind >= CJ_NAMESPACE_KINDS)
		return cj_fail(err, EINVAL, "list targets with such options");
	/* A caller that was built with a smaller struct knows less of it. */
	memcpy(&own, options, options->size < sizeof(own) ? options->size : sizeof(own));
	context.options = &own;
	list = calloc(1, sizeof(*list));
	if (!list)
		return cj_fail(err, ENOMEM, "list targets");
	r = read_all(&context, &holders, list, err);
	if (r < 0) {
		cj_list_free(list);
		return r;
	}
	*ret = list;
	return 0;
}

void cj_list_free(struct cj_list *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->n_rows; i++)
		list_row_done(&list->rows[i]);
	for (size_t i = 0; i < list->n_namespaces; i++) {
		free((void *)(uintptr_t)list->namespaces[i].process);
		free((void *)(uintptr_t)list->namespaces[i].path);
	}
	free(list->rows);
	free(list->namespaces);
	free(list);
}

size_t cj_list_count(const struct cj_list *list)
{
	return list->n_rows;
}

const struct cj_list_target *cj_list_at(const struct cj_list *list, size_t i)
{
	return &list->rows[i].target;
}

const struct cj_list_namespace *cj_list_namespaces(const struct cj_list *list, size_t *ret_count)
{
	*ret_count = list->n_namespaces;
	return list->namespaces;
}

size_t cj_list_unread(const struct cj_list *list, int *ret_errno)
{
	*ret_errno = list->unread_errno;
	return list->unread;
}
