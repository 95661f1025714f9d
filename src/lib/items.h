/* SPDX-License-Identifier: MIT
 *
 * Making an inspection: items are added one by one, in the order in which they are shown.
 * Not here: what they are about (inspect.c), comparing them (inspect_diff.c).
 */
#pragma once

#include <stdbool.h>

#include <conjoin/inspect.h>

struct cj_inspection {
	struct cj_item *items;
	size_t n, room;
	void **owned; /* what items point to */
	size_t n_owned, owned_room;
	bool out_of_memory; /* noted by those below, checked once at the end */

	/* What the next items belong to. */
	const char *section, *object;
	bool compared;
};

/* The following items are of that section and object; they are compared unless said otherwise. */
void items_of(struct cj_inspection *to, const char *section, const char *object);
/* The following items are not compared. */
void items_not_compared(struct cj_inspection *to);

/* Copied; NULL is an item that is empty. */
void item_text(struct cj_inspection *to, const char *field, const char *text);
void item_number(struct cj_inspection *to, const char *field, int64_t number);
void item_bool(struct cj_inspection *to, const char *field, bool value);
/* A copy of `n` texts. */
void item_list(struct cj_inspection *to, const char *field, const char *const *texts, size_t n);
/* Texts that stand one after the other, each ended by a NUL; the last NUL may be missing. */
void item_strings(struct cj_inspection *to, const char *field, const char *bytes, size_t size);
void item_unread(struct cj_inspection *to, const char *field, int code);

/* A copy that lives as long as the inspection; "" when memory is out. */
const char *items_copy(struct cj_inspection *to, const char *text);
