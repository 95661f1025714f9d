/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

enum { FIRST_LONG = 256, ROWS_MAX = 96, HELP_COLUMN = 30 };

void text_list_add(struct text_list *list, const char *item)
{
	const char **grown = reallocarray(list->items, list->n + 2, sizeof(*grown));

	if (!grown) {
		(void)fputs("conjoin: out of memory\n", stderr);
		exit(EXIT_OURS);
	}
	grown[list->n++] = item;
	grown[list->n] = NULL;
	list->items = grown;
}

void text_list_done(struct text_list *list)
{
	free(list->items);
	*list = (struct text_list){.items = NULL};
}

static void print_row(const struct option_row *row)
{
	char left[80];
	int n;

	if (row->kind == OPTION_HEADING) {
		(void)printf("\n%s:\n", row->help);
		return;
	}
	n = snprintf(left, sizeof(left), "  %c%c%s --%s%s%s", row->letter ? '-' : ' ',
		     row->letter ? row->letter : ' ', row->letter ? "," : " ", row->name,
		     row->argument ? " " : "", row->argument ? row->argument : "");
	if (n >= HELP_COLUMN - 1)
		(void)printf("%s\n%*s%s\n", left, HELP_COLUMN, "", row->help);
	else
		(void)printf("%-*s%s\n", HELP_COLUMN, left, row->help);
}

static void print_help(const struct option_row *rows, size_t n, const char *usage)
{
	(void)puts(usage);
	for (size_t i = 0; i < n; i++)
		if (rows[i].shown != OPTION_ALIAS)
			print_row(&rows[i]);
}

/* getopt_long(3)'s two forms of the table. "+": options stop at the first operand. */
static void make_forms(const struct option_row *rows, size_t n, char *letters, struct option *longs)
{
	*letters++ = '+';
	*letters++ = ':';
	for (size_t i = 0; i < n; i++) {
		if (rows[i].kind == OPTION_HEADING)
			continue;
		if (rows[i].letter) {
			*letters++ = rows[i].letter;
			if (rows[i].argument)
				*letters++ = ':';
		}
		*longs++ = (struct option){rows[i].name,
					   rows[i].argument ? required_argument : no_argument, NULL,
					   FIRST_LONG + (int)i};
	}
	*letters = '\0';
	*longs = (struct option){NULL, 0, NULL, 0};
}

static const struct option_row *find_row(const struct option_row *rows, size_t n, int found)
{
	if (found >= FIRST_LONG)
		return &rows[found - FIRST_LONG];
	for (size_t i = 0; i < n; i++)
		if (rows[i].kind != OPTION_HEADING && rows[i].letter == found)
			return &rows[i];
	return NULL;
}

static void store(const struct option_row *row, void *fields)
{
	char *field = (char *)fields + row->offset;

	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)field = true;
		break;
	case OPTION_TEXT:
		*(const char **)field = optarg;
		break;
	case OPTION_LIST:
		text_list_add((struct text_list *)field, optarg);
		break;
	case OPTION_TERMINAL:
		*(int *)field = row->value;
		break;
	case OPTION_HEADING:
	case OPTION_HELP:
		break;
	}
}

static int complain(const struct cli *cli, int found, char **argv)
{
	const char *word = argv[optind > 1 ? optind - 1 : 1];

	if (found == ':')
		(void)cli_usage(cli, "option %s needs an argument", word);
	else if (optopt >= FIRST_LONG)
		(void)cli_usage(cli, "option %s takes no argument", word);
	else if (optopt)
		(void)cli_usage(cli, "there is no option -%c", optopt);
	else
		(void)cli_usage(cli, "there is no option %s", word);
	return -1;
}

int options_parse(const struct cli *cli, const struct option_row *rows, size_t n, const char *usage,
		  int argc, char **argv, void *fields)
{
	char letters[2 * ROWS_MAX + 3];
	struct option longs[ROWS_MAX + 1];
	int found;

	make_forms(rows, n, letters, longs);
	opterr = 0;
	optind = 1;
	while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_row *row;

		if (found == ':' || found == '?')
			return complain(cli, found, argv);
		row = find_row(rows, n, found);
		if (!row)
			return complain(cli, '?', argv);
		if (row->kind == OPTION_HELP) {
			print_help(rows, n, usage);
			return -2;
		}
		store(row, fields);
	}
	return optind;
}
