/* SPDX-License-Identifier: MIT
 *
 * conjoin diff: where processes differ. With two, what differs (and each namespace and cgroup); with
 * more, a matrix.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <conjoin/conjoin.h>

#include "base/cleanup.h"
#include "base/table.h"
#include "cli/cli.h"
#include "cli/engines.h"
#include "cli/print_items.h"

enum { TARGETS_MAX = TABLE_COLUMNS_MAX - 3, SAME = 0, DIFFERENT = 1 };

struct arguments {
	bool json, all, env_values, no_headings, verbose;
	const char *only;
	struct engine_choice engines;
};

#define FIELD(name) offsetof(struct arguments, name)

static const struct option_row rows[] = {
	{.kind = OPTION_HEADING, .help = "Which targets"},
	ENGINE_ROWS(FIELD(engines)),

	{0, NULL, NULL, "What is compared", OPTION_HEADING},
	{0, "only", "SECTIONS", "namespaces,cgroups,user,usage,root,cwd,credentials,…", OPTION_TEXT,
	 FIELD(only)},
	{0, NULL, NULL, "Output", OPTION_HEADING},
	{'a', "all", NULL, "what is the same, too", OPTION_FLAG, FIELD(all)},
	{0, "env-values", NULL, "values of the environment, not only names", OPTION_FLAG,
	 FIELD(env_values)},
	{0, "noheadings", NULL, "no first row, no summary", OPTION_FLAG, FIELD(no_headings)},
	{0, "json", NULL, "one object", OPTION_FLAG, FIELD(json)},
	{'v', "verbose", NULL, "tell how engines were asked", OPTION_FLAG, FIELD(verbose)},
	{'h', "help", NULL, "this help", OPTION_HELP},
};

static const char usage[] =
	"Usage: conjoin diff [OPTION…] A B…\n"
	"\n"
	"Tells where processes differ. Exit status 0: they don't, 1: they do, 2: trouble.";

/* The processes, and what was found. */
struct comparison {
	struct cj_inspection *inspections[TARGETS_MAX];
	char handles[TARGETS_MAX][48];
	size_t n;
	struct cj_differences *differences;
};

static void comparison_done(struct comparison *comparison)
{
	cj_differences_free(comparison->differences);
	for (size_t i = 0; i < comparison->n; i++)
		cj_inspection_free(comparison->inspections[i]);
}

static bool is_section(const struct cj_difference *row, const char *name)
{
	return strcmp(row->section, name) == 0;
}

static bool is_shown(const struct arguments *arguments, const struct cj_difference *row)
{
	return !row->same || arguments->all || is_section(row, "namespaces") ||
	       is_section(row, "cgroups");
}

/* Nothing but what couldn't be read keeps the row from being the same. */
static bool is_open(const struct comparison *comparison, const struct cj_difference *row)
{
	const struct cj_item *first = NULL;

	for (size_t i = 0; i < comparison->n; i++) {
		const struct cj_item *item = row->items[i];

		if (item && item->kind == CJ_ITEM_UNREAD)
			continue;
		if (i > 0 && !cj_items_equal(first, item) && first)
			return false;
		if (!item)
			return false;
		first = first ? first : item;
	}
	return true;
}

/* Values of the environment may be secrets. */
static bool is_secret(const struct arguments *arguments, const struct cj_difference *row)
{
	return is_section(row, "environment") && !arguments->env_values;
}

static bool has(const struct cj_item *list, const char *word)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->list[i], word) == 0)
			return true;
	return false;
}

