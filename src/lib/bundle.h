/* SPDX-License-Identifier: MIT
 *
 * The OCI configuration (config.json) of the container that a process lives in, found with nothing
 * but what the runtimes leave on disk: no daemon is asked.
 * Not here: what it says (seccomp_profile.h), and naming containers (engine/).
 */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/error.h>

#include "base/io.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bundle_query {
	/* The target. The caller has it pinned, and verifies it afterwards. */
	pid_t pid;
	/* Its cgroups, one a hierarchy, as /proc/PID/cgroup has them. */
	const char *const *cgroup_paths;
	size_t n_cgroup_paths;
	/* Inodes of two of its namespaces. */
	uint64_t pid_ns;
	uint64_t mnt_ns;
	/* Goes before every state directory, for tests; NULL or "": the real ones. */
	const char *root;
};

struct bundle {
	struct bytes config; /* content of config.json */
	char path[PATH_MAX]; /* where it lies */
	char id[256];	     /* the container's id */
};

#define BUNDLE_INIT {.config = BYTES_INIT}

/*
 * Finds it in the state directories of runc, crun, containerd, docker and podman.
 *
 * Container ids are taken from the cgroup paths, deepest component first; if none of them is known,
 * every container of every state directory is looked at. A find counts only if the container's init
 * process is alive (with the start time on record, where there is one) and is in the target's pid
 * namespace, and also in its mount namespace when the pid namespace is the host's: a stale state
 * never gives another container's configuration. (A process that made itself a pid namespace inside
 * a container isn't found, then.)
 *
 * Rootless containers lie below /run/user/UID. Only the UID that owns the target's user namespace
 * is looked at, else any user could put a milder filter under another container's id.
 *
 * Files are opened without following a link, never block, and may have 1 MiB.
 *
 *	ENODATA	no container of a known runtime, or more than one that it could be
 */
int bundle_find(const struct bundle_query *query, struct bundle *ret, struct cj_error *err);

void bundle_done(struct bundle *bundle);

#ifdef __cplusplus
}
#endif
