/* SPDX-License-Identifier: MIT */
#include "cli/print_pids.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/table.h"

/*
 * What fits a cell. Command lines are cut for people, not for programs; a tree is drawn no deeper, or a
 * chain of processes would cost the square of its length.
 */
enum { CELL_SIZE = 8192, COMMAND_SHOWN = 4096, DEPTH_SHOWN = 32 };

/* A cell that is being written; what doesn't fit is cut. */
struct cell {
	char text[CELL_SIZE];
	size_t n;
};

static void put_bytes(struct cell *cell, const char *bytes, size_t n)
{
	if (n > sizeof(cell->text) - 1 - cell->n)
		n = sizeof(cell->text) - 1 - cell->n;
	memcpy(cell->text + cell->n, bytes, n);
	cell->n += n;
	cell->text[cell->n] = '\0';
}

static void put(struct cell *cell, const char *text)
{
	put_bytes(cell, text, strlen(text));
}

static void put_number(struct cell *cell, pid_t number)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", number);
	put(cell, text);
}

/* Where each process is in the tree. */
struct shape {
	size_t *depth;
	bool *is_last; /* of its parent's children */
};

static void shape_done(struct shape *shape)
{
	free(shape->depth);
	free(shape->is_last);
}

static int shape_init(struct shape *shape, const struct cj_pids *pids)
{
	size_t n = cj_pids_count(pids);
	_cleanup_free_ bool *has_last = calloc(n + 1, sizeof(*has_last));

	shape->depth = calloc(n + 1, sizeof(*shape->depth));
	shape->is_last = calloc(n + 1, sizeof(*shape->is_last));
	if (!has_last || !shape->depth || !shape->is_last)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		size_t parent = cj_pids_at(pids, i)->parent;

		shape->depth[i] = parent == CJ_PIDS_NONE ? 0 : shape->depth[parent] + 1;
	}
	for (size_t i = n; i-- > 0;) {
		size_t parent = cj_pids_at(pids, i)->parent;

		if (parent == CJ_PIDS_NONE)
			continue;
		shape->is_last[i] = !has_last[parent];
		has_last[parent] = true;
	}
	return 0;
}

/* --- columns --- */

static void put_host(struct cell *cell, const struct cj_pid *pid)
{
	put_number(cell, pid->host);
}

static void put_inside(struct cell *cell, const struct cj_pid *pid)
{
	put_number(cell, pid->inside);
}

static void put_levels(struct cell *cell, const struct cj_pid *pid)
{
	for (size_t i = 0; i < pid->n_levels; i++) {
		put(cell, i ? "," : "");
		put_number(cell, pid->levels[i]);
	}
}

static void put_state(struct cell *cell, const struct cj_pid *pid)
{
	put_bytes(cell, &pid->state, 1);
}

static void put_name(struct cell *cell, const struct cj_pid *pid)
{
	put(cell, pid->name);
}

static const char *error_name(int code)
{
	const char *name = strerrorname_np(code);

	return name ? name : "unknown";
}

/* One of a command line's words, up to where it is cut: between characters. Returns whether it was. */
static bool put_word(struct cell *cell, const char *word, size_t end)
{
	size_t n = strlen(word), room = end - cell->n;

	if (n > room) {
		n = room;
		while (n > 0 && (word[n] & 0xc0) == 0x80)
			n--;
		put_bytes(cell, word, n);
		return true;
	}
	put_bytes(cell, word, n);
	return false;
}

static void put_command(struct cell *cell, const struct cj_pid *pid)
{
	size_t end = cell->n + COMMAND_SHOWN, n = pid->n_command;
	bool cut = pid->truncated;

	/* Programs that write over their command line leave empty words behind it. */
	while (n > 1 && !pid->command[n - 1][0])
		n--;
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			put(cell, " ");
		if (cell->n >= end || put_word(cell, pid->command[i], end)) {
			cut = true;
			break;
		}
	}
	if (n == 0) {
		put(cell, "[");
		put(cell, pid->name);
		put(cell, "]");
	}
	if (pid->unread) {
		put(cell, " (unreadable: ");
		put(cell, error_name(pid->unread));
		put(cell, ")");
	}
	put(cell, cut ? " …" : "");
}

