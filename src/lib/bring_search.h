/* SPDX-License-Identifier: MIT
 *
 * The search for one library of a program that is brought.
 * Not here: which ones it needs (bring_libraries.c).
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/bring_state.h"

enum { NO_LOADER = -1 };

/* One of what a program has in memory, in the order in which a loader goes about it. */
struct loaded {
	struct piece *piece;
	const char *found;  /* the path that it was found by: its $ORIGIN */
	const char *soname; /* the name that it was asked for by; NULL: the program */
	ssize_t by;	    /* who needs it; NO_LOADER: the program itself */
};

struct search {
	struct bring_state *state;
	const struct library_machine *machine; /* NULL: unknown; no cache, no directories of it */
	struct piece *loader;
	const char *loader_name;
	char *musl_path;     /* NULL: it's glibc */
	struct loaded *list; /* [0] is the program */
	size_t n, room;
};

/*
 * Is it of the program's kind? Loaders pass by what isn't: linker scripts, libraries of other
 * machines.
 */
bool search_fits(const struct search *search, const struct piece *piece);

/* Finds what list[by] names as `soname`. ENOENT: nowhere. No text. */
int search_library(struct search *search, size_t by, const char *soname, const struct known **ret);
