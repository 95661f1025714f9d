/* SPDX-License-Identifier: MIT
 *
 * The two processes between the supervisor and the command. Both run in copies of the caller's
 * memory, which may have had many threads: async-signal-safe calls only, nothing is allocated.
 *
 *	supervisor			stage				child
 *	----------			-----				-----
 *	clone3 ───────────────────────► settle_steps[]: cgroups, limits, …
 *					stage_steps[], in order
 *					clone(CLONE_PARENT) ──────────► child_steps[], in order
 *	◄─ shared->child ────────────── (the kernel's word), exits
 *	◄─ REPORT_EXECUTE ───────────────────────────────────────────── execve
 *	◄─ end of the report pipe ───────────────────────────────────── (closed by it)
 *
 * The life pipe's only write end is the supervisor's: its end is the signal that nobody waits.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <conjoin/error.h>

#include "lib/plan.h"

/* A page that supervisor and stage share, and the child doesn't have. */
struct shared {
	pid_t child; /* written by the kernel at clone(2), before the child runs; 0 until then */
};

struct launch {
	const struct cj_plan *plan;
	const int *
		cgroups; /* one a plan->cgroups: the directory (v2) or cgroup.procs; -EBADF: left out */
	bool attach_unified; /* it wasn't born in its v2 cgroup */
	int target;	     /* pidfd */
	int target_proc;     /* /proc/PID, ours */
	int report;	     /* write end */
	int life;	     /* read end, non-blocking */
	int life_w;	     /* the supervisor's end, closed first of all */
	int report_r;
	struct shared *shared;
	int stdio[3];  /* what becomes 0, 1, 2: above 2, or the number itself */
	bool terminal; /* stdio[0] is the slave of a pty: controlling terminal */
	bool threaded; /* the caller has threads: no parent death signal */
	bool verbose;  /* report each step */
};

/* What a step gives back: 0 taken, STEP_NOTHING nothing was to be done, else -errno and `err`. */
enum { STEP_NOTHING = 1 };

struct step {
	const char *what; /* "join namespaces": begins the error if the step gave none */
	int (*run)(const struct launch *launch, struct cj_error *err);
};

/* Runs the steps; the first failure is reported and ends the process. */
void steps_run(const struct step *steps, size_t n, const struct launch *launch);

/*
 * Tells more than that a step was taken, for those who asked for it; and what was left out, with its
 * errno. Formats as cj_fail() knows them; async-signal-safe.
 */
void step_note(const struct launch *launch, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void step_warn(const struct launch *launch, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What the stage does to itself before it joins anything. stage_settle.c */
extern const struct step settle_steps[];
extern const size_t n_settle_steps;

/* The stage's whole life. */
_Noreturn void stage_main(const struct launch *launch);

/* The child's: ends in execve. */
_Noreturn void child_main(const struct launch *launch);

/* Loads the plan's filters; for whichever of the two has to. */
int load_seccomp(const struct launch *launch, struct cj_error *err);
