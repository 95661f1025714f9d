/* SPDX-License-Identifier: MIT
 *
 * Processes that were read one after another, made a tree.
 * Not here: reading them (pids.c).
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include <conjoin/pids.h>

struct process {
	struct cj_pid pid;
	void *block;  /* what `pid` points to */
	pid_t parent; /* its number, as the process's own status told it */
};

struct cj_pids {
	struct process *all; /* while reading by host PID, then as a tree */
	size_t n, room;
	size_t unread;
};

/*
 * Puts `pids`, which are in the order of their host PIDs, in the order that cj_pids_at() promises, and
 * fills in their parents. Only the process `root` and its descendants stay; 0: all. ENOMEM.
 */
int pids_make_tree(struct cj_pids *pids, pid_t root);
