/* SPDX-License-Identifier: MIT
 *
 * Processes with their numbers, as a tree or a list for people, and as JSON for programs.
 * Not here: which processes (pids.c).
 */
#pragma once

#include <stdbool.h>

#include <conjoin/pids.h>

enum { PIDS_COLUMNS_MAX = 16 };

struct pids_format {
	bool json, flat, no_headings;
	int columns[PIDS_COLUMNS_MAX]; /* none: those that the processes call for */
	int n_columns;
};

/* "host,inside". -EINVAL: no such column, or too many. */
int pids_columns_parse(const char *text, struct pids_format *format);

/* Their names, with commas between. */
const char *pids_columns_all(void);

/* Do the columns need command lines? */
bool pids_format_has_commands(const struct pids_format *format);

/* Prints; 0 or -ENOMEM. */
int print_pids(const struct cj_pids *pids, const struct pids_format *format);
