/* SPDX-License-Identifier: MIT
 *
 * Is the process that an engine names really the container's? Numbers are recycled, records are
 * stale, and users' engines may tell anything.
 */
#pragma once

#include <stdbool.h>

#include <conjoin/error.h>

#include "engine/container.h"
#include "sys/pidref.h"
#include "sys/proc.h"

/*
 * Pins container->pid and compares, the pidfd being open: its start time with the one on record, else its
 * cgroups' paths with the container's id, else the runtime's record of that id with both. What a
 * user's engine names has to live in a user namespace of that user's, with none of root's ids; what was found by
 * the user's cgroups (no start time, a cgroup_word) may also be a process that the user can trace.
 *
 *	ESRCH	there is no such process, or it isn't the container's (any more)
 *	EPERM	a user's engine names a process that isn't the user's
 *	others	it couldn't be found out: EMFILE, ENOMEM, EACCES
 */
int container_open(const struct container *container, struct pidref *ret, struct cj_error *err);

/*
 * The same question about what was read of the process since then: it may have executed a set-user-ID program
 * meanwhile. `status` is what the ids of a command will come from; call it when everything is read. Only what a
 * user's engine has named is judged.
 *
 *	EPERM	it wasn't the user's all the while
 *	others	it couldn't be found out
 */
int container_check_status(const struct container *container, const struct pidref *ref,
			   const struct proc_status *status, struct cj_error *err);

/*
 * Does one of the paths in the text of /proc/PID/cgroup go through the cgroup of a container that is known
 * by `word`: as a whole component, ".scope" behind it or not, or (long ids only) behind a driver's name,
 * as in "docker-ID.scope" and "SLICE:cri-containerd:ID"?
 */
bool cgroups_name(const char *text, const char *word);
