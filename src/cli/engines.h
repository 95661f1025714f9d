/* SPDX-License-Identifier: MIT
 *
 * Options about engines, which all commands with a TARGET have, and finding the target with them.
 * The environment's words for engines are read here and only here.
 */
#pragma once

#include <stddef.h>

#include "cli/options.h"

struct engine_choice {
	const char *pod_namespace, *container;
	const char *timeout; /* as written; NULL: the library's own */
	struct text_list sockets;
};

/* Rows of a table of options; `at` is the offset of the struct engine_choice in the command's struct. */
/* clang-format off */
#define ENGINE_POD_ROWS(at) \
	{'n', "namespace", "NS", "TARGET is a pod of Kubernetes, in this namespace", OPTION_TEXT, \
	 (at) + offsetof(struct engine_choice, pod_namespace)}, \
	{'c', "container", "NAME", "TARGET is a pod of Kubernetes: this container of it", OPTION_TEXT, \
	 (at) + offsetof(struct engine_choice, container)}
#define ENGINE_ROWS(at) \
	{0, "engine-socket", "[ENGINE=]PATH", "ask the engine there, and nowhere else", OPTION_LIST, \
	 (at) + offsetof(struct engine_choice, sockets)}, \
	{0, "engine-timeout", "DURATION", "after that, what's on disk has to do (default: 2s)", \
	 OPTION_TEXT, (at) + offsetof(struct engine_choice, timeout)}
/* clang-format on */

void engine_choice_done(struct engine_choice *choice);

/*
 * What the library takes. The strings stay those of `choice` and of the environment. 0, or an exit
 * status after an error that was printed.
 */
int engine_options(struct cli *cli, const struct engine_choice *choice,
		   struct cj_engine_options *ret);

/* cj_target_find() with it; cli->target is the text. 0 or -errno; what is printed is up to the caller. */
int engine_target(struct cli *cli, const struct cj_engine_options *options, const char *text,
		  struct cj_target **ret, struct cj_error *err);
