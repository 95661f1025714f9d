/* SPDX-License-Identifier: MIT
 *
 * What the parts of `conjoin ps` share: what was asked for, and what was found.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/table.h"
#include "cli/engines.h"

struct ps_request {
	struct cj_list_options list;
	const char *engine, *pattern; /* NULL: any */
	const char *namespace, *columns, *watch;
	bool all, no_headings, json, tree, graph, verbose;
	struct engine_choice engines;

	int shown[TABLE_COLUMNS_MAX]; /* columns of the table, in order */
	size_t n_shown;
	uint64_t pause; /* milliseconds between two listings; 0: there's one */
};

/* One look at the machine: a list, and the targets of it that are wanted. */
struct ps_view {
	struct cj_list *list;
	const struct cj_list_target **targets;
	size_t n;
	const struct cj_list_namespace *namespaces;
	size_t n_namespaces;
};

#define PS_VIEW_INIT {.list = NULL}

int ps_view_read(const struct ps_request *request, struct ps_view *ret, struct cj_error *err);
void ps_view_done(struct ps_view *view);

/* "mnt", "net", … */
const char *ps_kind_name(enum cj_namespace_kind kind);
const char *ps_holder_name(enum cj_holder holder);

/* A namespace of a target that another target is in as well. */
struct ps_link {
	enum cj_namespace_kind kind;
	uint64_t inode;
	size_t target;
};

/*
 * All of them that aren't ours (`with_ours`: these, too), by kind and inode. The array is the
 * caller's, who frees it. -ENOMEM
 */
int ps_links(const struct ps_view *view, bool with_ours, struct ps_link **ret, size_t *ret_n);

/* Reads -o. -EINVAL with the text of the error set. */
int ps_columns_parse(struct ps_request *request, struct cj_error *err);

/* 0, or -ENOMEM. */
int ps_print_table(const struct ps_request *request, const struct ps_view *view, FILE *out);
int ps_print_json(const struct ps_view *view, FILE *out);
int ps_print_graph(const struct ps_view *view, bool with_ours, FILE *out);

/* As is asked for. -ENOMEM */
int ps_print(const struct ps_request *request, const struct ps_view *view, FILE *out);

/* "12 processes may not be read…"; false when there is nothing to say. */
bool ps_note(const struct ps_view *view, char *buf, size_t size);

/* Lists until a signal ends it. Returns the exit status. */
int ps_watch(const struct cli *cli, const struct ps_request *request);
