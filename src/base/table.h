/* SPDX-License-Identifier: MIT
 *
 * Columns for people. Cells are escaped on the way out.
 */
#pragma once

#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 16 };

struct table {
	size_t columns;
	char **cells; /* owned, row by row; a row is `columns` of them */
	size_t n, room;
	int headless; /* the headings aren't printed */
	int failed;   /* a cell couldn't be kept: printing says so */
};

/* `headings` are the first row; NULL-ended, at most TABLE_COLUMNS_MAX. */
void table_init(struct table *table, const char *const *headings);
/* The next cell of the row that is being filled. */
void table_add(struct table *table, const char *text);
/* Prints and returns 0, or -ENOMEM when a cell was lost. The last column is never padded. */
int table_print(const struct table *table, FILE *out);
void table_done(struct table *table);
