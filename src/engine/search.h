/* SPDX-License-Identifier: MIT
 *
 * A search under way, and what is said of it. Not here: the search itself (find.c).
 */
#pragma once

#include <conjoin/error.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "engine/shared.h"
#include "engine/source.h"
#include "sys/pidref.h"

enum { SEARCH_HITS_MAX = 64 };

struct hit {
	struct container container;
	struct pidref ref;
};

struct search {
	const struct engine *only; /* NULL: all */
	struct engine_request request;
	struct engine_shared shared;
	struct sources sources;
	struct hit hits[SEARCH_HITS_MAX];
	size_t n_hits;
	struct container idle; /* the first one without a process */
	struct cj_error stale; /* the first one whose process wasn't its own */
};

/* To who listens, if anybody does. */
void search_log(const struct search *search, const char *text);
/* Which way was taken. */
void search_log_source(const struct search *search, const struct source *source);

/* For a bare word: files that are none of the caller's; a socket that anybody may have made. */
bool search_is_no_matter(const struct search *search, const struct source *source);

/* Failures, as engines_find() returns them: several of that name (with a process each, or in one place). */
int search_fail_with_hits(const struct search *search, struct cj_error *err);
int search_fail_with_several(const struct search *search, const struct containers *found,
			     struct cj_error *err);
/* One without a process; none at all. */
int search_fail_with_idle(const struct search *search, struct cj_error *err);
int search_fail_with_none(const struct search *search, struct cj_error *err);
/* Only a user's engine has it, and what the system's has isn't known: `why`. */
int search_fail_with_others(const struct search *search, const struct container *container,
			    const char *why, struct cj_error *err);
/* A failure of before is the failure now. */
int search_fail_again(const struct cj_error *failure, struct cj_error *err);
