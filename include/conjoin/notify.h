/* SPDX-License-Identifier: MIT
 *
 * Readiness, sd_notify(3): a command tells the service manager of the caller how it is, though that manager's socket
 * is nowhere to be reached from inside.
 *
 *	cj_notify_new()
 *	cj_notify_variable()	→  cj_exec_options.env, cj_plan_exec()
 *	cj_notify_listen()	the socket is there, in the net namespace that the command will be in
 *	cj_launch()
 *	cj_session_options.notify, cj_session_run()	passes on what comes
 *	cj_notify_free()
 *
 * What comes out of a container isn't trusted. Only messages of the command's processes are passed on: those of its
 * session, or of cgroups that were made for it. Of these only the variables READY, RELOADING, STOPPING, STATUS, ERRNO,
 * EXTEND_TIMEOUT_USEC, WATCHDOG=1 and MONOTONIC_USEC, without control characters; no files; and MAINPID becomes the
 * PID of the caller, to whom the manager listens. BARRIER=1 is answered here.
 */
#pragma once

#include <stddef.h>

#include <conjoin/error.h>
#include <conjoin/log.h>
#include <conjoin/plan.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cj_notify_options {
	size_t size;
	const char *address;  /* the caller's NOTIFY_SOCKET: an absolute path, or "@NAME" */
	int threaded;	      /* as in cj_launch_options */
	cj_log_function *log; /* NULL: nobody listens. Called in cj_session_run() */
	void *log_data;
	enum cj_log_level log_level;
};

#define CJ_NOTIFY_OPTIONS_INIT {.size = sizeof(struct cj_notify_options)}

struct cj_notify;

/* EINVAL: the address is neither of both. */
int cj_notify_new(const struct cj_notify_options *options, struct cj_notify **ret,
		  struct cj_error *err);

/* "NOTIFY_SOCKET=@…", a name that nobody can know beforehand. Lives as long as `notify`. */
const char *cj_notify_variable(const struct cj_notify *notify);

/*
 * Makes the socket, and a process that holds it and enters the net namespace for that: no thread of the caller does.
 * Once, before the launch.
 *
 *	ESRCH	the target has ended
 *	EPERM	no right to enter its net namespace
 */
int cj_notify_listen(struct cj_notify *notify, const struct cj_plan *plan, struct cj_error *err);

/* Ends that process. Takes NULL. */
void cj_notify_free(struct cj_notify *notify);

#ifdef __cplusplus
}
#endif
