/* SPDX-License-Identifier: MIT
 *
 * A launch under way, as the supervisor sees it: what launch.c and launch_prepare.c share.
 */
#pragma once

#include "lib/child.h"
#include "lib/stage.h"

/* A launch under way. */
struct starting {
	struct cj_plan *plan;
	const struct cj_launch_options *options;
	struct launch launch;
	int report_r, life_w, life_r, report_w;
	int dups[3];  /* copies made for stdio */
	int *cgroups; /* as launch.cgroups; owned */
	size_t n_cgroups;
	struct own_cgroups own;
	pid_t stage;
	int stage_fd;
	struct shared *shared; /* NULL until it's there */
	pid_t child;
	int child_fd;
	bool executes; /* all but execve was done */
	unsigned int reports;
	uint64_t pending;	 /* SIGNAL_BITs: came before the command ran */
	struct cj_error failure; /* what stage or child told */
};

#define STARTING_INIT(the_plan, the_options)                                                       \
	{                                                                                          \
		.plan = (the_plan), .options = (the_options), .report_r = -EBADF,                  \
		.report_w = -EBADF, .life_r = -EBADF, .life_w = -EBADF,                            \
		.dups = {-EBADF, -EBADF, -EBADF}, .stage_fd = -EBADF, .child_fd = -EBADF           \
	}

/* Tells the caller's log function, if it listens to that level. */
void starting_log(const struct starting *s, enum cj_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Everything before there is a stage: checks, cgroups and pipes opened, stdio placed. launch_prepare.c */
int starting_prepare(struct starting *s, struct cj_error *err);
