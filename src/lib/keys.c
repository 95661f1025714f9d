/* SPDX-License-Identifier: MIT */
#include "lib/keys.h"

#include <string.h>

/*
 * One key more: how many of those held back are none of the sequence's beginning after all. "aab" isn't missed in "aaab": what is
 * left may still be one.
 */
static size_t take(struct keys *keys, unsigned char key)
{
	unsigned char held[KEYS_MAX + 1];
	size_t n = keys->matched, skip = 0;

	memcpy(held, keys->sequence, n);
	held[n++] = key;
	while (memcmp(held + skip, keys->sequence, n - skip) != 0)
		skip++; /* at the latest when nothing is left */
	keys->matched = n - skip;
	keys->complete = keys->matched == keys->size;
	return skip;
}

size_t keys_pass(struct keys *keys, char *buf, size_t n)
{
	size_t before = keys->matched, out = 0;

	if (keys->size == 0)
		return n;
	if (n == 0) {
		memcpy(buf, keys->sequence, before);
		keys->matched = 0;
		return before;
	}
	/* Together with what was held back it's one text: what goes is always a beginning of that. */
	memmove(buf + before, buf, n);
	memcpy(buf, keys->sequence, before);
	for (size_t i = before; i < before + n && !keys->complete; i++)
		out += take(keys, (unsigned char)buf[i]);
	return out;
}
