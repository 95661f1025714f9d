/* SPDX-License-Identifier: MIT
 *
 * What will be done to run a command beside a target, decided beforehand: a request goes in, a plan
 * comes out, as data that can be printed. Making one changes nothing.
 * Not here: doing it (child.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <conjoin/error.h>
#include <conjoin/target.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A request. Set `size` (CJ_EXEC_OPTIONS_INIT does), fill in what is wanted and leave the rest 0:
 * then the command gets everything that the target has. All strings stay the caller's and must
 * live until the plan is made. Lists are NULL-ended arrays, like argv.
 *
 * The texts have one grammar, whoever writes them: a command line, a Go program, a server.
 */
struct cj_exec_options {
	size_t size;

	const char *const *argv; /* NULL: the login shell of the command's user, else sh */

	/* "all", "net,pid", "all,-user"; NULL is all. Those that are ours anyway aren't joined. */
	const char *namespaces;
	/* target, keep, own, try; NULL is target: all cgroups of the target, or it's an error. */
	const char *cgroup;
	/* Limits of an own cgroup: "64m", "0.5", "100". */
	const char *memory;
	const char *cpus;
	const char *pids_limit;

	/* Parts of the identity that aren't taken on: "seccomp,keyring", names as in cj_plan_row. */
	const char *skip;

	const char *user;	/* NAME or UID, and :GROUP or :GID; NULL: the target's ids */
	const char *cwd;	/* NULL: the target's */
	const char *root;	/* a directory of the target's view; NULL: the target's root */
	const char *const *env; /* NAME=VALUE sets, NAME alone removes; in this order */
	bool clear_env;		/* begin with an empty environment instead of the target's */
	const char *terminal;	/* TERM of the caller, used with a pty; NULL: none */
	const char *cap_add;	/* "NET_ADMIN,SYS_PTRACE" or "all" */
	const char *cap_drop;
	bool explain;		    /* the plan tells every step in its rows, not only warnings */
	bool privileged;	    /* every capability, no seccomp filter, no LSM label */
	const char *no_new_privs;   /* "yes" or "no"; NULL: the target's */
	const char *seccomp;	    /* auto, copy, off, or a file; NULL is auto */
	const char *bundle;	    /* OCI bundle, or its config.json; NULL: found by the target */
	const char *label;	    /* AppArmor profile or SELinux context; NULL: the target's */
	const char *const *rlimits; /* "nofile=1024:4096", names as in prlimit(1) */
	const char *oom_score_adj;  /* -1000 … 1000 */
	const char *nice;	    /* -20 … 19 */
	const char *scheduler;	    /* other, batch, idle, fifo:PRIORITY, rr:PRIORITY */
	const char *ioprio;	    /* none, idle, best-effort[:LEVEL], realtime[:LEVEL] */
	const char *affinity;	    /* "0-3,7" */
	const char *umask;	    /* octal */
	const char *personality;    /* hexadecimal */
	const char *timer_slack;    /* nanoseconds */
	const char *core_filter;    /* hexadecimal, coredump_filter of core(5) */
	/*
	 * A command that isn't there as given, "x" or "/bin/x", is looked for in the target's own PATH
	 * and, for each directory, in its twin: /bin and /usr/bin, /sbin and /usr/sbin.
	 */
	bool rootfs;
	/*
	 * The command is put in a cgroup without limits below the one that it would be in, so that all that it
	 * starts can be found and killed: cj_session_options.kill_tree and its kind. Where none can be made
	 * it goes without: then what has left the command's session can't be found.
	 */
	bool tree;
	/*
	 * Milliseconds of CLOCK_MONOTONIC, or 0: files of the target are waited for no longer than that (ETIMEDOUT),
	 * and never longer than two seconds each.
	 */
	int64_t deadline;
};

#define CJ_EXEC_OPTIONS_INIT {.size = sizeof(struct cj_exec_options)}

/* Owns what it needs; the target may be freed after it, not before. */
struct cj_plan;

/*
 * Reads what the target is, checks that it lived all the while, and decides every step.
 *
 *	EINVAL	a text of the options isn't in its grammar
 *	ESRCH	the target has ended
 *	EBUSY	the target is paused (its cgroup is frozen)
 *	EACCES, EPERM	no right to see a part that is needed; the text names it
 *	ENODEV	a cgroup of the target can't be reached from here
 *
 * Needs no privileges by itself: what is lacking for which step is in the rows. Free with
 * cj_plan_free().
 */
int cj_plan_exec(struct cj_target *target, const struct cj_exec_options *options,
		 struct cj_plan **ret, struct cj_error *err);

void cj_plan_free(struct cj_plan *plan);

/* One step, in the order in which it's taken. Strings live as long as the plan. */
struct cj_plan_row {
	const char *step;   /* "namespaces", "cgroup", "rlimits": also what `skip` takes */
	const char *object; /* "mnt", "memory", "nofile" */
	const char *action; /* "join", "set", "nothing", "skip", "choose", "warn" */
	const char *reason; /* "4026532281, ours is 4026531841" */
	const char *needs;  /* "CAP_SYS_ADMIN", or NULL */
	bool lacking;	    /* needed, and we don't have it */
};

/* The rows, `*ret_count` of them: all that there is to tell with `explain`, else warnings. */
const struct cj_plan_row *cj_plan_rows(const struct cj_plan *plan, size_t *ret_count);

/* The command that will run: argv as it is passed to execve(2). */
const char *const *cj_plan_argv(const struct cj_plan *plan);

#ifdef __cplusplus
}
#endif
