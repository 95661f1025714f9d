/* SPDX-License-Identifier: MIT */
#include "sys/idmap.h"

#include <errno.h>
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

/* Digits behind blanks, not behind a newline: a short line mustn't eat the next. */
static int take_id(const char **at, uint32_t *ret)
{
	unsigned long long n;
	char *end;

	*at += strspn(*at, " \t");
	if (**at < '0' || **at > '9')
		return -EBADMSG;
	n = strtoull(*at, &end, 10);
	if (n > UINT32_MAX)
		return -EBADMSG;
	*at = end;
	*ret = (uint32_t)n;
	return 0;
}

static int take_range(const char **at, struct idmap_range *ret)
{
	if (take_id(at, &ret->inside) < 0 || take_id(at, &ret->outside) < 0 ||
	    take_id(at, &ret->count) < 0 || (**at && **at != '\n'))
		return -EBADMSG;
	*at += **at == '\n';
	return 0;
}

int idmap_parse(const char *text, struct idmap *ret)
{
	_cleanup_(idmap_done) struct idmap map = IDMAP_INIT;

	while (*text) {
		struct idmap_range range;
		void *grown;

		if (take_range(&text, &range) < 0)
			return -EBADMSG;
		grown = reallocarray(map.ranges, map.n + 1, sizeof(range));
		if (!grown)
			return -ENOMEM;
		map.ranges = grown;
		map.ranges[map.n++] = range;
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
