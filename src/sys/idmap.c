/* SPDX-License-Identifier: MIT */
#include "sys/idmap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/proc.h"

enum { FILE_LIMIT = 64 << 10 }; /* 340 ranges at most */

void idmap_done(struct idmap *map)
{
	free(map->ranges);
	*map = (struct idmap)IDMAP_INIT;
}

int idmap_parse(const char *text, struct idmap *ret)
{
	_cleanup_(idmap_done) struct idmap map = IDMAP_INIT;

	while (*text) {
		struct idmap_range range;
		void *grown;

		if (sscanf(text, "%u %u %u", &range.inside, &range.outside, &range.count) != 3)
			return -EBADMSG;
		grown = reallocarray(map.ranges, map.n + 1, sizeof(range));
		if (!grown)
			return -ENOMEM;
		map.ranges = grown;
		map.ranges[map.n++] = range;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	*ret = map;
	map = (struct idmap)IDMAP_INIT;
	return 0;
}

int idmap_read(int proc, const char *name, struct idmap *ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	int r = proc_read(proc, name, FILE_LIMIT, &text);

	return r < 0 ? r : idmap_parse(text.data, ret);
}

bool idmap_to_inside(const struct idmap *map, uint32_t outside, uint32_t *ret)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct idmap_range *range = &map->ranges[i];

		if (outside >= range->outside && outside - range->outside < range->count) {
			*ret = range->inside + (outside - range->outside);
			return true;
		}
	}
	return false;
}

bool idmap_to_outside(const struct idmap *map, uint32_t inside, uint32_t *ret)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct idmap_range *range = &map->ranges[i];

		if (inside >= range->inside && inside - range->inside < range->count) {
			*ret = range->outside + (inside - range->inside);
			return true;
		}
	}
	return false;
}
