/* SPDX-License-Identifier: MIT
 *
 * Where inspections differ.
 * Not here: showing it (the program's business), and what is compared (the items say so).
 */
#include <conjoin/inspect.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct cj_differences {
	struct cj_difference *list;
	size_t n, room;
	const struct cj_item **items; /* all rows' items, one after the other */
	size_t inspections;
};

void cj_differences_free(struct cj_differences *differences)
{
	if (!differences)
		return;
	free(differences->list);
	free(differences->items);
	free(differences);
}

size_t cj_differences_count(const struct cj_differences *differences)
{
	return differences->n;
}

const struct cj_difference *cj_differences_at(const struct cj_differences *differences, size_t i)
{
	return &differences->list[i];
}

static int compare_names(const struct cj_item *a, const struct cj_item *b)
{
	int r = strcmp(a->section, b->section);

	if (r == 0)
		r = strcmp(a->object, b->object);
	return r ? r : strcmp(a->field, b->field);
}

/* An item, and where it comes from. */
struct entry {
	const struct cj_item *item;
	size_t inspection, index;
	size_t occurrence; /* of that name in that inspection: a variable can be set twice */
};

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = compare_names(x->item, y->item);

	if (r)
		return r;
	if (x->occurrence != y->occurrence)
		return x->occurrence < y->occurrence ? -1 : 1;
	if (x->inspection != y->inspection)
		return x->inspection < y->inspection ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* The entries are sorted, with all occurrences 0 as yet. */
static void count_occurrences(struct entry *entries, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (entries[i].inspection == entries[i - 1].inspection &&
		    compare_names(entries[i].item, entries[i - 1].item) == 0)
			entries[i].occurrence = entries[i - 1].occurrence + 1;
}

static bool same_list(const struct cj_item *a, const struct cj_item *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->list[i], b->list[i]) != 0)
			return false;
	return true;
}

int cj_items_equal(const struct cj_item *a, const struct cj_item *b)
{
	if (!a || !b || a->kind != b->kind)
		return 0;
	switch (a->kind) {
	case CJ_ITEM_TEXT:
		return strcmp(a->text, b->text) == 0;
	case CJ_ITEM_NUMBER:
	case CJ_ITEM_BOOL:
		return a->number == b->number;
	case CJ_ITEM_LIST:
		return same_list(a, b);
	case CJ_ITEM_UNREAD:
		break;
	}
	return 0;
}

static bool is_wanted(const struct cj_item *item, const char *const *only)
{
	if (!item->compared)
		return false;
	if (!only)
		return true;
	for (; *only; only++)
		if (strcmp(item->section, *only) == 0)
			return true;
	return false;
}

/* All compared items, those of a name together. */
static size_t collect(struct cj_inspection *const *inspections, size_t n, const char *const *only,
		      struct entry *to)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		size_t items = cj_inspection_count(inspections[i]);

		for (size_t k = 0; k < items; k++) {
			const struct cj_item *item = cj_inspection_item(inspections[i], k);

			if (!is_wanted(item, only))
				continue;
			if (to)
				to[count] = (struct entry){item, i, k, 0};
			count++;
		}
	}
	if (to && count > 0) {
		qsort(to, count, sizeof(*to), by_name);
		count_occurrences(to, count);
		qsort(to, count, sizeof(*to), by_name);
	}
	return count;
}

/* The rows in the order of the first inspection that has them: by_name() has taken that away. */
static int by_place(const void *a, const void *b)
{
	const struct cj_difference *x = a, *y = b;
	size_t i = 0, k = 0;

	while (!x->items[i])
		i++;
	while (!y->items[k])
		k++;
	if (i != k)
		return i < k ? -1 : 1;
	return x->items[i] < y->items[k] ? -1 : x->items[i] > y->items[k];
}

static void add_row(struct cj_differences *to, const struct entry *entries, size_t n)
{
	const struct cj_item **items = to->items + to->n * to->inspections;
	bool equal = true;

	for (size_t i = 0; i < n; i++)
		items[entries[i].inspection] = entries[i].item;
	for (size_t i = 1; i < to->inspections; i++)
		equal &= cj_items_equal(items[0], items[i]) != 0;
	to->list[to->n++] = (struct cj_difference){
		.section = entries[0].item->section,
		.object = entries[0].item->object,
		.field = entries[0].item->field,
		.same = equal,
		.items = items,
	};
}

/* How many entries from the first on are of one row. */
static size_t same_row(const struct entry *entries, size_t n)
{
	size_t length = 1;

	while (length < n && compare_names(entries[length].item, entries[0].item) == 0 &&
	       entries[length].occurrence == entries[0].occurrence)
		length++;
	return length;
}

/* An inspection may have no item of a section: an empty environment. */
static bool is_section(const char *name)
{
	static const char *const sections[] = {"process",    "namespaces",  "user",
					       "cgroups",    "usage",	    "root",
					       "cwd",	     "credentials", "capabilities",
					       "limits",     "scheduling",  "attributes",
					       "environment"};

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (strcmp(sections[i], name) == 0)
			return true;
	return false;
}

static int check_only(struct cj_inspection *const *inspections, size_t n, const char *const *only,
		      struct cj_error *err)
{
	for (; only && *only; only++) {
		const char *const one[] = {*only, NULL};

		if (!is_section(*only) && collect(inspections, n, one, NULL) == 0)
			return cj_fail(err, EINVAL, "compare \"%s\", which is no section", *only);
	}
	return 0;
}

int cj_inspections_diff(struct cj_inspection *const *inspections, size_t n, const char *const *only,
			struct cj_differences **ret, struct cj_error *err)
{
	struct cj_differences *differences;
	_cleanup_free_ struct entry *entries = NULL;
	int r = check_only(inspections, n, only, err);
	size_t count;

	if (r < 0)
		return r;
	count = collect(inspections, n, only, NULL);
	differences = calloc(1, sizeof(*differences));
	entries = calloc(count + 1, sizeof(*entries));
	if (differences) {
		differences->inspections = n;
		differences->list = calloc(count + 1, sizeof(*differences->list));
		differences->items = calloc((count + 1) * n, sizeof(*differences->items));
	}
	if (!entries || !differences || !differences->list || !differences->items) {
		cj_differences_free(differences);
		return cj_fail(err, ENOMEM, "compare");
	}
	(void)collect(inspections, n, only, entries);
	for (size_t i = 0; i < count;) {
		size_t length = same_row(entries + i, count - i);

		add_row(differences, entries + i, length);
		i += length;
	}
	qsort(differences->list, differences->n, sizeof(*differences->list), by_place);
	*ret = differences;
	return 0;
}
