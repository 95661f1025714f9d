/* SPDX-License-Identifier: MIT
 *
 * Keys that are meant for the supervisor, found among those for the command.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { KEYS_MAX = 32 };

/* A sequence that is looked for. `size` of 0: none. */
struct keys {
	unsigned char sequence[KEYS_MAX];
	size_t size;
	size_t matched; /* so many of them were the newest keys: held back */
	bool complete;	/* what comes after that is nobody's */
};

/*
 * Looks through `n` bytes that were read and leaves in `buf`, which has room for KEYS_MAX more, what goes to the command by now:
 * how many. `n` of 0: no more will come, what was held back goes as well.
 */
size_t keys_pass(struct keys *keys, char *buf, size_t n);
