/* SPDX-License-Identifier: MIT
 *
 * The rules of a seccomp profile, one by one, from JSON into libseccomp.
 * Not here: what surrounds them, and the finished filter (seccomp_profile.h).
 */
#pragma once

#include <jansson.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include <conjoin/error.h>

#include "lib/seccomp_join.h"
#include "lib/seccomp_profile.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A filter that is being made: one of libseccomp's for each architecture. Together in one they take
 * more than twice as long to make (measured in seccomp_profile.c).
 */
struct seccomp_build {
	uint64_t capabilities;
	const char *kernel; /* release */
	uint32_t default_action;
	uint64_t default_errno; /* also where the action has no use for it */
	struct {
		scmp_filter_ctx filter;
		uint32_t token; /* SCMP_ARCH_* */
		int highest;	/* number that the profile names; 0: none */
	} archs[SECCOMP_JOIN_ARCHS];
	size_t n_archs;
	struct seccomp_profile *unknown; /* its list of names grows */
};

/* Reads defaultAction and its errno. EINVAL, EOPNOTSUPP. */
int seccomp_rule_read_default(const json_t *profile, struct seccomp_build *build,
			      struct cj_error *err);

/*
 * Adds one element of "syscalls", unless its includes and excludes say that it's not for us.
 * `index` is for the message. EINVAL: not a rule; EOPNOTSUPP: it wants a listener.
 */
int seccomp_rule_add_json(struct seccomp_build *build, const json_t *rule, size_t index,
			  struct cj_error *err);

/* The token of "SCMP_ARCH_X86_64"; 0: libseccomp doesn't know it. */
uint32_t seccomp_rule_arch_token(const char *name);

/* Adds a name to the list of what was skipped, once. */
int seccomp_build_note_unknown(struct seccomp_build *build, const char *name);

/* The one message about listeners; returns -EOPNOTSUPP. */
int seccomp_rule_wants_listener(struct cj_error *err);

#ifdef __cplusplus
}
#endif
