/* SPDX-License-Identifier: MIT */
#include "lib/items.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/grow.h"

void cj_inspection_free(struct cj_inspection *inspection)
{
	if (!inspection)
		return;
	for (size_t i = 0; i < inspection->n_owned; i++)
		free(inspection->owned[i]);
	free(inspection->owned);
	free(inspection->items);
	free(inspection);
}

size_t cj_inspection_count(const struct cj_inspection *inspection)
{
	return inspection->n;
}

const struct cj_item *cj_inspection_item(const struct cj_inspection *inspection, size_t i)
{
	return &inspection->items[i];
}

/* Takes the block, and frees it where it can't be kept. */
static void *own(struct cj_inspection *to, void *block)
{
	if (!block || !array_grow((void **)&to->owned, sizeof(*to->owned), &to->owned_room,
				  to->n_owned + 1)) {
		free(block);
		to->out_of_memory = true;
		return NULL;
	}
	to->owned[to->n_owned++] = block;
	return block;
}

const char *items_copy(struct cj_inspection *to, const char *text)
{
	const char *copy = own(to, strdup(text));

	return copy ? copy : "";
}

static void add(struct cj_inspection *to, const char *field, struct cj_item item)
{
	if (!array_grow((void **)&to->items, sizeof(*to->items), &to->room, to->n + 1)) {
		to->out_of_memory = true;
		return;
	}
	item.section = to->section;
	item.object = to->object;
	item.field = field;
	item.compared = to->compared;
	to->items[to->n++] = item;
}

void items_of(struct cj_inspection *to, const char *section, const char *object)
{
	to->section = section;
	to->object = object[0] ? items_copy(to, object) : "";
	to->compared = true;
}

void items_not_compared(struct cj_inspection *to)
{
	to->compared = false;
}

void item_text(struct cj_inspection *to, const char *field, const char *text)
{
	add(to, field,
	    (struct cj_item){.kind = CJ_ITEM_TEXT, .text = text ? items_copy(to, text) : ""});
}

void item_number(struct cj_inspection *to, const char *field, int64_t number)
{
	add(to, field, (struct cj_item){.kind = CJ_ITEM_NUMBER, .number = number});
}

void item_bool(struct cj_inspection *to, const char *field, bool value)
{
	add(to, field, (struct cj_item){.kind = CJ_ITEM_BOOL, .number = value});
}

void item_unread(struct cj_inspection *to, const char *field, int code)
{
	add(to, field, (struct cj_item){.kind = CJ_ITEM_UNREAD, .unread = code});
}

void item_list(struct cj_inspection *to, const char *field, const char *const *texts, size_t n)
{
	const char **list = own(to, calloc(n + 1, sizeof(*list)));

	if (!list)
		return;
	for (size_t i = 0; i < n; i++)
		list[i] = items_copy(to, texts[i]);
	add(to, field, (struct cj_item){.kind = CJ_ITEM_LIST, .list = list, .n = n});
}

void item_strings(struct cj_inspection *to, const char *field, const char *bytes, size_t size)
{
	_cleanup_free_ const char **texts = NULL;
	_cleanup_free_ char *copy = calloc(1, size + 1);
	size_t n = 0, i = 0;

	for (size_t at = 0; at < size; at++)
		n += at == 0 || bytes[at - 1] == '\0';
	texts = calloc(n + 1, sizeof(*texts));
	if (!texts || !copy) {
		to->out_of_memory = true;
		return;
	}
	if (size > 0)
		memcpy(copy, bytes, size);
	for (size_t at = 0; i < n; at += strlen(copy + at) + 1)
		texts[i++] = copy + at;
	item_list(to, field, texts, n);
}
