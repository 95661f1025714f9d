/* SPDX-License-Identifier: MIT
 *
 * Everything that a plan is made from: who we are, who the target is, and what had to be looked up
 * for this request (the target's passwd, its seccomp filter, where cgroups are mounted). Gathering
 * reads; it changes nothing.
 * Not here: decisions (plan.h).
 */
#pragma once

#include <conjoin/plan.h>

#include "lib/identity.h"
#include "lib/view_facts.h"
#include "sys/seccomp.h"

struct cj_target;

struct facts {
	struct identity ours, target;
	uid_t ns_owner;	     /* owner of the target's user namespace, where that isn't ours */
	int root_fd, cwd_fd; /* the target's, O_PATH; -EBADF where they couldn't be opened */

	struct cgroup_mounts mounts;
	bool frozen;

	int64_t deadline; /* of the request, for what is read later */

	struct bytes passwd, group; /* the target's files, where the request needs them */

	struct seccomp_programs seccomp;
	char seccomp_source[256];  /* "the bundle /run/…"; "" when there is no filter to load */
	char seccomp_missing[256]; /* why the target's filter couldn't be had; "" when it was */
	char seccomp_unknown[256]; /* names in the profile that libseccomp doesn't know */

	struct view_facts view; /* of a debug */
};

#define FACTS_INIT {.root_fd = -EBADF, .cwd_fd = -EBADF, .view = VIEW_FACTS_INIT}

/* `debug` is NULL for an exec. */
int facts_gather(const struct cj_target *target, const struct cj_exec_options *options,
		 const struct cj_debug_options *debug, struct facts *ret, struct cj_error *err);

void facts_done(struct facts *facts);
