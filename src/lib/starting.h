/* SPDX-License-Identifier: MIT
 *
 * A launch under way, as the supervisor sees it: what the launch*.c files share.
 */
#pragma once

#include "lib/child.h"
#include "stage/stage.h"
#include "sys/spawn.h"

/* How the stage comes to be. */
enum launch_way {
	LAUNCH_PROGRAM, /* as a program of its own, out of memory */
	LAUNCH_COPY,	/* as a copy of the caller, where that can't be */
};

enum { STARTING_STACK = 8192, STARTING_KEPT = 16 };

/* A launch under way. */
struct starting {
	struct cj_plan *plan;
	const struct cj_launch_options *options;
	enum launch_way way;
	bool outside;	 /* the stage isn't born in its v2 cgroup, but goes there */
	bool in_unified; /* it has one */
	bool stillborn;	 /* it was, and was killed before it could do anything */
	struct orders orders;
	int report_r, life_w, life_r, report_w;
	int dups[3];  /* copies made for stdio */
	int *cgroups; /* one a plan->cgroups: the directory (v2) or cgroup.procs; -EBADF: left out */
	size_t n_cgroups;
	struct own_cgroups own;
	struct watch_board *board; /* of a watchdog from the start; NULL */
	int watchdog;
	pid_t stage;
	int stage_fd;
	struct shared *shared; /* NULL until it's there */
	int shared_fd;	       /* its file, and that of the packed orders */
	struct spawn_program program;
	int *kept;		/* program.keep */
	char program_number[8]; /* program.argv[0]: shared_fd in digits */
	char *program_argv[2];
	char stack[STARTING_STACK] __attribute__((aligned(16)));
	pid_t child;
	int child_fd;
	bool executes; /* all but execve was done */
	unsigned int reports;
	uint64_t pending;	 /* SIGNAL_BITs: came before the command ran */
	struct cj_error failure; /* what stage or child told */
};

#define STARTING_INIT(the_plan, the_options, the_way)                                              \
	{                                                                                          \
		.plan = (the_plan), .options = (the_options), .way = (the_way),                    \
		.report_r = -EBADF, .shared_fd = -EBADF, .program = {.fd = -EBADF},                \
		.report_w = -EBADF, .life_r = -EBADF, .life_w = -EBADF,                            \
		.dups = {-EBADF, -EBADF, -EBADF}, .stage_fd = -EBADF, .child_fd = -EBADF,          \
		.watchdog = -EBADF                                                                 \
	}

/* Tells the caller's log function, if it listens to that level. */
void starting_log(const struct cj_launch_options *options, enum cj_log_level level,
		  const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What of the plan is nothing to be done, or a warning: the rest logs itself. */
void starting_log_plan(const struct cj_plan *plan, const struct cj_launch_options *options);

/* Everything before there is a stage: checks, cgroups and pipes opened, stdio placed. launch_prepare.c */
int starting_prepare(struct starting *s, struct cj_error *err);

/* Makes the stage; in it it doesn't return. launch_spawn.c */
int starting_spawn(struct starting *s, struct cj_error *err);

/*
 * Something that the stage's program needs failed. ENOEXEC with the reason in words if that can't be had
 * here at all, so that the other way is; else `code`. launch_prepare.c
 */
int starting_fail_program(int code, const char *what, struct cj_error *err);

/* Fills in s->orders; and writes them to the shared file. launch_orders.c */
int starting_order(struct starting *s, struct cj_error *err);
int starting_pack(struct starting *s, struct cj_error *err);
