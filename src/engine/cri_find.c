/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "engine/cri.h"

enum { MAX_ITEMS = 1 << 16 };

static void item_done(struct cri_container *item)
{
	container_done(&item->container);
	free(item->short_name);
	free(item->ns);
	free(item->pod);
	free(item->sandbox);
	*item = (struct cri_container){.is_sandbox = false};
}

int cri_list_add(struct cri_list *list, struct cri_container **ret)
{
	void *items = list->items;

	if (list->n >= MAX_ITEMS)
		return -EFBIG;
	if (!array_grow(&items, sizeof(*list->items), &list->room, list->n + 1))
		return -ENOMEM;
	list->items = items;
	*ret = &list->items[list->n++];
	**ret = (struct cri_container){.is_sandbox = false};
	return 0;
}

void cri_list_remove(struct cri_list *list, size_t i)
{
	item_done(&list->items[i]);
	list->n--;
	memmove(&list->items[i], &list->items[i + 1], (list->n - i) * sizeof(*list->items));
}

void cri_list_done(struct cri_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		item_done(&list->items[i]);
	free(list->items);
	*list = (struct cri_list)CRI_LIST_INIT;
}

/* --- the rules by which a word names one --- */

typedef bool (*rule)(const struct cri_container *item, const struct cri_query *query);

static bool is_text(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static bool is_id(const struct cri_container *item, const struct cri_query *query)
{
	return is_text(item->container.id, query->ref);
}

static bool is_of_pod(const struct cri_container *item, const struct pod_name *name)
{
	if (item->is_sandbox != name->is_sandbox || !is_text(item->pod, name->pod))
		return false;
	if (*name->ns && !is_text(item->ns, name->ns))
		return false;
	return !*name->container || is_text(item->short_name, name->container);
}

static bool is_named(const struct cri_container *item, const struct cri_query *query)
{
	if (query->by_pod && is_of_pod(item, &query->pod))
		return true;
	return !item->is_sandbox && is_text(item->short_name, query->ref);
}

static bool is_begun(const struct cri_container *item, const struct cri_query *query)
{
	return query->ref && item->container.id &&
	       container_id_begins_with(item->container.id, query->ref);
}

static bool has_ended(const struct cri_container *item)
{
	return item->container.state == CONTAINER_STOPPED ||
	       item->container.state == CONTAINER_DEAD;
}

/* Leaves those that are wanted. */
static void keep_wanted(struct cri_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++) {
		if (list->items[i].wanted)
			list->items[kept++] = list->items[i];
		else
			item_done(&list->items[i]);
	}
	list->n = kept;
}

static bool keep_by(struct cri_list *list, const struct cri_query *query, rule fits)
{
	bool any = false;

	for (size_t i = 0; i < list->n; i++) {
		list->items[i].wanted = fits(&list->items[i], query);
		any = any || list->items[i].wanted;
	}
	if (any)
		keep_wanted(list);
	return any;
}

static int compare_texts(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* Of one pod and one name? By the sandbox where Kubernetes has given no names. */
static int compare_places(const struct cri_container *a, const struct cri_container *b)
{
	int r = (int)a->is_sandbox - (int)b->is_sandbox;

	if (r == 0)
		r = compare_texts(a->ns, b->ns);
	if (r == 0)
		r = compare_texts(a->pod, b->pod);
	if (r == 0 && !a->pod)
		r = compare_texts(a->is_sandbox ? a->container.id : a->sandbox,
				  b->is_sandbox ? b->container.id : b->sandbox);
	return r ? r : compare_texts(a->short_name, b->short_name);
}

/* The newest first. Numbers of attempts begin anew when a pod is made anew. */
static int compare_items(const void *left, const void *right)
{
	const struct cri_container *a = left, *b = right;
	int r = compare_places(a, b);

	if (r == 0)
		r = (a->created < b->created) - (a->created > b->created);
	return r ? r : (a->attempt < b->attempt) - (a->attempt > b->attempt);
}

/* What is known from disk has no age, but what has a process there is no predecessor. */
static bool is_older(const struct cri_container *item, const struct cri_container *newest)
{
	return compare_places(item, newest) == 0 &&
	       (item->created || newest->created || has_ended(item));
}

static void keep_newest(struct cri_list *list)
{
	if (list->n < 2)
		return;
	qsort(list->items, list->n, sizeof(*list->items), compare_items);
	list->items[0].wanted = true;
	for (size_t i = 1; i < list->n; i++)
		list->items[i].wanted = !is_older(&list->items[i], &list->items[i - 1]);
	keep_wanted(list);
}

static void keep_living(struct cri_list *list)
{
	bool any = false;

	for (size_t i = 0; i < list->n; i++) {
		list->items[i].wanted = !has_ended(&list->items[i]);
		any = any || list->items[i].wanted;
	}
	if (any)
		keep_wanted(list);
}

bool cri_query_may_be(const struct cri_query *query, const char *id)
{
	/* A whole id is 64 digits in every runtime there is, and nothing else is that long. */
	return !query->ref || query->by_pod || strlen(query->ref) < 64 ||
	       strcmp(query->ref, id) == 0;
}

bool cri_list_is_named(const struct cri_list *list, const struct cri_query *query)
{
	for (size_t i = 0; i < list->n; i++)
		if (is_id(&list->items[i], query) || is_named(&list->items[i], query))
			return true;
	return false;
}

void cri_list_match(struct cri_list *list, const struct cri_query *query)
{
	if (query->all) {
		for (size_t i = 0; i < list->n; i++)
			list->items[i].wanted = !has_ended(&list->items[i]);
		keep_wanted(list);
		return;
	}
	if (keep_by(list, query, is_id))
		return;
	if (keep_by(list, query, is_named)) {
		keep_newest(list);
		keep_living(list);
		return;
	}
	if (!keep_by(list, query, is_begun))
		cri_list_done(list);
}

/* --- what they are called --- */

static int set_name(struct cri_container *item)
{
	struct container *container = &item->container;

	if (!item->ns || !item->pod) {
		container->scheme = "cri";
		return container_set(&container->name, item->short_name);
	}
	container->scheme = "k8s";
	free(container->name);
	if (asprintf(&container->name, "%s/%s/%s", item->ns, item->pod,
		     item->is_sandbox || !item->short_name ? "" : item->short_name) < 0) {
		container->name = NULL;
		return -ENOMEM;
	}
	return 0;
}

int cri_list_give(struct cri_list *list, struct source *source)
{
	for (size_t i = 0; i < list->n; i++) {
		struct cri_container *item = &list->items[i];
		struct container *to;

		if (set_name(item) < 0)
			return -ENOMEM;
		to = containers_add(&source->found);
		if (!to)
			return -ENOMEM;
		item->container.owner = source->owner;
		*to = item->container;
		item->container = (struct container){.scheme = NULL};
	}
	return 0;
}
