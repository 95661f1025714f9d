/* SPDX-License-Identifier: MIT
 *
 * What the attacker on `conjoin debug` knows: whom it attacks (attacker-debug.c), and by which ways
 * (attacker-debug-ways.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct victim {
	pid_t pid;
	int proc;	    /* its directory in /proc */
	const char *marker; /* a file that only the host has, absolute */
	bool meant;	    /* it's what the test has started, for sure */
};

struct way {
	const char *name;
	bool (*open)(const struct victim *v);
	bool by_number; /* which means somebody else, or nobody, in a nested pid namespace */
};

extern const struct way ways[];
extern const size_t n_ways;
