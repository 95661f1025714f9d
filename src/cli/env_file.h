/* SPDX-License-Identifier: MIT
 *
 * Variables that the user gives: -e and --env-file. Entries are NAME=VALUE to set, NAME to remove,
 * as the library takes them.
 */
#pragma once

#include "cli/options.h"

/* NAME=VALUE as it is; NAME alone with the caller's value, or to be removed if it has none. */
int env_option(const char *text, struct text_list *list, struct cj_error *err);

/* A line each, blank ones and those that begin with # left out; as docker's --env-file. */
int env_file_read(const char *path, struct text_list *list, struct cj_error *err);

/* Frees the entries as well. */
void env_list_done(struct text_list *list);
