/* SPDX-License-Identifier: MIT
 *
 * What a process is, item by item, and where several differ. An item is one fact with a name of three
 * parts, "namespaces" "mnt" "inode"; the names are stable, and conjoin-inspect(1) lists them.
 * Not here: pinning the process (target.h), its process tree (pids.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <conjoin/error.h>
#include <conjoin/target.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cj_item_kind {
	CJ_ITEM_TEXT,	/* `text` */
	CJ_ITEM_NUMBER, /* `number` */
	CJ_ITEM_BOOL,	/* `number`, 0 or 1 */
	CJ_ITEM_LIST,	/* `list`, `n` texts */
	CJ_ITEM_UNREAD, /* nothing but `unread`: why it couldn't be read */
};

/*
 * One fact. Texts come from the process, so they are bytes as they are, NUL-ended, and hostile: escape
 * them before a terminal sees them.
 */
struct cj_item {
	const char *section; /* "namespaces" */
	const char *object;  /* "mnt", or "" where the section has no objects */
	const char *field;   /* "inode" */
	enum cj_item_kind kind;
	int unread; /* errno */
	int64_t number;
	const char *text;
	const char *const *list;
	size_t n;
	int compared; /* 0: not by cj_inspections_diff(): a PID, a start time, what is used now */
};

struct cj_inspect_options {
	size_t size;	 /* sizeof(struct cj_inspect_options) */
	int environment; /* 1: the section "environment", an object a variable; it may hold secrets */
};

#define CJ_INSPECT_OPTIONS_INIT {.size = sizeof(struct cj_inspect_options)}

struct cj_inspection;

/*
 * Reads all of it. What can't be read is an item of kind CJ_ITEM_UNREAD and no failure.
 *
 *	ESRCH	it ended meanwhile
 *	ENOMEM
 *
 * Free with cj_inspection_free(). Items come in a fixed order, those of a section together.
 */
int cj_inspect(const struct cj_target *target, const struct cj_inspect_options *options,
	       struct cj_inspection **ret, struct cj_error *err);
void cj_inspection_free(struct cj_inspection *inspection);

size_t cj_inspection_count(const struct cj_inspection *inspection);
/* Lives as long as the inspection. */
const struct cj_item *cj_inspection_item(const struct cj_inspection *inspection, size_t i);

/* The same value? Not what couldn't be read, and not NULL. */
int cj_items_equal(const struct cj_item *a, const struct cj_item *b);

/* What was compared: an item of each inspection, NULL where one hasn't got it. */
struct cj_difference {
	const char *section, *object, *field;
	int same;
	const struct cj_item *const *items; /* as many as inspections */
};

struct cj_differences;

/*
 * Compares two or more, item by item; those that aren't compared are left out. Where one couldn't be
 * read they don't count as the same. `only`: a NULL-ended list of sections, or NULL for all.
 *
 *	EINVAL	`only` names no section that any of them has; the text names it
 *	ENOMEM
 *
 * The inspections must outlive it. Free with cj_differences_free().
 */
int cj_inspections_diff(struct cj_inspection *const *inspections, size_t n, const char *const *only,
			struct cj_differences **ret, struct cj_error *err);
void cj_differences_free(struct cj_differences *differences);
size_t cj_differences_count(const struct cj_differences *differences);
const struct cj_difference *cj_differences_at(const struct cj_differences *differences, size_t i);

#ifdef __cplusplus
}
#endif
