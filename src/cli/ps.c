/* SPDX-License-Identifier: MIT
 *
 * conjoin ps: parse, read the list, choose from it, print it once.
 * Not here: how rows look (ps_table.c, ps_export.c), and printing again and again (ps_watch.c).
 */
#include "cli/ps.h"

#include <errno.h>
#include <fnmatch.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "cli/options.h"

enum { PAUSE_MIN = 100, PAUSE_MAX = 86400000 }; /* milliseconds */

#define FIELD(member) offsetof(struct ps_request, member)

static const struct option_row rows[] = {
	{.kind = OPTION_HEADING, .help = "Which"},
	{'a', "all", NULL, "the host as well, and namespaces without a process", OPTION_FLAG,
	 FIELD(all)},
	{0, "engine", "NAME", "only of this engine; - is an unknown one", OPTION_TEXT,
	 FIELD(engine)},
	ENGINE_ROWS(FIELD(engines)),
	{0, "ns", "KIND=INODE", "only with a process in this namespace: net=4026532281",
	 OPTION_TEXT, FIELD(namespace)},

	{.kind = OPTION_HEADING, .help = "How"},
	{'o', "output", "LIST",
	 "engine, name, image, id, pid, handle, procs, memory, cpu, age, special, shares; userns, …, mntns",
	 OPTION_TEXT, FIELD(columns)},
	{0, "noheadings", NULL, "no line of headings", OPTION_FLAG, FIELD(no_headings)},
	{0, "tree", NULL, "below each other what shares namespaces: pods", OPTION_FLAG,
	 FIELD(tree)},
	{0, "json", NULL, "as JSON", OPTION_FLAG, FIELD(json)},
	{0, "graph", NULL, "targets and the namespaces that they share, for Graphviz' dot",
	 OPTION_FLAG, FIELD(graph)},
	{0, "watch", "SECONDS", "again every so often, until Ctrl-C", OPTION_TEXT, FIELD(watch)},
	{'v', "verbose", NULL, "tell how engines were asked", OPTION_FLAG, FIELD(verbose)},
	{'h', "help", NULL, "this help", OPTION_HELP},
};

static const char usage[] =
	"Usage: conjoin ps [OPTION…] [FILTER]\n"
	"\n"
	"List what runs in containers on this machine, whichever engine started it: processes with the\n"
	"same namespaces and cgroups are one target. FILTER is a shell pattern for names and ids.\n"
	"\n"
	"  conjoin ps\n"
	"  conjoin ps --tree 'web*'\n"
	"  conjoin ps --graph | dot -Tsvg >pods.svg";

static const char *const kinds[CJ_NAMESPACE_KINDS] = {
	[CJ_NAMESPACE_USER] = "user", [CJ_NAMESPACE_CGROUP] = "cgroup", [CJ_NAMESPACE_IPC] = "ipc",
	[CJ_NAMESPACE_UTS] = "uts",   [CJ_NAMESPACE_NET] = "net",	[CJ_NAMESPACE_PID] = "pid",
	[CJ_NAMESPACE_TIME] = "time", [CJ_NAMESPACE_MNT] = "mnt",
};

const char *ps_kind_name(enum cj_namespace_kind kind)
{
	return kinds[kind];
}

const char *ps_holder_name(enum cj_holder holder)
{
	static const char *const names[] =
		{[CJ_HOLDER_FILE] = "file", [CJ_HOLDER_MOUNT] = "mount", [CJ_HOLDER_SOCKET] = "socket"};

	return names[holder];
}

