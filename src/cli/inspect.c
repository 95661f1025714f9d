/* SPDX-License-Identifier: MIT
 *
 * conjoin inspect: all that a process is. What an item is called and means stands in
 * conjoin-inspect(1).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <conjoin/conjoin.h>

#include "base/cleanup.h"
#include "base/table.h"
#include "cli/cli.h"
#include "cli/engines.h"
#include "cli/print_items.h"

struct arguments {
	bool json, environment, no_headings, verbose;
	const char *columns;
	struct engine_choice engines;
};

#define FIELD(name) offsetof(struct arguments, name)

static const struct option_row rows[] = {
	{.kind = OPTION_HEADING, .help = "Which TARGET"},
	ENGINE_POD_ROWS(FIELD(engines)),
	ENGINE_ROWS(FIELD(engines)),

	{0, NULL, NULL, "Output", OPTION_HEADING},
	{'o', "output", "COLUMNS", "a row a target: pid,namespaces.mnt.inode,…", OPTION_TEXT,
	 FIELD(columns)},
	{0, "noheadings", NULL, "no first row", OPTION_FLAG, FIELD(no_headings)},
	{0, "json", NULL, "an array, an object a target", OPTION_FLAG, FIELD(json)},
	{0, "env", NULL, "its environment, too: it may hold secrets", OPTION_FLAG,
	 FIELD(environment)},
	{'v', "verbose", NULL, "tell how engines were asked", OPTION_FLAG, FIELD(verbose)},
	{'h', "help", NULL, "this help", OPTION_HELP},
};

static const char usage[] =
	"Usage: conjoin inspect [OPTION…] TARGET…\n"
	"\n"
	"Tells all that a process is: namespaces, cgroups, root, credentials, limits.";

/* What columns there can be. A target needn't have each: its cell is "-" then. */
static const struct known {
	const char *section, *objects, *fields; /* words; "": none, "*": any */
} known[] = {
	{"process", "", "pid inside handle name state threads started exe command engine id"},
	{"container", "", "engine id name image bundle state"},
	{"container", "labels", "*"},
	{"namespaces", "user cgroup ipc uts net pid time mnt", "inode ours owner"},
	{"user", "", "uid_map gid_map setgroups_denied"},
	{"cgroups", "*", "path mounted directory frozen"},
	{"usage", "memory cpu pids", "limit quota period used"},
	{"root", "", "path device inode type source on_host host_path upper work lower"},
	{"cwd", "", "path device inode"},
	{"credentials", "uid gid", "real effective saved fs"},
	{"credentials", "", "groups no_new_privs"},
	{"credentials", "seccomp", "mode filters"},
	{"credentials", "label", "module text"},
	{"capabilities", "", "inheritable permitted effective bounding ambient"},
	{"limits", "*", "soft hard"},
	{"scheduling", "", "policy priority nice ioprio affinity timer_slack"},
	{"attributes", "", "oom_score_adj umask personality core_filter"},
	{"environment", "*", "value bare"},
};

static bool has_word(const char *words, const char *word, size_t length)
{
	for (const char *at = words; *at; at += strspn(at, " ")) {
		size_t n = strcspn(at, " ");

		if (n == length && memcmp(at, word, n) == 0)
			return true;
		at += n;
	}
	return false;
}

/* "SECTION.OBJECT." begins the name: its fields are anybody's. */
static bool has_free_fields(const struct known *row, const char *name)
{
	size_t section = strlen(row->section), object = strlen(row->objects);

	return strcmp(row->fields, "*") == 0 && strncmp(row->section, name, section) == 0 &&
	       name[section] == '.' && strncmp(row->objects, name + section + 1, object) == 0 &&
	       name[section + 1 + object] == '.';
}

/* "SECTION.FIELD", "SECTION.OBJECT.FIELD" (an object may have dots), or a field of process. */
static bool is_known(const char *name)
{
	const char *dot = strchr(name, '.'), *last = strrchr(name, '.');

	if (!dot)
		return has_word(known[0].fields, name, strlen(name));
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct known *row = &known[i];

		if (has_free_fields(row, name))
			return true;
		if (strlen(row->section) != (size_t)(dot - name) ||
		    strncmp(row->section, name, (size_t)(dot - name)) != 0 ||
		    !has_word(row->fields, last + 1, strlen(last + 1)))
			continue;
		if (last == dot ? !row->objects[0]
				: strcmp(row->objects, "*") == 0 ||
					  has_word(row->objects, dot + 1, (size_t)(last - dot - 1)))
			return true;
	}
	return false;
}

/* The targets that were read; one that can't be doesn't hide the others. */
struct all {
	struct cj_inspection **list;
	size_t n;
};

static void all_done(struct all *all)
{
	for (size_t i = 0; i < all->n; i++)
		cj_inspection_free(all->list[i]);
	free(all->list);
}

static const struct cj_item *find(const struct cj_inspection *inspection, const char *name)
{
	for (size_t i = 0; i < cj_inspection_count(inspection); i++) {
		const struct cj_item *item = cj_inspection_item(inspection, i);
		_cleanup_free_ char *own = item_name(item->section, item->object, item->field);

		if (own && (strcmp(own, name) == 0 || (strcmp(item->section, "process") == 0 &&
						       strcmp(item->field, name) == 0)))
			return item;
	}
	return NULL;
}

static void add_cell(struct table *table, const struct cj_item *item)
{
	_cleanup_free_ char *text = item_to_text(item);

	table_add(table, text ? text : "?");
}

