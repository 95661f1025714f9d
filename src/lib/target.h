/* SPDX-License-Identifier: MIT
 *
 * What is behind the public struct cj_target.
 */
#pragma once

#include <stdbool.h>

#include <conjoin/target.h>

#include "engine/container.h"
#include "sys/pidref.h"

struct cj_target {
	struct pidref ref;
	char *text; /* as the user wrote it */
	struct container
		container; /* what an engine told; without a scheme: it was named otherwise */
	struct cj_container told; /* the same, for others */
};

/* May it be found again after it has ended? Not so a PID, a handle, `self`. */
bool target_has_name(const char *text);

/* EINVAL with the words for it where the target is a kernel thread. Nobody waits for one, or enters it. */
int target_check_kind(const struct cj_target *target, struct cj_error *err);

/*
 * A step failed: if the target has ended by now that's the reason, whatever the kernel said (its
 * cgroups vanish, its namespaces refuse). Rewrites the error then. Returns what the step did, or
 * -ESRCH.
 */
int target_explain(const struct cj_target *target, int r, struct cj_error *err);
