/* SPDX-License-Identifier: MIT
 *
 * Arrays that grow as they are filled.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Makes room for `wanted` elements of `size` bytes in `*array`, which has room for `*room` (NULL and 0 at
 * first): doubled, so that filling one costs linear time. False: memory is out, and both stay as they
 * are. The caller frees the array.
 */
bool array_grow(void **array, size_t size, size_t *room, size_t wanted);
