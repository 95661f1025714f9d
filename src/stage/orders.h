/* SPDX-License-Identifier: MIT
 *
 * All that stage and child have to know: the plan, boiled down to what is still to be done.
 *
 * Whoever can read the child's memory (a container with CAP_SYS_PTRACE can, until execve) can read
 * this. So there is nothing in it but what the command gets anyway, what the target is, and numbers
 * of files that are closed by then.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/part.h"
#include "stage/brought.h"
#include "sys/capabilities.h"
#include "sys/namespace.h"
#include "sys/process.h"
#include "sys/seccomp.h"
#include "sys/syscalls.h"

/* A page that supervisor and stage share, and the child doesn't have. */
struct shared {
	pid_t child; /* written by the kernel at clone(2), before the child runs; 0 until then */
};

struct order_cgroup {
	char *name;	 /* "memory", "unified" */
	char *directory; /* for messages; the host's, and forgotten when it's joined */
	int fd;		 /* the directory (v2) or cgroup.procs; -EBADF: left out */
	bool unified;
	bool try_only; /* a failure is a warning */
	bool own;
};

/* One path to try with execve(2). */
struct candidate {
	char *path;
	char *argv0; /* NULL: argv[0] as it is */
};

/* What the command sees as files. */
enum view {
	VIEW_PLAIN,  /* a mount namespace as it is: the target's, if it's joined, else ours */
	VIEW_HOST,   /* a private copy of ours, with the target's /proc and /sys */
	VIEW_TARGET, /* a private copy of the target's, with what is brought */
};

struct order_view {
	enum view kind;
	const char *base; /* the directory that is covered, to make a place for us: "/run", or "/" */
	const char *home;  /* our place, beneath `base`: "conjoin", or "run/conjoin" */
	const char *point; /* of the whole path: "/run/conjoin" */
	bool show_root;	   /* the target's files, at home/root */
	bool writable;
	int pidns;	  /* for a procfs that is mounted from outside; -EBADF: not so */
	bool proc_inside; /* /proc is mounted by the child, in the pid namespace */
	bool sys;	  /* /sys is that of the net namespace */
	char **sys_back;  /* mount points beneath /sys that stay, without "/sys/"; NULL-ended */
	bool user_last;	  /* the user namespace is joined when all is mounted */
	struct brought *brought;
	size_t n_brought;
};

struct orders {
	bool terminal; /* stdio[0] is the slave of a pty: controlling terminal */
	bool threaded; /* the caller has threads: no parent death signal */
	bool detached; /* the command outlives the supervisor: it gets no parent death signal */
	bool verbose;  /* report each step */
	unsigned int preserve_fds; /* so many from 3 on stay open for the command */

	/* Files. The stage closes all but the two pipes before it makes the child. */
	int target;	 /* pidfd */
	int target_proc; /* /proc/PID, ours */
	int root_fd, cwd_fd;
	int report;   /* write end */
	int report_r; /* the supervisor's end, closed first of all; -EBADF: not there */
	int life;     /* read end, non-blocking */
	int life_w;   /* as report_r */
	bool null[3]; /* nothing was given for it: the target's /dev/null, else stdio[] */
	int stdio[3]; /* what becomes 0, 1, 2: above 2, or the number itself */
	struct shared *shared;

	uint32_t steps; /* 1 << part: those that are to be taken */

	struct order_cgroup *cgroups;
	size_t n_cgroups;
	bool attach_unified; /* it isn't born in its v2 cgroup */

	struct limits limits;
	uint32_t set_limits;		       /* 1 << resource */
	struct rlimit64 own_nofile, own_fsize; /* the caller's */
	int oom_score_adj;
	unsigned int core_filter;
	struct scheduling sched;
	bool may_schedule; /* CAP_SYS_NICE, for a hint */
	int nice;
	int ioprio;
	struct affinity affinity;
	struct label label;

	int join_flags; /* CLONE_NEW… of all namespaces to join */
	struct order_view view;
	const char *root;      /* a path within the target's root; NULL: the root itself */
	const char *cwd;       /* a path; NULL: by cwd_fd */
	const char *root_name; /* for messages */
	const char *cwd_name;
	unsigned int umask;
	unsigned long personality;
	unsigned long timer_slack;

	uid_t uid[4]; /* as the user namespace that the command will be in numbers them */
	gid_t gid[4];
	const gid_t *groups;
	size_t n_groups;
	bool groups_before_join; /* set by our numbers, before the user namespace is joined */
	struct capability_sets capabilities;
	bool no_new_privs;
	bool load_seccomp; /* by the stage, right before it makes the child */
	bool seccomp_last; /* by the child, right before execve: it would hinder us earlier */
	struct seccomp_programs seccomp;

	char **env;		      /* NULL-ended, as execve takes it */
	char **argv;		      /* NULL-ended */
	struct candidate *candidates; /* in this order, as execvp(3) does */
	size_t n_candidates;
	const char *command; /* what was asked for, for messages */
};

static inline bool orders_have(const struct orders *orders, enum part part)
{
	return orders->steps >> part & 1;
}
