/* SPDX-License-Identifier: MIT
 *
 * libcontainer's state.json, read for the little that counts of it. Its filter of system calls makes it
 * 30 KB, and a tree of all that took as long as the rest of a listing.
 * Not here: files (state.h).
 */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct state_text {
	uint64_t pid, start; /* init_process_pid, init_process_start */
	char bundle[PATH_MAX]; /* behind "bundle=" of the first label of config's that begins so, or "" */
};

/* EINVAL: it isn't JSON, or tells no process. */
int state_text_read(const char *text, size_t size, struct state_text *ret);

/*
 * Its first and quick part: no heap, and time linear in `size`. What is of use is read strictly, the rest is
 * skipped by its quotes and brackets.
 *
 *	EINVAL	it isn't as libcontainer writes it; a parser may make something of it
 */
int state_text_scan(const char *text, size_t size, struct state_text *ret);

#ifdef __cplusplus
}
#endif
