/* SPDX-License-Identifier: MIT
 *
 * conjoin ps for people: columns, and the tree of what shares namespaces.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/ps.h"

enum column {
	ENGINE,
	NAME,
	IMAGE,
	ID,
	PID,
	HANDLE,
	PROCS,
	MEMORY,
	CPU,
	AGE,
	SPECIAL,
	SHARES,
	NAMESPACES, /* and seven more, in the order of enum cj_namespace_kind */
	COLUMNS = NAMESPACES + CJ_NAMESPACE_KINDS,
};

static const char *const headings[COLUMNS] = {
	[ENGINE] = "ENGINE",
	[NAME] = "NAME",
	[IMAGE] = "IMAGE",
	[ID] = "ID",
	[PID] = "PID",
	[HANDLE] = "HANDLE",
	[PROCS] = "PROCS",
	[MEMORY] = "MEMORY",
	[CPU] = "CPU",
	[AGE] = "AGE",
	[SPECIAL] = "SPECIAL",
	[SHARES] = "SHARES",
	[NAMESPACES + CJ_NAMESPACE_USER] = "USERNS",
	[NAMESPACES + CJ_NAMESPACE_CGROUP] = "CGROUPNS",
	[NAMESPACES + CJ_NAMESPACE_IPC] = "IPCNS",
	[NAMESPACES + CJ_NAMESPACE_UTS] = "UTSNS",
	[NAMESPACES + CJ_NAMESPACE_NET] = "NETNS",
	[NAMESPACES + CJ_NAMESPACE_PID] = "PIDNS",
	[NAMESPACES + CJ_NAMESPACE_TIME] = "TIMENS",
	[NAMESPACES + CJ_NAMESPACE_MNT] = "MNTNS",
};

static int find_column(const char *name, size_t length)
{
	for (int i = 0; i < COLUMNS; i++)
		if (strlen(headings[i]) == length && strncasecmp(headings[i], name, length) == 0)
			return i;
	return -EINVAL;
}

int ps_columns_parse(struct ps_request *request, struct cj_error *err)
{
	const char *at =
		request->columns ? request->columns
		: request->tree ? "engine,name,image,pid,handle,procs,memory,cpu,age,shares,special"
				: "engine,name,image,pid,handle,procs,memory,cpu,age,special";

	request->list.usage = request->json;
	for (;;) {
		size_t length = strcspn(at, ",");
		int column = find_column(at, length);

		if (column < 0)
			return cj_fail(err, EINVAL, "-o %s: there is no such column",
				       request->columns);
		if (request->n_shown == TABLE_COLUMNS_MAX)
			return cj_fail(err, EINVAL, "-o: more than %d columns", TABLE_COLUMNS_MAX);
		if (column == MEMORY || column == CPU)
			request->list.usage = 1;
		request->shown[request->n_shown++] = column;
		if (!at[length])
			return 0;
		at += length + 1;
	}
}

enum { CELL = 1024 };

static void format_memory(uint64_t bytes, char *buf)
{
	static const char units[] = "BKMGTPE";
	size_t unit = 0;
	uint64_t tenths = 10 * (bytes > UINT64_MAX / 10 ? UINT64_MAX / 10 : bytes);

	for (; tenths >= 10240 && units[unit + 1]; unit++)
		tenths /= 1024;
	if (unit == 0 || tenths >= 1000)
		(void)snprintf(buf, CELL, "%" PRIu64 "%c", tenths / 10, units[unit]);
	else
		(void)snprintf(buf, CELL, "%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10,
			       units[unit]);
}

