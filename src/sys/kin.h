/* SPDX-License-Identifier: MIT
 *
 * Whose child a process is, and which children it has.
 * Not here: all else of /proc/PID (proc.h), trees for people (lib/pids_tree.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* From one reading of stat: all about the same moment. proc(5) */
struct kin {
	pid_t parent;	/* 0: outside of our pid namespace */
	pid_t group;	/* process group */
	pid_t session;	/* 0: outside, too */
	uint64_t start; /* field 22 */
	bool ended;	/* a zombie, or worse */
	bool stopped;	/* by a signal */
};

int kin_read(int proc, struct kin *ret);
/* EBADMSG: not what stat holds. */
int kin_parse(const char *stat, struct kin *ret);

/*
 * The children of process `pid`, as they are now; the array is owned. Those of its first thread alone, where
 * the kernel tells (CONFIG_PROC_CHILDREN); else all processes are looked at.
 *
 *	ESRCH	there's no such process
 */
int kin_children(pid_t pid, pid_t **ret, size_t *ret_n);
