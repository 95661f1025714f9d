/* SPDX-License-Identifier: MIT
 *
 * When whom to wake: a heap, since many are on their way at a time and each has a time of its own.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Lies in what is woken. */
struct wake {
	int64_t when; /* of clock_ms() */
	size_t place; /* in the heap, from 1 on; 0: in none */
};

#define WAKE_INIT {.when = 0}

struct wakes {
	struct wake **heap;
	size_t n, room;
};

#define WAKES_INIT {.heap = NULL}

/* Makes room for one more, for wakes_set() can't fail. ENOMEM */
int wakes_prepare(struct wakes *wakes);
/* Puts it in, or changes when. */
void wakes_set(struct wakes *wakes, struct wake *wake, int64_t when);
/* Fine on one that isn't in. */
void wakes_remove(struct wakes *wakes, struct wake *wake);
/* The earliest; NULL: there is none. */
struct wake *wakes_first(const struct wakes *wakes);
void wakes_done(struct wakes *wakes);
