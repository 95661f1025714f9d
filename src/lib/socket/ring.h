/* SPDX-License-Identifier: MIT
 *
 * Rings: lists whose links lie in what they connect, so that nothing is allocated for one, and what is linked leaves its ring at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ring {
	struct ring *before, *behind;
};

#define RING_OWNER(link, type, member)                                                             \
	((type *)(void *)((char *)(link) - __builtin_offsetof(type, member)))

/* A ring of nobody else; also what isn't linked is one. */
static inline void ring_init(struct ring *ring)
{
	ring->before = ring->behind = ring;
}

static inline bool ring_is_empty(const struct ring *ring)
{
	return ring->behind == ring;
}

/* Fine on one that isn't linked. */
static inline void ring_leave(struct ring *link)
{
	link->before->behind = link->behind;
	link->behind->before = link->before;
	ring_init(link);
}

/* To the end of `ring`, wherever it was. */
static inline void ring_move(struct ring *ring, struct ring *link)
{
	ring_leave(link);
	link->before = ring->before;
	link->behind = ring;
	ring->before->behind = link;
	ring->before = link;
}

/* All of `from` to the end of `ring`. */
static inline void ring_move_all(struct ring *ring, struct ring *from)
{
	if (ring_is_empty(from))
		return;
	from->behind->before = ring->before;
	ring->before->behind = from->behind;
	from->before->behind = ring;
	ring->before = from->before;
	ring_init(from);
}
