/* SPDX-License-Identifier: MIT
 *
 * The two processes between the supervisor and the command.
 *
 *	supervisor			stage				child
 *	----------			-----				-----
 *	clone3, execveat ─────────────► settle_steps[]: cgroups, limits, …
 *					outside_steps[], inside_steps[]
 *					clone(CLONE_PARENT) ──────────► child_steps[], in order
 *	◄─ shared->child ────────────── (the kernel's word), exits
 *	◄─ REPORT_EXECUTE ───────────────────────────────────────────── execve
 *	◄─ end of the report pipe ───────────────────────────────────── (closed by it)
 *
 * The life pipe's only write end is the supervisor's: its end is the signal that nobody waits.
 *
 * All of this is compiled twice: into a small program without a C library (program.c, entry.c), which
 * is how it normally runs, and into the library, for when that program can't be executed: then both
 * are copies of the caller, which may have had many threads. So, either way: async-signal-safe calls
 * only, and nothing is allocated.
 */
#pragma once

#include <conjoin/error.h>

#include "stage/orders.h"

/* What a step gives back: 0 taken, STEP_NOTHING nothing was to be done, else -errno and `err`. */
enum { STEP_NOTHING = 1 };

struct step {
	const char *what; /* "join namespaces": begins the error if the step gave none */
	int (*run)(const struct orders *orders, struct cj_error *err);
};

/* Runs the steps; the first failure is reported and ends the process. */
void steps_run(const struct step *steps, size_t n, const struct orders *orders);

/*
 * Tells more than that a step was taken, for those who asked for it; and what was left out, with its
 * errno. Formats as cj_fail() knows them; async-signal-safe.
 */
void step_note(const struct orders *orders, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void step_warn(const struct orders *orders, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Makes a text in memory of our own unreadable to who gets a copy of it. */
void text_wipe(char *text);

/* What the stage does to itself before it joins anything. settle.c */
extern const struct step settle_steps[];
extern const size_t n_settle_steps;

/* The stage's whole life. */
_Noreturn void stage_main(const struct orders *orders);

/* The child's: ends in execve. */
_Noreturn void child_main(const struct orders *orders);

/*
 * Into the target's namespaces, with a view of its own where one is wanted; and into its user namespace,
 * where that has to come when all is mounted. Steps of the stage. join.c
 */
int join_namespaces(const struct orders *orders, struct cj_error *err);
int join_user_last(const struct orders *orders, struct cj_error *err);

/* Steps of the stage, too, but for a view of the target, which takes them itself. */
int change_root(const struct orders *orders, struct cj_error *err);
int change_cwd(const struct orders *orders, struct cj_error *err);

/* Puts 0, 1 and 2 in place; a step of the stage. stdio.c */
int arrange_stdio(const struct orders *orders, struct cj_error *err);

/* Loads the filters; for whichever of the two has to. */
int load_seccomp(const struct orders *orders, struct cj_error *err);
