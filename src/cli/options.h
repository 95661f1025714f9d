/* SPDX-License-Identifier: MIT
 *
 * Options as one table: parsing, --help, the man page's check and the completions rest on it.
 */
#pragma once

#include <stddef.h>

#include "cli/cli.h"

enum option_kind {
	OPTION_HEADING,	 /* a line in --help between groups */
	OPTION_FLAG,	 /* sets a bool */
	OPTION_TEXT,	 /* keeps a const char * */
	OPTION_LIST,	 /* adds to a struct text_list */
	OPTION_TERMINAL, /* -t, -T: sets an enum terminal_choice to `value` */
	OPTION_HELP,
};

struct option_row {
	char letter; /* 0: none */
	const char *name;
	const char *argument; /* "LIST"; NULL: takes none */
	const char *help;
	enum option_kind kind;
	size_t offset; /* of the field, in the command's struct */
	int value;
	enum { OPTION_SHOWN, OPTION_ALIAS } shown; /* an alias is left out of --help */
};

/* NULL-ended; the strings are argv's own. */
struct text_list {
	const char **items;
	size_t n;
};

void text_list_add(struct text_list *list, const char *item);
void text_list_done(struct text_list *list);

/*
 * Parses the options before the first operand into the fields of `fields`. Returns the index of that
 * operand in argv, or -1 after an error that was printed, or -2 after --help was.
 */
int options_parse(const struct cli *cli, const struct option_row *rows, size_t n, const char *usage,
		  int argc, char **argv, void *fields);
