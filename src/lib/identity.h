/* SPDX-License-Identifier: MIT
 *
 * What a process *is*: everything that a command takes on when it's to run as if that process had
 * started it. Plain data; a snapshot.
 * Not here: what is done with it (plan.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/error.h>

#include "base/io.h"
#include "base/part.h"
#include "sys/cgroup.h"
#include "sys/idmap.h"
#include "sys/namespace.h"
#include "sys/proc.h"
#include "sys/process.h"
#include "sys/syscalls.h"

/* A directory: where it is, and which one it is. */
struct place {
	char *path; /* for people, as the link in /proc says; NULL if that can't be read; owned */
	uint64_t device, inode;
	uint64_t mount; /* 0: unknown */
};

struct identity {
	struct namespaces namespaces;
	struct proc_status status; /* ids, groups, capabilities, no_new_privs, seccomp, umask */
	struct cgroup_list cgroups;
	struct limits limits;
	int64_t oom_score_adj;
	int64_t core_filter;
	int64_t personality;
	int64_t timer_slack;	 /* nanoseconds */
	struct scheduling sched; /* but for the nice value */
	int nice;
	int ioprio;
	struct affinity affinity;
	struct label label;
	struct place root, cwd;
	struct bytes environ;	       /* NAME=VALUE, each ended by a NUL; anything is possible */
	struct idmap uid_map, gid_map; /* of its user namespace; read when that isn't ours */
	bool setgroups_denied;

	/* As `unread`; only identity_look() leaves some. */
	int unread_namespaces[NAMESPACE_KINDS], unread_cgroups, unread_maps;

	int unread[PARTS]; /* errno of the parts that couldn't be read, positive; 0: was read */
};

#define IDENTITY_INIT {.environ = BYTES_INIT}

/*
 * Reads everything of process `pid`, whose open directory beneath /proc `proc` is. Namespaces,
 * cgroups and credentials must be readable; what is missing of the rest is noted in `unread`.
 * `ours` is the caller's own identity, to leave out what follows from being the same.
 *
 *	ESRCH	it has ended, or is a zombie
 *	EINVAL	it's a kernel thread
 *	EACCES	no right to look: ptrace(2), "ptrace access mode checking"
 */
int identity_read(pid_t pid, int proc, const struct identity *ours, struct identity *ret,
		  struct cj_error *err);

/*
 * The same for looking at it only: but for ESRCH and EINVAL nothing is a failure, whatever can't be read
 * is noted.
 */
int identity_look(pid_t pid, int proc, struct identity *ret, struct cj_error *err);

/*
 * The calling thread's own, `proc` being its directory: what a plan compares with. By system calls where there are some, since the
 * files of a young process cost the kernel most to make. No umask (asking for it sets it), no label
 * unless asked for with identity_read_own_label(), no environment; root and cwd by number only.
 */
int identity_read_own(int proc, struct identity *ret, struct cj_error *err);
void identity_read_own_label(int proc, struct identity *own);

void identity_done(struct identity *identity);
