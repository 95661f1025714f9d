/* SPDX-License-Identifier: MIT
 *
 * What the inspect*.c files share.
 */
#pragma once

#include <conjoin/engine.h>

#include "lib/identity.h"
#include "lib/items.h"
#include "sys/pidref.h"

/* What all sections read from. */
struct view {
	const struct pidref *ref;
	struct identity is, ours;
	struct cgroup_mounts mounts;
	int unread_mounts;
	const struct cj_container *container; /* NULL: no engine named it */
};

/* Credentials, capabilities, limits, scheduling, attributes. inspect_properties.c */
void add_properties(struct cj_inspection *to, const struct view *view, bool environment);

/* A number, or "unlimited" for what is more than a number can say. */
void limit_item(struct cj_inspection *to, const char *field, uint64_t value);
