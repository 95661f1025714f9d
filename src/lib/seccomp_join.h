/* SPDX-License-Identifier: MIT
 *
 * One filter out of several, each for one architecture; with a bound on call numbers in front, so
 * that calls newer than the profile get ENOSYS.
 * Not here: the filters of the architectures, which libseccomp makes (seccomp_profile.c).
 */
#pragma once

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/seccomp.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SECCOMP_JOIN_ARCHS = 24 };

struct seccomp_join_arch {
	uint32_t token;			 /* SCMP_ARCH_*, each once */
	uint32_t bound;			 /* numbers above it get ENOSYS; 0: no bound */
	const struct sock_filter *insns; /* its filter */
	size_t count;
};

/*
 * Calls of an architecture that isn't among them are killed, as libseccomp does by default.
 * `ret->flags` is 0.
 *
 *	E2BIG	more than 4096 instructions
 */
int seccomp_join(const struct seccomp_join_arch *archs, size_t n_archs,
		 struct seccomp_program *ret);

#ifdef __cplusplus
}
#endif
