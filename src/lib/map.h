/* SPDX-License-Identifier: MIT
 *
 * A map from bytes to a number, for grouping thousands of things in linear time.
 * Not here: removing, and values that need to be freed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot;

/* Owns copies of its keys. All zero but for the seed, which map_put() chooses, is an empty one. */
struct map {
	struct map_slot *slots;
	size_t n, room;
	uint64_t seed; /* names come from containers: nobody outside can make them collide */
};

#define MAP_INIT {.slots = NULL}
#define MAP_NONE SIZE_MAX

/* The value of a key, or MAP_NONE. */
size_t map_get(const struct map *map, const void *key, size_t size);

/*
 * Puts `value` under a key that isn't there yet, and returns 1; where it is there already its value
 * stays, and 0 is returned. -ENOMEM. `value` mustn't be MAP_NONE.
 */
int map_put(struct map *map, const void *key, size_t size, size_t value);

void map_done(struct map *map);
