/* SPDX-License-Identifier: MIT */
#include "lib/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct map_slot {
	void *key; /* NULL: empty */
	size_t size, value;
	uint64_t hash;
};

enum { FIRST_ROOM = 64 }; /* a power of two, as all that follow */

/* FNV-1a from a secret start, eight bytes at a time, with a final mix (MurmurHash3's). */
static uint64_t hash_of(const struct map *map, const void *key, size_t size)
{
	const unsigned char *at = key;
	uint64_t hash = map->seed ^ size, word;

	for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	for (; size > 0; size--)
		hash = (hash ^ *at++) * UINT64_C(0x100000001b3);
	hash ^= hash >> 33;
	hash *= UINT64_C(0xff51afd7ed558ccd);
	return hash ^ hash >> 33;
}

/* The key's slot, or the empty one where it would be. */
static struct map_slot *find(const struct map *map, uint64_t hash, const void *key, size_t size)
{
	for (size_t i = hash & (map->room - 1);; i = (i + 1) & (map->room - 1)) {
		struct map_slot *slot = &map->slots[i];

		if (!slot->key ||
		    (slot->hash == hash && slot->size == size && memcmp(slot->key, key, size) == 0))
			return slot;
	}
}

size_t map_get(const struct map *map, const void *key, size_t size)
{
	const struct map_slot *slot;

	if (map->n == 0)
		return MAP_NONE;
	slot = find(map, hash_of(map, key, size), key, size);
	return slot->key ? slot->value : MAP_NONE;
}

static int grow(struct map *map)
{
	struct map bigger = {.n = map->n, .room = map->room ? 2 * map->room : FIRST_ROOM};

	bigger.seed = map->seed;
	if (map->room == 0 && getrandom(&bigger.seed, sizeof(bigger.seed), GRND_NONBLOCK) < 0)
		bigger.seed = 0; /* right after boot: slower at worst */
	bigger.slots = calloc(bigger.room, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < map->room; i++) {
		const struct map_slot *slot = &map->slots[i];

		if (slot->key)
			*find(&bigger, slot->hash, slot->key, slot->size) = *slot;
	}
	free(map->slots);
	*map = bigger;
	return 0;
}

int map_put(struct map *map, const void *key, size_t size, size_t value)
{
	struct map_slot *slot;
	uint64_t hash;

	if (2 * map->n >= map->room) {
		int r = grow(map);

		if (r < 0)
			return r;
	}
	hash = hash_of(map, key, size);
	slot = find(map, hash, key, size);
	if (slot->key)
		return 0;
	slot->key = malloc(size + 1); /* never of no size, which may be NULL */
	if (!slot->key)
		return -ENOMEM;
	memcpy(slot->key, key, size);
	slot->size = size;
	slot->value = value;
	slot->hash = hash;
	map->n++;
	return 1;
}

void map_done(struct map *map)
{
	for (size_t i = 0; i < map->room; i++)
		free(map->slots[i].key);
	free(map->slots);
	*map = (struct map)MAP_INIT;
}