/* A section and an object are named once. */
static int print_one(const struct cj_inspection *inspection)
{
	static const char *const headings[] = {"SECTION", "OBJECT", "FIELD", "VALUE", NULL};
	_cleanup_(table_done) struct table table;
	const char *section = "", *object = "";

	table_init(&table, headings);
	for (size_t i = 0; i < cj_inspection_count(inspection); i++) {
		const struct cj_item *item = cj_inspection_item(inspection, i);
		bool same_section = strcmp(item->section, section) == 0;

		table_add(&table, same_section ? "" : item->section);
		table_add(&table,
			  same_section && strcmp(item->object, object) == 0 ? "" : item->object);
		table_add(&table, item->field);
		add_cell(&table, item);
		section = item->section;
		object = item->object;
	}
	return table_print(&table, stdout);
}

static int print_tables(const struct all *all)
{
	int r = 0;

	for (size_t i = 0; i < all->n && r == 0; i++) {
		if (i > 0)
			(void)putchar('\n');
		r = print_one(all->list[i]);
	}
	return r;
}

/* "a,b" as a NULL-ended list; `text` is cut at its commas. */
static size_t split(char *text, const char *list[TABLE_COLUMNS_MAX + 1])
{
	size_t n = 0;

	while (text && n < TABLE_COLUMNS_MAX)
		list[n++] = strsep(&text, ",");
	list[n] = NULL;
	return text ? TABLE_COLUMNS_MAX + 1 : n;
}

static int print_columns(const struct cli *cli, const struct arguments *arguments,
			 const struct all *all)
{
	_cleanup_free_ char *text = strdup(arguments->columns);
	const char *names[TABLE_COLUMNS_MAX + 1];
	_cleanup_(table_done) struct table table = {.columns = 0};
	size_t n = split(text, names);

	if (!text)
		return -ENOMEM;
	if (n > TABLE_COLUMNS_MAX)
		return cli_usage(cli, "-o takes at most %d columns", TABLE_COLUMNS_MAX);
	for (size_t k = 0; k < n; k++)
		if (!is_known(names[k]))
			return cli_usage(cli, "there is no column \"%s\"", names[k]);
	table_init(&table, names);
	table.headless = arguments->no_headings;
	for (size_t i = 0; i < all->n; i++)
		for (size_t k = 0; k < n; k++)
			add_cell(&table, find(all->list[i], names[k]));
	return table_print(&table, stdout);
}

/* The object of that name in another, made where it's missing. */
static json_t *member(json_t *object, const char *name)
{
	json_t *is = json_object_get(object, name);

	if (!is && json_object_set_new(object, name, json_object()) == 0)
		is = json_object_get(object, name);
	return is;
}

static json_t *to_json(const struct cj_inspection *inspection)
{
	json_t *document = json_object();

	for (size_t i = 0; i < cj_inspection_count(inspection); i++) {
		const struct cj_item *item = cj_inspection_item(inspection, i);
		json_t *name = json_text(item->object);
		json_t *into = member(document, item->section);

		if (item->object[0])
			into = member(into, name ? json_string_value(name) : "?");
		(void)json_object_set_new(into, item->field, item_to_json(item));
		json_decref(name);
	}
	return document;
}

static int print_json(const struct all *all)
{
	json_t *array = json_array();

	for (size_t i = 0; i < all->n; i++)
		(void)json_array_append_new(array, to_json(all->list[i]));
	return json_print(array);
}

static void arguments_done(struct arguments *arguments)
{
	engine_choice_done(&arguments->engines);
}

static int read_one(struct cli *cli, const struct arguments *arguments,
		    const struct cj_engine_options *engines, const char *name, struct all *all)
{
	struct cj_inspect_options options = CJ_INSPECT_OPTIONS_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_target *target = NULL;
	int r;

	options.environment = arguments->environment;
	r = engine_target(cli, engines, name, &target, &err);
	if (r == 0)
		r = cj_inspect(target, &options, &all->list[all->n], &err);
	if (r == 0)
		all->n++;
	cj_target_free(target);
	return r == 0 ? 0 : cli_error(cli, &err);
}

int cmd_inspect(struct cli *cli, int argc, char **argv)
{
	_cleanup_(all_done) struct all all = {.n = 0};
	_cleanup_(arguments_done) struct arguments arguments = {.json = false};
	struct cj_engine_options engines;
	int first = options_parse(cli, rows, sizeof(rows) / sizeof(rows[0]), usage, argc, argv,
				  &arguments);
	int status = 0, r;

	if (first < 0)
		return first == -2 ? cli_finish(cli, 0) : cli->usage;
	if (first == argc)
		return cli_usage(cli, "TARGET is missing");
	if (arguments.json && arguments.columns)
		return cli_usage(cli, "--json and -o exclude each other");
	cli->verbose = arguments.verbose;
	if (engine_options(cli, &arguments.engines, &engines) != 0)
		return cli->usage;
	all.list = calloc((size_t)(argc - first), sizeof(struct cj_inspection *));
	if (!all.list)
		return cli_usage(cli, "out of memory");
	for (int i = first; i < argc; i++)
		if (read_one(cli, &arguments, &engines, argv[i], &all) != 0)
			status = cli->failure;
	cli->target = NULL;
	r = arguments.json	? print_json(&all)
	    : arguments.columns ? print_columns(cli, &arguments, &all)
				: print_tables(&all);
	if (r > 0)
		return r;
	return cli_finish(cli, r < 0 ? cli->failure : status);
}