enum column { HOST, INSIDE, LEVELS, STATE, NAME, COMMAND };

static const struct {
	const char *name, *heading;
	void (*put)(struct cell *cell, const struct cj_pid *pid);
} columns[] = {
	[HOST] = {"host", "HOST", put_host},
	[INSIDE] = {"inside", "INSIDE", put_inside},
	[LEVELS] = {"levels", "LEVELS", put_levels},
	[STATE] = {"state", "STATE", put_state},
	[NAME] = {"name", "NAME", put_name},
	[COMMAND] = {"command", "COMMAND", put_command},
};

static int find_column(const char *name, size_t length)
{
	for (size_t i = 0; i < ELEMENTS(columns); i++)
		if (strlen(columns[i].name) == length && memcmp(columns[i].name, name, length) == 0)
			return (int)i;
	return -EINVAL;
}

int pids_columns_parse(const char *text, struct pids_format *format)
{
	for (;;) {
		size_t length = strcspn(text, ",");
		int column = find_column(text, length);

		if (column < 0 || format->n_columns == PIDS_COLUMNS_MAX)
			return -EINVAL;
		format->columns[format->n_columns++] = column;
		if (!text[length])
			return 0;
		text += length + 1;
	}
}

const char *pids_columns_all(void)
{
	return "host,inside,levels,state,name,command";
}

static bool has_column(const struct pids_format *format, int column)
{
	for (int i = 0; i < format->n_columns; i++)
		if (format->columns[i] == column)
			return true;
	return false;
}

bool pids_format_has_commands(const struct pids_format *format)
{
	return format->json || format->n_columns == 0 || has_column(format, COMMAND);
}

/* --- for people --- */

/* LEVELS is there when it tells more than the two numbers beside it. */
static void choose_columns(struct pids_format *format, const struct cj_pids *pids)
{
	bool nested = false;

	if (format->n_columns > 0)
		return;
	for (size_t i = 0; i < cj_pids_count(pids); i++) {
		const struct cj_pid *pid = cj_pids_at(pids, i);

		nested |= pid->n_levels > 2 || pid->levels[pid->n_levels - 1] != pid->inside;
	}
	format->columns[format->n_columns++] = HOST;
	format->columns[format->n_columns++] = INSIDE;
	if (nested)
		format->columns[format->n_columns++] = LEVELS;
	format->columns[format->n_columns++] = COMMAND;
}

/* `more[d]`: the process at depth d above this one has sisters yet to come. */
static void put_branches(struct cell *cell, size_t depth, bool is_last, bool more[DEPTH_SHOWN])
{
	size_t drawn = depth < DEPTH_SHOWN ? depth : DEPTH_SHOWN - 1;

	for (size_t d = 1; d < drawn; d++)
		put(cell, more[d] ? "│  " : "   ");
	if (drawn > 0)
		put(cell, is_last ? "└─ " : "├─ ");
	if (drawn < depth)
		put(cell, "… ");
	more[drawn] = !is_last;
}

static int print_table(const struct cj_pids *pids, const struct shape *shape,
		       const struct pids_format *format)
{
	static const char *const none[] = {NULL};
	_cleanup_(table_done) struct table table;
	int tree = format->flat ? -1 : has_column(format, COMMAND) ? COMMAND : NAME;
	bool more[DEPTH_SHOWN] = {false};

	table_init(&table, none); /* headings are a row like any other */
	table.columns = (size_t)format->n_columns;
	for (int i = 0; i < format->n_columns && !format->no_headings; i++)
		table_add(&table, columns[format->columns[i]].heading);
	for (size_t i = 0; i < cj_pids_count(pids); i++) {
		for (int k = 0; k < format->n_columns; k++) {
			int column = format->columns[k];
			struct cell cell = {.n = 0};

			if (column == tree)
				put_branches(&cell, shape->depth[i], shape->is_last[i], more);
			columns[column].put(&cell, cj_pids_at(pids, i));
			table_add(&table, cell.text);
		}
	}
	return table_print(&table, stdout);
}

