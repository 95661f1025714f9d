/* SPDX-License-Identifier: MIT
 *
 * Items of an inspection, as text and as JSON.
 */
#pragma once

#include <jansson.h>

#include <conjoin/inspect.h>

/* For people, not escaped yet; the caller frees it. NULL: out of memory. An item that isn't there: "-". */
char *item_to_text(const struct cj_item *item);

/* A new reference. What couldn't be read is {"unreadable": "EACCES"}; one that isn't there is null. */
json_t *item_to_json(const struct cj_item *item);

/* A string for JSON: bytes that aren't UTF-8 are escaped. A new reference. */
json_t *json_text(const char *text);

/* "namespaces.mnt.inode", "process.pid"; the caller frees it. NULL: out of memory. */
char *item_name(const char *section, const char *object, const char *field);

/* Prints a document and frees it. 0, or -ENOMEM where it's NULL or can't be written. */
int json_print(json_t *document);
