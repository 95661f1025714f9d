/* SPDX-License-Identifier: MIT
 *
 * From a seccomp profile (JSON) to the filter that runc would load for it. libseccomp writes the
 * BPF; what is ours is reading the profile and the stub for calls that it doesn't know yet.
 * Not here: finding the profile of a container (bundle.h), loading (sys/seccomp.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <conjoin/error.h>

#include "sys/seccomp.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SECCOMP_PROFILE_MAX (1024 * 1024) /* bytes of JSON */

struct seccomp_profile_request {
	const char *json;
	size_t size;
	uint64_t capabilities; /* bounding set; Docker's profiles branch on it, the OCI's don't */
	const char
		*kernel; /* release as in uname(2), for Docker's minKernel; NULL: the running one */
};

/* Made by seccomp_profile_build(); seccomp_profile_done() frees it. */
struct seccomp_profile {
	struct seccomp_programs programs; /* one program */
	char **unknown; /* names of calls that libseccomp doesn't know, each once */
	size_t n_unknown;
};

#define SECCOMP_PROFILE_INIT {.unknown = NULL}

/*
 * Builds the filter of a profile. Three forms are told apart by their keys:
 *
 *	a whole OCI config.json		("ociVersion", "linux" or "process"): its linux.seccomp
 *	an OCI linux.seccomp object	("architectures", "syscalls")
 *	a Docker or Podman profile	("archMap", or "includes"/"excludes" in a rule)
 *
 * All else as runc does it:
 *
 * - Architectures: the native one always, and those that are listed. A call from any other one is
 *   killed (libseccomp's bad-arch action).
 * - Names that libseccomp doesn't know, of calls and of architectures, are skipped and listed in
 *   `unknown`. Rules whose action is the default action are skipped. Conditions of one rule are
 *   ANDed, but if two of them are on the same argument each becomes a rule of its own.
 * - `errnoRet` and `defaultErrnoRet` default to EPERM.
 * - Flags: LOG, SPEC_ALLOW, WAIT_KILLABLE_RECV are passed on; TSYNC says nothing, since the filter
 *   is loaded into a process of one thread. No "flags" key at all: SPEC_ALLOW, as runc since 1.2.
 * - Calls that are newer than the profile get ENOSYS, so that a libc falls back instead of giving
 *   up (an EPERM from clone3 or faccessat2 it takes at its word): on each architecture, a number
 *   above the highest one that the profile names. Left out when the default action lets calls
 *   through (ALLOW, LOG, TRACE), or is ERRNO with ENOSYS. (crun doesn't do this, and runc before
 *   1.2 not for an architecture that isn't listed.)
 *
 * The JSON may be hostile: size and depth are limited, and every type is checked.
 *
 *	ENODATA	a config.json without linux.seccomp: the container has no filter
 *	EFBIG	more than SECCOMP_PROFILE_MAX bytes
 *	EINVAL	not JSON, or not a profile; the text says where
 *	EOPNOTSUPP	it wants a listener (SCMP_ACT_NOTIFY, listenerPath): nobody would answer
 *	E2BIG	the filter would have more than 4096 instructions
 */
int seccomp_profile_build(const struct seccomp_profile_request *request,
			  struct seccomp_profile *ret, struct cj_error *err);

void seccomp_profile_done(struct seccomp_profile *profile);

#ifdef __cplusplus
}
#endif
