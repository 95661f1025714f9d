/* SPDX-License-Identifier: MIT
 *
 * What a runner starts: the runner's program has one of these inside, filled in for each program
 * that is brought.
 * Not here: what goes into it (lib/bring_start.c).
 */
#pragma once

#include <stdint.h>

enum { RUNNER_TEXT = 2600 };

#define RUNNER_MARK "conjoin-runner\n"

struct runner_orders {
	char mark[16];		/* RUNNER_MARK: where in the program this is */
	int32_t own_argv0;	/* which of the arguments is the runner's own argv[0]; -1: none */
	uint32_t arguments;	/* that come before the runner's own, argv[0] included */
	char text[RUNNER_TEXT]; /* the file to execute, then the arguments, each with its NUL */
};
