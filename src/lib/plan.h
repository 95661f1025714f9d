/* SPDX-License-Identifier: MIT
 *
 * The plan itself: every step that launch will take, as data. What the rows say to people is made
 * in the same place as the decision that they tell of.
 * Not here: taking the steps (launch.c, stage.c, command.c).
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <conjoin/plan.h>

#include "lib/accounts.h"
#include "lib/facts.h"
#include "stage/orders.h"

/* A cgroup to be joined. Owned strings. */
struct plan_cgroup {
	char *name;	 /* "memory", "unified" */
	char *directory; /* where it lies */
	bool unified;
	bool try_only; /* a failure is a warning */
	bool own;      /* to be made, and removed at the end */
	bool tree; /* one for the command's tree may be made below it: in the first where that works */
	bool tree_only;	 /* we are in it already: it isn't joined itself */
	char *limits[4]; /* "memory.max=67108864": what is written into an own one */
};

/* What the command sees as files, where that isn't just a namespace: view_facts.h */
struct plan_view {
	enum view kind;
	const struct view_base *base; /* NULL: nothing is covered */
	bool show_root;		      /* the target's files are shown, in the view of the host */
	bool writable;
	bool proc, proc_from_outside, sys;
	bool user_last;
};

struct cj_plan {
	struct cj_target *target; /* the caller's */
	struct facts facts;

	uint32_t steps; /* 1 << part: those that are to be taken */

	int join_flags; /* CLONE_NEW… of all namespaces to join */
	bool join[NAMESPACE_KINDS];
	struct plan_view view;

	struct plan_cgroup *cgroups;
	size_t n_cgroups;
	bool wants_tree; /* all that the command starts ought to be found */
	bool rejoin;	 /* the cgroups are the target's: read them again if it has moved */

	struct limits limits;
	uint32_t set_limits; /* 1 << resource */
	int oom_score_adj;
	unsigned int core_filter;
	struct scheduling sched;
	int nice;
	int ioprio;
	struct affinity affinity;
	struct label label;
	unsigned int umask;
	unsigned long personality;
	unsigned long timer_slack;

	const char *root; /* a path within the target's root; NULL: the root itself */
	const char *cwd;  /* a path; NULL: by facts.cwd_fd */

	uid_t uid[4]; /* as the user namespace that the command will be in numbers them */
	gid_t gid[4];
	const gid_t *groups;
	size_t n_groups;
	bool groups_before_join; /* set by our numbers, before the user namespace is joined */
	struct capability_sets capabilities;
	uint64_t missing_capabilities; /* wanted, and not ours to give */
	bool no_new_privs;
	bool load_seccomp; /* facts.seccomp, by the stage, right before it makes the child */
	bool seccomp_last; /* by the child, right before execve: it would hinder us earlier */
	bool copy_seccomp; /* and it's taken from the live target first */

	char **env;		      /* NULL-ended, as execve takes it */
	char **argv;		      /* NULL-ended */
	struct candidate *candidates; /* in this order, as execvp(3) does */
	size_t n_candidates;
	const char *command;   /* what was asked for, for messages */
	bool looked_elsewhere; /* it isn't there as given: elsewhere.c */

	struct cj_plan_row *rows;
	size_t n_rows;

	void **owned; /* strings and arrays that live as long as the plan */
	size_t n_owned, owned_room;
	bool out_of_memory; /* noted by the plan_… helpers, checked once at the end */
};

/* What a decision reads and writes. */
struct planning {
	struct cj_plan *plan;
	const struct facts *facts;
	const struct cj_exec_options *options;
	const struct cj_debug_options *debug; /* NULL: an exec */
	const struct identity *base;	      /* whose identity the command takes on */
	uint32_t skip;			      /* 1 << part */
	struct account account; /* of the command's uid, where the target's passwd knows it */
};

/* The decisions, in the order in which cj_plan_exec() makes them; each in the file of its subject. */
int plan_namespaces(struct planning *p, struct cj_error *err);	/* plan_join.c */
int plan_view(struct planning *p, struct cj_error *err);	/* plan_view.c */
int plan_cgroups(struct planning *p, struct cj_error *err);	/* plan_cgroups.c */
int plan_process(struct planning *p, struct cj_error *err);	/* plan_process.c */
int plan_places(struct planning *p, struct cj_error *err);	/* plan_join.c */
int plan_credentials(struct planning *p, struct cj_error *err); /* plan_credentials.c */
int plan_seccomp(struct planning *p, struct cj_error *err);	/* plan_seccomp.c */
/* Would the filter stop what we still have to do after loading it? EPERM, naming the call. */
int plan_check_seccomp(struct cj_plan *plan, struct cj_error *err);
int plan_command(struct planning *p, struct cj_error *err); /* plan_command.c */
int plan_guard(struct planning *p, struct cj_error *err);   /* plan_view.c */

/*
 * "all", "net,pid", "all,-user": each word adds or takes away, from left to right. NULL is `usual`, and
 * "+ipc" adds to that. plan_join.c
 */
int namespaces_parse(const char *text, const char *usual, bool ret[NAMESPACE_KINDS],
		     struct cj_error *err);
extern const char namespaces_of_exec[], namespaces_of_debug[];

/* Is the command's identity the caller's? */
bool plan_is_own_identity(const struct planning *p);

/* Adds `path` to what is tried, in that order. The strings are the plan's. plan_command.c */
void plan_candidate(struct cj_plan *plan, char *path, char *argv0);

/* For a target that has no PATH. plan_command.c */
extern const char default_path[];

/* Makes the plan from facts alone; takes them over, also when it fails. Unit tests begin here. */
int plan_make(struct cj_target *target, struct facts *facts, const struct cj_exec_options *options,
	      const struct cj_debug_options *debug, struct cj_plan **ret, struct cj_error *err);

/* Helpers for the decisions. */

/* Is the step taken? Sets its bit and writes its row. `needs`: capability number, or NEEDS_NOTHING. */
enum { NEEDS_NOTHING = -1 };
void plan_do(struct planning *p, enum part part, const char *object, const char *action, int needs,
	     const char *format, ...) __attribute__((format(printf, 6, 7)));
/* A row without a step: "nothing", "skip" or "warn". */
void plan_note(struct planning *p, enum part part, const char *object, const char *action,
	       const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Left out by --skip? Then its row is written. */
bool plan_skips(struct planning *p, enum part part);
/* Fails with "take on PART: …" if the part couldn't be read. */
int plan_wants_read(struct planning *p, enum part part, struct cj_error *err);
bool plan_has_step(const struct cj_plan *plan, enum part part);

/* Formats a string that lives as long as the plan; "" when memory is out. */
const char *plan_text(struct cj_plan *plan, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Gives a heap block to the plan. Returns it. */
void *plan_own(struct cj_plan *plan, void *block);

/* Does the command end up in another user namespace than ours? Then ids are translated, and the
 * capabilities there count. */
bool plan_crosses_users(const struct cj_plan *plan);
