/* SPDX-License-Identifier: MIT */
#include "cli/print_items.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"

static const char *errno_name(int code)
{
	return strerrorname_np(code) ?: "error";
}

static void write_list(const struct cj_item *item, FILE *to)
{
	for (size_t i = 0; i < item->n; i++)
		(void)fprintf(to, "%s%s", i ? " " : "", item->list[i]);
	if (item->n == 0)
		(void)fputs("none", to);
}

static void write_item(const struct cj_item *item, FILE *to)
{
	switch (item->kind) {
	case CJ_ITEM_TEXT:
		(void)fputs(item->text, to);
		break;
	case CJ_ITEM_NUMBER:
		(void)fprintf(to, "%lld", (long long)item->number);
		break;
	case CJ_ITEM_BOOL:
		(void)fputs(item->number ? "yes" : "no", to);
		break;
	case CJ_ITEM_LIST:
		write_list(item, to);
		break;
	case CJ_ITEM_UNREAD:
		(void)fprintf(to, "unreadable: %s", errno_name(item->unread));
		break;
	}
}

char *item_to_text(const struct cj_item *item)
{
	char *text = NULL;
	size_t size;
	FILE *to;

	if (!item)
		return strdup("-");
	to = open_memstream(&text, &size);
	if (!to)
		return NULL;
	write_item(item, to);
	if (fclose(to) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

json_t *json_text(const char *text)
{
	_cleanup_free_ char *safe = NULL;
	json_t *plain = json_string(text);
	size_t size;

	if (plain)
		return plain;
	size = 4 * strlen(text) + 1; /* \xNN each, at worst */
	safe = malloc(size);
	if (!safe)
		return NULL;
	(void)text_escape(safe, size, text);
	return json_string(safe);
}

static json_t *list_to_json(const struct cj_item *item)
{
	json_t *array = json_array();

	for (size_t i = 0; i < item->n; i++)
		if (json_array_append_new(array, json_text(item->list[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

json_t *item_to_json(const struct cj_item *item)
{
	if (!item)
		return json_null();
	switch (item->kind) {
	case CJ_ITEM_TEXT:
		return json_text(item->text);
	case CJ_ITEM_NUMBER:
		return json_integer(item->number);
	case CJ_ITEM_BOOL:
		return json_boolean(item->number);
	case CJ_ITEM_LIST:
		return list_to_json(item);
	case CJ_ITEM_UNREAD:
		break;
	}
	return json_pack("{s:s}", "unreadable", errno_name(item->unread));
}

char *item_name(const char *section, const char *object, const char *field)
{
	char *name;

	if (asprintf(&name, "%s%s%s.%s", section, object[0] ? "." : "", object, field) < 0)
		return NULL;
	return name;
}

int json_print(json_t *document)
{
	int r = document && json_dumpf(document, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) == 0 &&
				putchar('\n') != EOF
			? 0
			: -ENOMEM;

	json_decref(document);
	return r;
}
