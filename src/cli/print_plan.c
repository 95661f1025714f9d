/* SPDX-License-Identifier: MIT */
#include "cli/print_plan.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/table.h"

static void add_row(struct table *table, const struct cj_plan_row *row)
{
	table_add(table, row->step);
	table_add(table, row->object);
	table_add(table, row->action);
	table_add(table, row->needs ? row->needs : "");
	table_add(table, row->reason);
}

static int print_table(const struct cj_plan_row *rows, size_t n)
{
	static const char *const headings[] = {"STEP", "OBJECT", "ACTION", "NEEDS", "REASON", NULL};
	_cleanup_(table_done) struct table table;
	int r;

	table_init(&table, headings);
	for (size_t i = 0; i < n; i++)
		add_row(&table, &rows[i]);
	r = table_print(&table, stdout);
	for (size_t i = 0; i < n && r == 0; i++) {
		char object[512];

		(void)text_escape(object, sizeof(object), rows[i].object);
		if (rows[i].lacking)
			(void)printf("lacking: %s for %s %s\n", rows[i].needs, rows[i].step,
				     object);
	}
	return r;
}

/* Strings of a container needn't be UTF-8, which JSON has to be. */
static json_t *text(const char *s)
{
	char safe[8192];
	json_t *plain = json_string(s);

	if (plain)
		return plain;
	(void)text_escape(safe, sizeof(safe), s);
	return json_string(safe);
}

static json_t *row_object(const struct cj_plan_row *row)
{
	return json_pack("{s:s, s:o, s:s, s:o, s:s?, s:b}", "step", row->step, "object",
			 text(row->object), "action", row->action, "reason", text(row->reason),
			 "needs", row->needs, "lacking", row->lacking ? 1 : 0);
}

static void free_json(json_t **json)
{
	json_decref(*json);
}

static int print_json(const struct cli *cli, const struct cj_plan *plan,
		      const struct cj_plan_row *rows, size_t n)
{
	_cleanup_(free_json) json_t *top = json_object();
	json_t *steps = json_array(), *command = json_array();

	for (const char *const *arg = cj_plan_argv(plan); *arg; arg++)
		(void)json_array_append_new(command, text(*arg));
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(steps, row_object(&rows[i]));
	if (json_object_set_new(top, "target", text(cli->target)) < 0 ||
	    json_object_set_new(top, "command", command) < 0 ||
	    json_object_set_new(top, "steps", steps) < 0 || json_array_size(steps) != n)
		return -ENOMEM;
	if (json_dumpf(top, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) < 0)
		return -EIO;
	(void)putchar('\n');
	return 0;
}

int print_plan(const struct cli *cli, const struct cj_plan *plan, bool json)
{
	struct cj_error err = CJ_ERROR_INIT;
	const struct cj_plan_row *rows;
	size_t n;
	int r;

	rows = cj_plan_rows(plan, &n);
	r = json ? print_json(cli, plan, rows, n) : print_table(rows, n);
	if (r < 0) {
		(void)cj_fail(&err, -r, "print the plan");
		return cli_error(cli, &err);
	}
	return cli_finish(cli, 0);
}
