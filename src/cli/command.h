/* SPDX-License-Identifier: MIT
 *
 * What exec and debug share: their arguments, from the options on to the exit status.
 * Not here: which options there are (exec.c, debug.c).
 */
#pragma once

#include "cli/detach_keys.h"
#include "cli/engines.h"
#include "cli/options.h"
#include "cli/record.h"
#include "cli/status.h"
#include "cli/terminal.h"

struct command {
	struct cj_exec_options exec;
	struct engine_choice engines;
	struct text_list env, env_files, rlimits;
	struct text_list environment; /* what `env` and `env_files` come to; owned strings */
	struct terminal_request terminal;
	bool pty; /* what `terminal` comes to */
	struct detach_request detach;
	bool detached;
	const char *detach_keys; /* as written; NULL: none */
	struct detach_keys keys;
	const char *timeout, *grace, *signal; /* as written; NULL: none */
	bool kill_tree, wait_all;
	const char *status_fd, *preserve_fds, *exit_as;
	unsigned int preserved; /* what they come to */
	bool exits_as_signal;
	struct status status;
	struct cj_session_options session; /* what they come to */
	bool dry_run, json, verbose, debug;
	/* Makes the plan; `data` is its own. */
	int (*plan)(const struct command *command, struct cj_target *target, struct cj_plan **ret,
		    struct cj_error *err);
	void *data;
	bool own_cgroup; /* what no --cgroup means */
	struct record record;
	bool notifies;		  /* --notify */
	struct cj_notify *notify; /* NULL: there's nobody to tell */
};

#define COMMAND_INIT                                                                               \
	{                                                                                          \
		.exec = CJ_EXEC_OPTIONS_INIT, .session = CJ_SESSION_OPTIONS_INIT,                  \
		.status = STATUS_INIT, .record = RECORD_INIT                                       \
	}

void command_done(struct command *command);

/*
 * Takes what comes after the options, TARGET and COMMAND, and does all the rest. Returns the exit status.
 */
int command_main(struct cli *cli, struct command *command, int argc, char **argv);
