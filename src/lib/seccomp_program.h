/* SPDX-License-Identifier: MIT
 *
 * What a seccomp filter does to a system call, found out without loading it: an interpreter of
 * classic BPF, as far as seccomp allows it (kernel/seccomp.c, seccomp_check_filter).
 * Not here: making filters (seccomp_profile.h), loading and copying them (sys/seccomp.h).
 */
#pragma once

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/seccomp.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Would the kernel take this program? Opcodes that seccomp allows, loads that are aligned and
 * within struct seccomp_data, jumps that stay inside, scratch memory within bounds and written
 * before it is read, no division by a constant zero, a RET at the end.
 *
 *	EINVAL	no
 */
int seccomp_program_check(const struct seccomp_program *program);

/*
 * Runs one program on one call. `*ret_action` is the 32-bit word that it returns: action in the
 * upper half, data (an errno…) in the lower one.
 *
 *	EINVAL	the kernel wouldn't take the program
 */
int seccomp_program_run(const struct seccomp_program *program, const struct seccomp_data *data,
			uint32_t *ret_action);

/*
 * Runs all of them as the kernel would: every one is run, newest first, and the action with the
 * highest precedence wins (seccomp(2): kill process, kill thread, trap, errno, user notification,
 * trace, log, allow); among equals the newest. No program at all: ALLOW.
 */
int seccomp_programs_run(const struct seccomp_programs *programs, const struct seccomp_data *data,
			 uint32_t *ret_action);

/* A system call of this machine's native architecture; args that don't matter are 0. */
struct seccomp_call {
	const char *name; /* for the message; not looked at here */
	int nr;
	uint64_t args[6];
};

/*
 * Looks for the first of `calls` that the programs don't let through (ALLOW and LOG do).
 * Returns 1 and its index in `*ret_index` if there is one, 0 if all pass.
 *
 *	EINVAL	the kernel wouldn't take one of the programs
 */
int seccomp_programs_forbid(const struct seccomp_programs *programs,
			    const struct seccomp_call *calls, size_t n_calls, size_t *ret_index);

/*
 * Does one of them say RET_USER_NOTIF? Such a filter is worth nothing without the process that
 * answers: loaded without a listener it makes the call fail with ENOSYS.
 */
bool seccomp_programs_want_listener(const struct seccomp_programs *programs);

#ifdef __cplusplus
}
#endif
