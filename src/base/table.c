/* SPDX-License-Identifier: MIT */
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/grow.h"

void table_init(struct table *table, const char *const *headings)
{
	*table = (struct table){.columns = 0};
	while (headings[table->columns] && table->columns < TABLE_COLUMNS_MAX)
		table->columns++;
	for (size_t i = 0; i < table->columns; i++)
		table_add(table, headings[i]);
}

void table_add(struct table *table, const char *text)
{
	size_t size = 4 * strlen(text) + 1;
	char *cell = malloc(size);

	if (!cell || !array_grow((void **)&table->cells, sizeof(*table->cells), &table->room,
				 table->n + 1)) {
		free(cell);
		table->failed = 1;
		return;
	}
	(void)text_escape(cell, size, text);
	table->cells[table->n++] = cell;
}

/* Characters, not bytes: what follows the first byte of a UTF-8 sequence takes no column. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

int table_print(const struct table *table, FILE *out)
{
	size_t widest[TABLE_COLUMNS_MAX] = {0}, first = table->headless ? table->columns : 0;

	if (table->failed)
		return -ENOMEM;
	for (size_t i = first; i < table->n; i++) {
		size_t column = i % table->columns, w = width(table->cells[i]);

		if (w > widest[column])
			widest[column] = w;
	}
	for (size_t i = first; i < table->n; i++) {
		size_t column = i % table->columns;

		(void)fputs(table->cells[i], out); /* a full disk shows at the final flush */
		if (column + 1 == table->columns)
			(void)fputc('\n', out);
		else
			(void)fprintf(out, "%*s",
				      (int)(widest[column] - width(table->cells[i]) + 2), "");
	}
	return 0;
}

void table_done(struct table *table)
{
	for (size_t i = 0; i < table->n; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct table){.columns = 0};
}
