/* SPDX-License-Identifier: MIT
 *
 * What has to be known of host and target for a command that gets a mount namespace of its own.
 * Not here: decisions (plan_view.c), making it (stage/view.c).
 */
#pragma once

#include <stdbool.h>

#include <conjoin/debug.h>

#include "lib/bring.h"
#include "lib/guard.h"
#include "lib/identity.h"
#include "stage/orders.h"

/* A directory that can be covered, and what then has a place of ours in it. */
struct view_base {
	const char *base;  /* "/run" */
	const char *home;  /* "conjoin" */
	const char *point; /* "/run/conjoin" */
};

struct view_facts {
	enum view kind;
	const struct view_base *base;
	int pidns; /* the target's, where procfs can be told which one it is to show; else -EBADF */
	char **sys_back; /* what is mounted beneath /sys, without "/sys/"; NULL-ended; owned */
	struct bring bring;
	struct guard_facts guard;
	unsigned int securebits; /* ours, which the command inherits */
};

#define VIEW_FACTS_INIT {.kind = VIEW_PLAIN, .pidns = -EBADF}

/* What a request for `debug` needs; the two identities are known by now. `root` is the target's. */
struct view_query {
	const struct cj_target *target;
	const struct cj_debug_options *options;
	const struct identity *ours, *theirs;
	int root;
	int64_t deadline;      /* of clock_ms(); 0: none */
	const char *mountinfo; /* ours */
};

/* EINVAL: options that don't go together; else what lib/bring.h and lib/guard.h say. */
int view_facts_gather(const struct view_query *query, struct view_facts *ret, struct cj_error *err);
void view_facts_done(struct view_facts *facts);

/* Of a NULL-ended list; NULL is an empty one. */
bool list_has_any(const char *const *list);
