/* SPDX-License-Identifier: MIT */
#include "base/grow.h"

#include <stdlib.h>

bool array_grow(void **array, size_t size, size_t *room, size_t wanted)
{
	size_t more = *room ? *room : 64;
	void *grown;

	if (wanted <= *room)
		return true;
	while (more < wanted)
		more *= 2;
	grown = reallocarray(*array, more, size);
	if (!grown)
		return false;
	*array = grown;
	*room = more;
	return true;
}
