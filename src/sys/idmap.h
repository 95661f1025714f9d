/* SPDX-License-Identifier: MIT
 *
 * Ids across user namespaces: user_namespaces(7), /proc/PID/uid_map.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idmap_range {
	uint32_t inside;
	uint32_t outside; /* as the reader of the file sees it */
	uint32_t count;
};

/* Owned; empty: nothing is mapped. */
struct idmap {
	struct idmap_range *ranges;
	size_t n;
};

#define IDMAP_INIT {.ranges = NULL}

/* `name` is uid_map or gid_map beneath an open /proc/PID. */
int idmap_read(int proc, const char *name, struct idmap *ret);
int idmap_parse(const char *text, struct idmap *ret);
void idmap_done(struct idmap *map);

/* False where the id isn't mapped. */
bool idmap_to_inside(const struct idmap *map, uint32_t outside, uint32_t *ret);
bool idmap_to_outside(const struct idmap *map, uint32_t inside, uint32_t *ret);