/* A typing error mustn't look like an empty machine. */
static bool is_engine(const char *name)
{
	static const char *const names[] = {"k8s",  "docker",  "podman",     "cri",
					    "lxc",  "machine", "containerd", "oci",
					    "unit", "host",    "-"};

	for (size_t i = 0; i < ELEMENTS(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool is_of_engine(const struct cj_list_target *target, const char *engine)
{
	const char *const *known = target->engines;

	while (*known && strcmp(*known, engine) != 0)
		known++;
	return *known || (!target->engine && strcmp(engine, "-") == 0);
}

static bool is_wanted(const struct ps_request *request, const struct cj_list_target *target)
{
	if (request->engine && !is_of_engine(target, request->engine))
		return false;
	return !request->pattern || fnmatch(request->pattern, target->name, 0) == 0 ||
	       (target->id && fnmatch(request->pattern, target->id, 0) == 0);
}

int ps_view_read(const struct ps_request *request, struct ps_view *ret, struct cj_error *err)
{
	struct ps_view view = PS_VIEW_INIT;
	int r = cj_list_read(&request->list, &view.list, err);

	if (r < 0)
		return r;
	view.targets = calloc(cj_list_count(view.list) + 1, sizeof(struct cj_list_target *));
	if (!view.targets) {
		ps_view_done(&view);
		return cj_fail(err, ENOMEM, "list targets");
	}
	for (size_t i = 0; i < cj_list_count(view.list); i++)
		if (is_wanted(request, cj_list_at(view.list, i)))
			view.targets[view.n++] = cj_list_at(view.list, i);
	/* They have neither an engine nor a name that could be asked for. */
	if (!request->engine && !request->pattern)
		view.namespaces = cj_list_namespaces(view.list, &view.n_namespaces);
	*ret = view;
	return 0;
}

void ps_view_done(struct ps_view *view)
{
	cj_list_free(view->list);
	free((void *)view->targets);
	*view = (struct ps_view)PS_VIEW_INIT;
}

static int compare_links(const void *a, const void *b)
{
	const struct ps_link *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return (x->target > y->target) - (x->target < y->target);
}

static bool same_namespace(const struct ps_link *a, const struct ps_link *b)
{
	return a->kind == b->kind && a->inode == b->inode;
}

int ps_links(const struct ps_view *view, bool with_ours, struct ps_link **ret, size_t *ret_n)
{
	_cleanup_free_ struct ps_link *links =
		calloc(view->n * CJ_NAMESPACE_KINDS + 1, sizeof(*links));
	size_t n = 0, kept = 0;

	if (!links)
		return -ENOMEM;
	for (size_t i = 0; i < view->n; i++)
		for (unsigned int kind = 0; kind < CJ_NAMESPACE_KINDS; kind++)
			if (view->targets[i]->namespaces[kind] &&
			    (with_ours || view->targets[i]->own & 1U << kind))
				links[n++] = (struct ps_link){(enum cj_namespace_kind)kind,
							      view->targets[i]->namespaces[kind],
							      i};
	qsort(links, n, sizeof(*links), compare_links);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && same_namespace(&links[i], &links[end]);)
			end++;
		for (size_t k = i; k < end && end - i > 1; k++)
			links[kept++] = links[k];
	}
	*ret = take_ptr(links);
	*ret_n = kept;
	return 0;
}

int ps_print(const struct ps_request *request, const struct ps_view *view, FILE *out)
{
	if (request->json)
		return ps_print_json(view, out);
	if (request->graph)
		return ps_print_graph(view, request->all, out);
	return ps_print_table(request, view, out);
}

bool ps_note(const struct ps_view *view, char *buf, size_t size)
{
	int code;
	size_t n = cj_list_unread(view->list, &code);
	const char *name = strerrorname_np(code);

	(void)snprintf(buf, size, "%zu process%s left out, whose namespaces are unreadable: %s", n,
		       n == 1 ? "" : "es", name ? name : "?");
	return n > 0;
}

static int print_once(const struct cli *cli, const struct ps_request *request)
{
	_cleanup_(ps_view_done) struct ps_view view = PS_VIEW_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	char note[128];
	int r = ps_view_read(request, &view, &err);

	if (r == 0) {
		r = ps_print(request, &view, stdout);
		if (r < 0)
			(void)cj_fail(&err, -r, "print the list");
	}
	if (r < 0)
		return cli_error(cli, &err);
	if (ps_note(&view, note, sizeof(note)))
		cli_log((void *)(uintptr_t)cli, CJ_LOG_WARNING, note);
	return cli_finish(cli, 0);
}

/* "net=4026532281" */
static int parse_namespace(struct ps_request *request, struct cj_error *err)
{
	const char *equals = strchr(request->namespace, '=');
	size_t length = equals ? (size_t)(equals - request->namespace) : 0;

	for (unsigned int kind = 0; kind < CJ_NAMESPACE_KINDS; kind++)
		if (length == strlen(kinds[kind]) &&
		    memcmp(request->namespace, kinds[kind], length) == 0 &&
		    parse_u64(equals + 1, 1, UINT64_MAX, &request->list.inode) == 0) {
			request->list.kind = (enum cj_namespace_kind)kind;
			return 0;
		}
	return cj_fail(err, EINVAL, "--ns %s: it isn't KIND=INODE, like net=4026532281",
		       request->namespace);
}

static int parse_values(struct ps_request *request, struct cj_error *err)
{
	if (request->engine && !is_engine(request->engine))
		return cj_fail(err, EINVAL,
			       "--engine %s: there are k8s, docker, podman, cri, lxc, machine, "
			       "containerd, oci, unit, host and -",
			       request->engine);
	if (request->namespace && parse_namespace(request, err) < 0)
		return -EINVAL;
	if (request->watch && (parse_decimal(request->watch, &request->pause) < 0 ||
			       request->pause < PAUSE_MIN || request->pause > PAUSE_MAX))
		return cj_fail(err, EINVAL, "--watch %s: it isn't a number from 0.1 to 86400",
			       request->watch);
	if (request->json + request->tree + request->graph > 1)
		return cj_fail(err, EINVAL, "only one of --json, --tree and --graph can be had");
	if ((request->columns || request->no_headings) && (request->json || request->graph))
		return cj_fail(err, EINVAL, "-o and --noheadings are about tables");
	if (request->watch && request->graph)
		return cj_fail(err, EINVAL, "--graph can't be watched");
	return ps_columns_parse(request, err);
}

static void request_done(struct ps_request *request)
{
	engine_choice_done(&request->engines);
}

int cmd_ps(struct cli *cli, int argc, char **argv)
{
	_cleanup_(request_done) struct ps_request request = {.list = CJ_LIST_OPTIONS_INIT};
	struct cj_engine_options engines;
	struct cj_error err = CJ_ERROR_INIT;
	int first = options_parse(cli, rows, ELEMENTS(rows), usage, argc, argv, &request);

	if (first < 0)
		return first == -2 ? cli_finish(cli, 0) : cli->usage;
	if (argc - first > 1)
		return cli_usage(cli, "one FILTER is enough: %s", argv[first + 1]);
	request.pattern = argv[first];
	if (parse_values(&request, &err) < 0)
		return cli_usage(cli, "%s", err.text);
	cli->verbose = request.verbose;
	if (engine_options(cli, &request.engines, &engines) != 0)
		return cli->usage;
	request.list.engines = &engines;
	/* Who asks for the host gets it. */
	request.list.all = request.all || (request.engine && strcmp(request.engine, "host") == 0);
	return request.watch ? ps_watch(cli, &request) : print_once(cli, &request);
}