/* Of two lists only what the other hasn't got: 40 capabilities aren't easy to compare by eye. */
static char *rest_of(const struct cj_item *item, const struct cj_item *other)
{
	char *text = NULL;
	size_t size, n = 0;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	for (size_t i = 0; i < item->n; i++)
		if (!has(other, item->list[i]))
			(void)fprintf(to, "%s+%s", n++ ? " " : "", item->list[i]);
	if (n == 0)
		(void)fputs(item->n ? "nothing more" : "none", to);
	if (fclose(to) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool has_rest(const struct cj_item *item, const struct cj_item *other)
{
	for (size_t i = 0; i < item->n; i++)
		if (!has(other, item->list[i]))
			return true;
	return false;
}

static char *value(const struct arguments *arguments, const struct comparison *comparison,
		   const struct cj_difference *row, size_t i)
{
	const struct cj_item *item = row->items[i];
	const struct cj_item *other = comparison->n == 2 ? row->items[1 - i] : NULL;

	if (item && is_secret(arguments, row) && item->kind != CJ_ITEM_UNREAD)
		return strdup("set");
	if (!row->same && item && other && item->kind == CJ_ITEM_LIST &&
	    other->kind == CJ_ITEM_LIST && (has_rest(item, other) || has_rest(other, item)))
		return rest_of(item, other);
	return item_to_text(item);
}

static void add_row(struct table *table, const struct arguments *arguments,
		    const struct comparison *comparison, const struct cj_difference *row)
{
	_cleanup_free_ char *name = item_name(row->section, row->object, row->field);

	table_add(table, row->same ? "SAME" : "DIFFERENT");
	table_add(table, name ? name : "?");
	for (size_t i = 0; i < comparison->n; i++) {
		_cleanup_free_ char *text = value(arguments, comparison, row, i);

		table_add(table, text ? text : "?");
	}
}

static void print_summary(const struct comparison *comparison)
{
	size_t same = 0, different = 0;

	for (size_t i = 0; i < cj_differences_count(comparison->differences); i++)
		*(cj_differences_at(comparison->differences, i)->same ? &same : &different) += 1;
	if (different)
		(void)printf("%zu different, %zu the same\n", different, same);
	else
		(void)printf("the same in all %zu\n", same);
}

static int print_table(const struct arguments *arguments, const struct comparison *comparison)
{
	const char *headings[TABLE_COLUMNS_MAX + 1] = {"", "WHAT"};
	_cleanup_(table_done) struct table table;
	int r;

	for (size_t i = 0; i < comparison->n; i++)
		headings[2 + i] = comparison->handles[i];
	table_init(&table, headings);
	table.headless = arguments->no_headings;
	for (size_t i = 0; i < cj_differences_count(comparison->differences); i++) {
		const struct cj_difference *row = cj_differences_at(comparison->differences, i);

		if (is_shown(arguments, row))
			add_row(&table, arguments, comparison, row);
	}
	r = table_print(&table, stdout);
	if (r == 0 && !arguments->no_headings)
		print_summary(comparison);
	return r;
}

static json_t *row_to_json(const struct arguments *arguments, const struct comparison *comparison,
			   const struct cj_difference *row)
{
	json_t *values = json_array();

	for (size_t i = 0; i < comparison->n; i++) {
		const struct cj_item *item = row->items[i];
		bool secret = item && is_secret(arguments, row) && item->kind != CJ_ITEM_UNREAD;

		(void)json_array_append_new(values,
					    secret ? json_string("set") : item_to_json(item));
	}
	return json_pack("{s:s, s:o, s:s, s:b, s:o}", "section", row->section, "object",
			 json_text(row->object), "field", row->field, "same", row->same, "values",
			 values);
}

static int print_json(const struct arguments *arguments, const struct comparison *comparison,
		      int status)
{
	json_t *handles = json_array(), *list = json_array();

	for (size_t i = 0; i < comparison->n; i++)
		(void)json_array_append_new(handles, json_string(comparison->handles[i]));
	for (size_t i = 0; i < cj_differences_count(comparison->differences); i++) {
		const struct cj_difference *row = cj_differences_at(comparison->differences, i);

		if (is_shown(arguments, row))
			(void)json_array_append_new(list, row_to_json(arguments, comparison, row));
	}
	return json_print(json_pack("{s:o, s:b, s:o}", "targets", handles, "same", status == SAME,
				    "items", list));
}

/* What couldn't be read leaves the question open, unless something else answers it. */
static int judge(const struct cli *cli, const struct comparison *comparison)
{
	int status = SAME;

	for (size_t i = 0; i < cj_differences_count(comparison->differences); i++) {
		const struct cj_difference *row = cj_differences_at(comparison->differences, i);

		if (row->same)
			continue;
		if (!is_open(comparison, row))
			return DIFFERENT;
		status = cli->failure;
	}
	return status;
}

static void arguments_done(struct arguments *arguments)
{
	engine_choice_done(&arguments->engines);
}

static int read_one(struct cli *cli, const struct cj_engine_options *engines, const char *name,
		    struct comparison *comparison, struct cj_error *err)
{
	struct cj_inspect_options options = CJ_INSPECT_OPTIONS_INIT;
	struct cj_target *target = NULL;
	size_t i = comparison->n;
	int r;

	options.environment = 1;
	r = engine_target(cli, engines, name, &target, err);
	if (r == 0)
		r = cj_inspect(target, &options, &comparison->inspections[i], err);
	if (r == 0) {
		(void)cj_target_handle(target, comparison->handles[i],
				       sizeof(comparison->handles[i]));
		comparison->n++;
	}
	cj_target_free(target);
	return r;
}

static int compare(const struct arguments *arguments, struct comparison *comparison,
		   struct cj_error *err)
{
	_cleanup_free_ char *text = arguments->only ? strdup(arguments->only) : NULL;
	const char *only[TABLE_COLUMNS_MAX + 1] = {NULL};
	char *rest = text;
	size_t n = 0;

	while (rest && n < TABLE_COLUMNS_MAX)
		only[n++] = strsep(&rest, ",");
	if (rest)
		return cj_fail(err, EINVAL, "compare more than %d sections", TABLE_COLUMNS_MAX);
	return cj_inspections_diff(comparison->inspections, comparison->n, n ? only : NULL,
				   &comparison->differences, err);
}

int cmd_diff(struct cli *cli, int argc, char **argv)
{
	_cleanup_(comparison_done) struct comparison comparison = {.n = 0};
	_cleanup_(arguments_done) struct arguments arguments = {.json = false};
	struct cj_engine_options engines;
	struct cj_error err = CJ_ERROR_INIT;
	int first = options_parse(cli, rows, sizeof(rows) / sizeof(rows[0]), usage, argc, argv,
				  &arguments);
	int r = 0, status;

	if (first < 0)
		return first == -2 ? cli_finish(cli, 0) : cli->usage;
	if (argc - first < 2)
		return cli_usage(cli, "two targets are needed");
	if (argc - first > TARGETS_MAX)
		return cli_usage(cli, "at most %d targets can be compared", TARGETS_MAX);
	cli->verbose = arguments.verbose;
	if (engine_options(cli, &arguments.engines, &engines) != 0)
		return cli->usage;
	for (int i = first; i < argc && r == 0; i++)
		r = read_one(cli, &engines, argv[i], &comparison, &err);
	if (r == 0) {
		cli->target = NULL;
		r = compare(&arguments, &comparison, &err);
	}
	if (r < 0)
		return cli_error(cli, &err);
	status = judge(cli, &comparison);
	r = arguments.json ? print_json(&arguments, &comparison, status)
			   : print_table(&arguments, &comparison);
	return cli_finish(cli, r < 0 ? cli->failure : status);
}
