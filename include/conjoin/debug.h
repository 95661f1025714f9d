/* SPDX-License-Identifier: MIT
 *
 * A command of the host's in the namespaces of a target: its tools, where the target has none.
 * The plan that comes out is launched as any other (child.h).
 * Not here: a command that is to be like the target in everything (cj_plan_exec() in plan.h).
 *
 * By default it joins the pid and net namespaces, and gets a mount namespace of its own:
 *
 *	view host	a private copy of the caller's, with /proc of that pid namespace, /sys of
 *			that net namespace, and the target's files at $CONJOIN_ROOT
 *	view target	a private copy of the target's, with what is brought at $CONJOIN_BIN
 *
 * In both nothing that is mounted shows anywhere else, and all of it goes with the command.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <conjoin/error.h>
#include <conjoin/plan.h>
#include <conjoin/target.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A request, as struct cj_exec_options is one: set `size` (CJ_DEBUG_OPTIONS_INIT does), leave the rest 0.
 *
 * What `exec` asks for counts as it does there, but for what is other by default:
 *
 *	namespaces	"pid,net"; LIST is exact, "+ipc,uts" adds to the default
 *	cgroup		own: what the command uses isn't the target's; if none can be made, ours, with a
 *			warning
 *	identity	the caller's: ids, capabilities, limits, no seccomp filter, no label; with `user`
 *			that user, by the host's accounts in the view of the host
 *	env		added to `environment` (view host); view target: to PATH of the target and a
 *			HOME that is empty (/ if nothing is brought), with `as_target` to all that the target has;
 *			and to CONJOIN_TARGET, CONJOIN_NAME, CONJOIN_ROOT, CONJOIN_BIN
 *	cwd		the caller's (view host), or the target's
 */
struct cj_debug_options {
	size_t size;
	const struct cj_exec_options *exec; /* NULL: nothing of that is asked for */

	const char *view; /* host or target; NULL is host */
	/* The caller's environment, for the view of the host: NULL-ended; NULL: an empty one. */
	const char *const *environment;

	/* View target: names in `path`, or paths; directories of them. NULL-ended lists, or NULL. */
	const char *const *bring;
	const char *const *bring_dirs;
	const char *path; /* where names are looked for; NULL: a usual PATH */

	bool as_target; /* the target's ids, capabilities, limits, filter and label */
	bool writable;	/* the target's files at $CONJOIN_ROOT can be changed */
	/* Go on also if a process of the target could reach what is the host's by way of the command. */
	bool expose_host;
};

#define CJ_DEBUG_OPTIONS_INIT {.size = sizeof(struct cj_debug_options)}

/*
 * Makes the plan; as cj_plan_exec().
 *
 *	EINVAL	also: options that don't go together
 *	ECANCELED a process of the target could open the command's files and memory, which are the
 *		host's: the text says which one and why, the hint what would make it safe
 *	ENOENT, ENOEXEC	what is to be brought isn't there, or is no program; or something that it
 *		needs isn't there
 *
 * It decides by what is there at that moment. It can't speak for what the command starts as another
 * user, nor for what an engine puts beside it later.
 */
int cj_plan_debug(struct cj_target *target, const struct cj_debug_options *options,
		  struct cj_plan **ret, struct cj_error *err);

#ifdef __cplusplus
}
#endif