/* The two largest units that aren't 0: "5s", "3m12s", "4h5m", "12d3h". */
static void format_seconds(uint64_t s, char *buf)
{
	if (s < 60)
		(void)snprintf(buf, CELL, "%" PRIu64 "s", s);
	else if (s < 3600)
		(void)snprintf(buf, CELL, "%" PRIu64 "m%" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(buf, CELL, "%" PRIu64 "h%" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		(void)snprintf(buf, CELL, "%" PRIu64 "d%" PRIu64 "h", s / 86400, s / 3600 % 24);
}

static void format_cpu(uint64_t us, char *buf)
{
	if (us < 60 * UINT64_C(1000000))
		(void)snprintf(buf, CELL, "%" PRIu64 ".%02" PRIu64 "s", us / 1000000,
			       us / 10000 % 100);
	else
		format_seconds(us / 1000000, buf);
}

static void format_special(const struct cj_list_target *target, char *buf)
{
	size_t n = 0;

	for (size_t i = 0; i < target->n_special && n < CELL; i++)
		n += (size_t)snprintf(buf + n, CELL - n, "%s%s", n ? ", " : "", target->special[i]);
}

static void format_shares(unsigned int shares, char *buf)
{
	size_t n = 0;

	for (unsigned int kind = 0; kind < CJ_NAMESPACE_KINDS && n < CELL; kind++)
		if (shares & 1U << kind)
			n += (size_t)snprintf(buf + n, CELL - n, "%s%s", n ? "," : "",
					      ps_kind_name((enum cj_namespace_kind)kind));
}

/* What is to be printed where. */
struct place {
	const char *branch; /* before the name */
	unsigned int shares;
	size_t root; /* the oldest of those that it shares namespaces with, or itself */
};

static void format_cell(const struct cj_list_target *target, const struct place *place, int column,
			char *buf)
{
	buf[0] = '\0';
	if (column == ENGINE)
		(void)snprintf(buf, CELL, "%s", target->engine ? target->engine : "-");
	else if (column == NAME)
		(void)snprintf(buf, CELL, "%s%s", place->branch, target->name);
	else if (column == IMAGE)
		(void)snprintf(buf, CELL, "%s", target->image ? target->image : "-");
	else if (column == ID)
		(void)snprintf(buf, CELL, "%s", target->id ? target->id : "-");
	else if (column == PID)
		(void)snprintf(buf, CELL, "%d", target->pid);
	else if (column == HANDLE)
		(void)snprintf(buf, CELL, "%s", target->handle);
	else if (column == PROCS)
		(void)snprintf(buf, CELL, "%zu", target->processes);
	else if (column == MEMORY && target->memory != CJ_LIST_UNKNOWN)
		format_memory(target->memory, buf);
	else if (column == CPU && target->cpu != CJ_LIST_UNKNOWN)
		format_cpu(target->cpu, buf);
	else if (column == AGE)
		format_seconds(target->age, buf);
	else if (column == SPECIAL)
		format_special(target, buf);
	else if (column == SHARES)
		format_shares(place->shares, buf);
	else if (column >= NAMESPACES)
		(void)snprintf(buf, CELL, "%" PRIu64, target->namespaces[column - NAMESPACES]);
	if (!buf[0])
		(void)snprintf(buf, CELL, "-");
}

/* A set of targets is known by its oldest one. */
static size_t root_of(const struct place *places, size_t i)
{
	while (places[i].root != i)
		i = places[i].root;
	return i;
}

/* A user, cgroup or time namespace in common says little: rootless engines have one user namespace. */
static bool makes_a_pod(enum cj_namespace_kind kind)
{
	return kind != CJ_NAMESPACE_USER && kind != CJ_NAMESPACE_CGROUP &&
	       kind != CJ_NAMESPACE_TIME;
}

static int find_places(const struct ps_view *view, struct place *places)
{
	_cleanup_free_ struct ps_link *links = NULL;
	size_t n;
	int r = ps_links(view, false, &links, &n);

	for (size_t i = 0; i < view->n; i++)
		places[i] = (struct place){"", 0, i};
	for (size_t i = 0; i < n && r == 0; i++) {
		size_t a, b;

		places[links[i].target].shares |= 1U << links[i].kind;
		if (i == 0 || links[i - 1].kind != links[i].kind ||
		    links[i - 1].inode != links[i].inode || !makes_a_pod(links[i].kind))
			continue;
		a = root_of(places, links[i - 1].target);
		b = root_of(places, links[i].target);
		places[a > b ? a : b].root = a > b ? b : a;
	}
	for (size_t i = 0; i < view->n; i++)
		places[i].root = root_of(places, i);
	return r;
}

static void add_row(const struct ps_request *request, const struct cj_list_target *target,
		    const struct place *place, struct table *table)
{
	char cell[CELL];

	for (size_t i = 0; i < request->n_shown; i++) {
		format_cell(target, place, request->shown[i], cell);
		table_add(table, cell);
	}
}

struct leaf {
	size_t root, target;
};

static int compare_leaves(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;

	if (x->root != y->root)
		return x->root < y->root ? -1 : 1;
	return (x->target > y->target) - (x->target < y->target);
}

/* Sorted by root, then by age: a root is the oldest of its own. */
static int add_tree(const struct ps_request *request, const struct ps_view *view,
		    struct place *places, struct table *table)
{
	_cleanup_free_ struct leaf *leaves = calloc(view->n + 1, sizeof(*leaves));

	if (!leaves)
		return -ENOMEM;
	for (size_t i = 0; i < view->n; i++)
		leaves[i] = (struct leaf){places[i].root, i};
	qsort(leaves, view->n, sizeof(*leaves), compare_leaves);
	for (size_t i = 0; i < view->n; i++) {
		struct place *place = &places[leaves[i].target];
		bool last = i + 1 == view->n || leaves[i + 1].root != place->root;

		if (place->root != leaves[i].target)
			place->branch = last ? "└─ " : "├─ ";
		add_row(request, view->targets[leaves[i].target], place, table);
	}
	return 0;
}

static int print_targets(const struct ps_request *request, const struct ps_view *view, FILE *out)
{
	const char *shown[TABLE_COLUMNS_MAX + 1] = {NULL};
	_cleanup_free_ struct place *places = calloc(view->n + 1, sizeof(*places));
	_cleanup_(table_done) struct table table;
	int r = places ? find_places(view, places) : -ENOMEM;

	for (size_t i = 0; i < request->n_shown; i++)
		shown[i] = headings[request->shown[i]];
	table_init(&table, shown);
	table.headless = request->no_headings;
	if (r == 0 && request->tree)
		r = add_tree(request, view, places, &table);
	else if (r == 0)
		for (size_t i = 0; i < view->n; i++)
			add_row(request, view->targets[i], &places[i], &table);
	return r < 0 ? r : table_print(&table, out);
}

static int print_namespaces(const struct ps_request *request, const struct ps_view *view, FILE *out)
{
	static const char *const names[] = {"NAMESPACE", "INODE", "HOLDER", "PID",
					    "PROCESS",	 "WHERE", NULL};
	_cleanup_(table_done) struct table table;
	char cell[64];

	table_init(&table, names);
	table.headless = request->no_headings;
	for (size_t i = 0; i < view->n_namespaces; i++) {
		const struct cj_list_namespace *one = &view->namespaces[i];

		table_add(&table, ps_kind_name(one->kind));
		(void)snprintf(cell, sizeof(cell), "%" PRIu64, one->inode);
		table_add(&table, cell);
		table_add(&table, ps_holder_name(one->holder));
		(void)snprintf(cell, sizeof(cell), "%d", one->pid);
		table_add(&table, one->pid ? cell : "-");
		table_add(&table, one->process ? one->process : "-");
		(void)snprintf(cell, sizeof(cell), "fd %d", one->fd);
		table_add(&table, one->path ? one->path : cell);
	}
	return table_print(&table, out);
}

int ps_print_table(const struct ps_request *request, const struct ps_view *view, FILE *out)
{
	int r = print_targets(request, view, out);

	if (r == 0 && view->n_namespaces > 0) {
		(void)fputc('\n', out);
		r = print_namespaces(request, view, out);
	}
	return r;
}
