/* SPDX-License-Identifier: MIT
 *
 * A command that isn't there as it was given: is it elsewhere beneath the target's root? Containers
 * differ in what /bin is: a directory of its own, or a link to /usr/bin.
 * Not here: where it's looked for in the first place (plan_command.c).
 */
#pragma once

#include "lib/plan.h"

/*
 * For the request's `rootfs`: if nothing that the plan would execute is there, but the same name in the
 * target's own PATH, or in the twin of a directory (/bin and /usr/bin, /sbin and /usr/sbin), that is
 * executed, and a row says so. Reads the target's file system, in a helper that can be killed.
 *
 *	ETIMEDOUT	the file system doesn't answer
 */
int elsewhere_plan(struct cj_plan *plan, const struct cj_exec_options *options,
		   struct cj_error *err);

/* After the command wasn't found: names the one that would be, if there is one, as a hint. */
void elsewhere_hint(const struct cj_plan *plan, struct cj_error *err);
