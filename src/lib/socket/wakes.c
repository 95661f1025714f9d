/* SPDX-License-Identifier: MIT */
#include "lib/socket/wakes.h"

#include <errno.h>
#include <stdlib.h>

#include "base/grow.h"

int wakes_prepare(struct wakes *wakes)
{
	void *heap = wakes->heap;

	if (!array_grow(&heap, sizeof(struct wake *), &wakes->room, wakes->n + 1))
		return -ENOMEM;
	wakes->heap = heap;
	return 0;
}

static void put(struct wakes *wakes, size_t place, struct wake *wake)
{
	wakes->heap[place - 1] = wake;
	wake->place = place;
}

static void rise(struct wakes *wakes, size_t place, struct wake *wake)
{
	while (place > 1 && wakes->heap[place / 2 - 1]->when > wake->when) {
		put(wakes, place, wakes->heap[place / 2 - 1]);
		place /= 2;
	}
	put(wakes, place, wake);
}

static void sink(struct wakes *wakes, size_t place, struct wake *wake)
{
	for (size_t child; (child = 2 * place) <= wakes->n; place = child) {
		if (child < wakes->n && wakes->heap[child]->when < wakes->heap[child - 1]->when)
			child++;
		if (wakes->heap[child - 1]->when >= wake->when)
			break;
		put(wakes, place, wakes->heap[child - 1]);
	}
	put(wakes, place, wake);
}

void wakes_set(struct wakes *wakes, struct wake *wake, int64_t when)
{
	int64_t before = wake->when;

	wake->when = when;
	if (wake->place == 0)
		rise(wakes, ++wakes->n, wake);
	else if (when < before)
		rise(wakes, wake->place, wake);
	else
		sink(wakes, wake->place, wake);
}

void wakes_remove(struct wakes *wakes, struct wake *wake)
{
	size_t place = wake->place;
	struct wake *last;

	if (place == 0)
		return;
	wake->place = 0;
	last = wakes->heap[--wakes->n];
	if (last == wake)
		return;
	last->place = place;
	if (last->when < wake->when)
		rise(wakes, place, last);
	else
		sink(wakes, place, last);
}

struct wake *wakes_first(const struct wakes *wakes)
{
	return wakes->n > 0 ? wakes->heap[0] : NULL;
}

void wakes_done(struct wakes *wakes)
{
	free(wakes->heap);
	*wakes = (struct wakes)WAKES_INIT;
}
