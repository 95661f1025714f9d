/* SPDX-License-Identifier: MIT
 *
 * The parts of an identity, as one table: what a plan's rows, `--skip`, log lines and errors call
 * them. Adding a part adds a row.
 */
#pragma once

#include <stdint.h>

#include <conjoin/error.h>

enum part {
	PART_CGROUPS,
	PART_RLIMITS,
	PART_OOM,
	PART_CORE_FILTER,
	PART_SCHEDULER,
	PART_NICE,
	PART_IOPRIO,
	PART_AFFINITY,
	PART_LABEL,
	PART_NAMESPACES,
	PART_ROOT,
	PART_CWD,
	PART_UMASK,
	PART_PERSONALITY,
	PART_TIMER_SLACK,
	PART_KEYRING,
	PART_CAPABILITIES,
	PART_GROUPS,
	PART_IDS,
	PART_SECCOMP,
	PART_NO_NEW_PRIVS,
	PART_ENVIRONMENT,
	/* From here on not to be skipped. */
	PART_COMMAND,
	PART_VIEW,  /* what it sees as files */
	PART_GUARD, /* whether it may be seen */
	PARTS,
};

/* "cgroups", "rlimits", … */
const char *part_name(enum part part);

/*
 * Reads "seccomp,keyring" into a set of 1 << part.
 *
 *	EINVAL	the text of the error names the word and lists those that there are
 */
int parts_parse(const char *text, uint32_t *ret, struct cj_error *err);
