/* SPDX-License-Identifier: MIT
 *
 * What is behind the public struct cj_list, and who makes its parts.
 * Not here: which processes belong together (list_group.h).
 */
#pragma once

#include <conjoin/list.h>

#include "lib/list_group.h"
#include "sys/capabilities.h"
#include "sys/cgroup.h"
#include "sys/nsholders.h"
#include "sys/scan.h"

enum { LIST_SPECIAL_MAX = 8 };

/* A row with the texts that it owns. */
struct list_row {
	struct cj_list_target target;
	char *engine_id, *engine_name;
	struct container told;
	const char *known[LIST_KNOWN_MAX + 1];
	char comm[64], handle[48];
	uint64_t start;
	char special_text[LIST_SPECIAL_MAX][64];
	const char *special[LIST_SPECIAL_MAX];
};

struct cj_list {
	struct list_row *rows;
	size_t n_rows;
	struct cj_list_namespace *namespaces; /* their texts are owned */
	size_t n_namespaces;
	size_t unread;
	int unread_errno;
};

/* What rows are compared with. */
struct list_context {
	const struct cj_list_options *options;
	struct list_group group;
	struct cgroup_mounts mounts;
	struct capability_sets own;
	uint64_t uptime; /* clock ticks */
	uint64_t ticks;	 /* a second */
};

#define LIST_CONTEXT_INIT {.group = LIST_GROUP_INIT, .mounts = CGROUP_MOUNTS_INIT}

/*
 * Reads the rest about target `i`, of the process that stands for it: 1, or 0 when nobody is left who
 * could. Never of a process that has got its PID since.
 */
int list_row_read(struct list_context *context, size_t i, struct list_row *ret);
void list_row_done(struct list_row *row);

/* Specials that depend on other rows. */
void list_rows_compare(struct list_row *rows, size_t n);

/* Gathers, process by process, what may keep namespaces alive. */
struct list_holders {
	struct cj_list_namespace *found;
	size_t n, room;
	struct map seen, sockets, mount_namespaces;
	const char *comm; /* of the process that is being looked at */
};

#define LIST_HOLDERS_INIT {.found = NULL}

/* Mounts of our own mount namespace: to be called first, so that they are told as ours. */
int list_holders_look_here(struct list_holders *holders, int proc,
			   const struct namespaces *namespaces);
int list_holders_look(struct list_holders *holders, int proc, const struct scan_process *process);

/* Moves those of namespaces without processes to the list. */
int list_holders_finish(struct list_holders *holders, const struct list_context *context,
			struct cj_list *list);
void list_holders_done(struct list_holders *holders);
