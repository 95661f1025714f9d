/* SPDX-License-Identifier: MIT
 *
 * Processes that aren't children of the caller: signals, and waiting for their end. Commands that were
 * detached are such.
 * Not here: those that are (child.h).
 */
#pragma once

#include <conjoin/child.h>
#include <conjoin/error.h>
#include <conjoin/target.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * As cj_target_find(), but it also takes a process that has ended and that nobody has waited for yet (a
 * zombie): for cj_target_wait(). What such a process was can't be read any more.
 */
int cj_target_find_ended(const char *text, const struct cj_engine_options *options,
			 struct cj_target **ret, struct cj_error *err);

/*
 * Sends a signal, by the pidfd: to the process that was opened and never to another one that has its
 * number now. 0 as a signal only asks. pidfd_send_signal(2)
 *
 *	ESRCH	it has ended and was reaped
 *	EPERM	no right to
 *	EINVAL	no such signal
 */
int cj_target_signal(const struct cj_target *target, int signal);

/*
 * Waits until the process has ended, at most `timeout_ms` milliseconds (-1: for ever), and tells how.
 * Its status is asked of the kernel, which tells it to who isn't the parent
 *
 *	while it's a zombie		if the caller may trace it; after a success only from 6.13 on
 *	when its parent has waited	from 6.15 on, and if the target was opened before
 *
 *	ETIMEDOUT	it still runs
 *	EINVAL		a kernel thread
 *	ENODATA		it has ended, and how isn't known
 */
int cj_target_wait(const struct cj_target *target, int timeout_ms, struct cj_exit *ret,
		   struct cj_error *err);

#ifdef __cplusplus
}
#endif
