/* SPDX-License-Identifier: MIT
 *
 * libconjoin: runs anything in, beside, or for a container that is already running.
 * All of the public headers at once; each is the manual of its own subject.
 *
 *	struct cj_error err = CJ_ERROR_INIT;
 *	struct cj_exec_options options = CJ_EXEC_OPTIONS_INIT;
 *	struct cj_launch_options launch = CJ_LAUNCH_OPTIONS_INIT;
 *
 *	options.argv = (const char *const[]){"id", NULL};
 *	if (cj_target_open("4711", &target, &err) == 0 &&
 *	    cj_plan_exec(target, &options, &plan, &err) == 0 &&
 *	    cj_launch(plan, &launch, &child, &err) == 0 &&
 *	    cj_child_wait(child, &end, &err) == 0)
 *		…
 *	cj_child_free(child);
 *	cj_plan_free(plan);
 *	cj_target_free(target);
 */
#pragma once

#include <conjoin/child.h>
#include <conjoin/debug.h>
#include <conjoin/engine.h>
#include <conjoin/error.h>
#include <conjoin/follow.h>
#include <conjoin/forward.h>
#include <conjoin/inspect.h>
#include <conjoin/list.h>
#include <conjoin/log.h>
#include <conjoin/notify.h>
#include <conjoin/pids.h>
#include <conjoin/plan.h>
#include <conjoin/process.h>
#include <conjoin/recording.h>
#include <conjoin/seal.h>
#include <conjoin/session.h>
#include <conjoin/socket.h>
#include <conjoin/spawn.h>
#include <conjoin/target.h>