/* --- for programs --- */

static void free_json(json_t **json)
{
	json_decref(*json);
}

/*
 * What isn't UTF-8, which JSON has to be, is escaped as for a terminal. What is, and could still move a
 * terminal's cursor, is written in JSON's own escapes.
 */
static int print_string(const char *text)
{
	size_t size = 4 * strlen(text) + 1;
	_cleanup_(free_json) json_t *json = json_string(text);
	_cleanup_free_ char *safe = malloc(size);
	size_t flags = JSON_ENCODE_ANY;

	if (!safe)
		return -ENOMEM;
	(void)text_escape(safe, size, text);
	if (!json)
		json = json_string(safe);
	else if (strcmp(safe, text) != 0)
		flags |= JSON_ENSURE_ASCII;
	return !json || json_dumpf(json, stdout, flags) < 0 ? -ENOMEM : 0;
}

static int print_words(const char *const *words, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		(void)fputs(i ? "," : "", stdout);
		r = print_string(words[i]);
	}
	return r;
}

/* Up to where its children follow. */
static int print_object(const struct cj_pids *pids, const struct cj_pid *pid, bool flat)
{
	char state[] = {pid->state, '\0'};
	int r;

	(void)printf("{\"host\":%d,\"inside\":%d,\"levels\":[", pid->host, pid->inside);
	for (size_t i = 0; i < pid->n_levels; i++)
		(void)printf("%s%d", i ? "," : "", pid->levels[i]);
	(void)fputs("],\"state\":", stdout);
	r = print_string(state);
	(void)fputs(",\"name\":", stdout);
	if (r == 0)
		r = print_string(pid->name);
	(void)fputs(",\"command\":[", stdout);
	if (r == 0)
		r = print_words(pid->command, pid->n_command);
	(void)fputs("],", stdout);
	if (pid->truncated)
		(void)fputs("\"truncated\":true,", stdout);
	if (pid->unread)
		(void)printf("\"unreadable\":\"%s\",", error_name(pid->unread));
	if (!flat)
		(void)fputs("\"children\":[", stdout);
	else if (pid->parent == CJ_PIDS_NONE)
		(void)fputs("\"parent\":null", stdout);
	else
		(void)printf("\"parent\":%d", cj_pids_at(pids, pid->parent)->host);
	return r;
}

/*
 * Written as it goes, without recursion: how deep the tree is the container decides, and a library
 * that calls itself a hundred thousand times ends badly.
 */
static int print_json(const struct cj_pids *pids, const struct shape *shape, bool flat)
{
	size_t n = cj_pids_count(pids), open = 0; /* objects whose children are being written */

	(void)putchar('[');
	for (size_t i = 0; i < n; i++) {
		size_t depth = flat ? 0 : shape->depth[i];
		bool first = i == 0 || depth > open - 1;
		int r;

		for (; open > depth; open--)
			(void)fputs(flat ? "}" : "]}", stdout);
		(void)fputs(first ? "\n" : ",\n", stdout);
		r = print_object(pids, cj_pids_at(pids, i), flat);
		if (r < 0)
			return r;
		open++;
	}
	for (; open > 0; open--)
		(void)fputs(flat ? "}" : "]}", stdout);
	(void)puts("\n]");
	return 0;
}

int print_pids(const struct cj_pids *pids, const struct pids_format *format)
{
	_cleanup_(shape_done) struct shape shape = {.depth = NULL};
	struct pids_format chosen = *format;
	int r = shape_init(&shape, pids);

	if (r < 0)
		return r;
	choose_columns(&chosen, pids);
	return format->json ? print_json(pids, &shape, format->flat)
			    : print_table(pids, &shape, &chosen);
}
