/* SPDX-License-Identifier: MIT
 *
 * A target: a running process, picked by the user and pinned, so that whatever is done to it later
 * can't hit another process that got its number.
 * Not here: what the process is like and what is run beside it (plan.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/engine.h>
#include <conjoin/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Owns a pidfd and a directory fd of /proc/PID. Not shared between threads without a lock. */
struct cj_target;

/*
 * Finds the process that `text` names and pins it:
 *
 *	4711, pid:4711		a PID
 *	4711:8193, 4711:s90210	a handle: PID and pidfd inode, or PID and start time
 *	self			the caller
 *	pidfile:PATH		the PID in a file
 *	comm:NAME		the only process with that name
 *	cgroup:PATH		the only process of a cgroup (its absolute directory, or the path that
 *				/proc/PID/cgroup shows, in any hierarchy)
 *	docker:NAME, podman:NAME, cri:NAME	a container's first process, by name, id, or the beginning
 *				of an id that no other has
 *	k8s:[NS/]POD[/CONTAINER], k8s:NS/POD/	one of a pod on this node, or its sandbox
 *	containerd:[NS/]ID, oci:ID
 *	lxc:NAME, machine:NAME, unit:NAME
 *	NAME			in any of these engines, all of which are asked at the same time
 *
 * A pidfd pins the process, so nothing that follows needs to trust the number again. A number that an
 * engine tells is only believed if the process is that container's.
 *
 *	EINVAL	not a target at all, or a process that can't be one (a thread, a kernel thread)
 *	ESRCH	no such process, or it has ended (a zombie has)
 *	ENOTNAM	no engine knows the name
 *	ENOTUNIQ several match; the text of the error lists them
 *	EACCES	no right to see it
 *	ESHUTDOWN the container has no process: the text says whether it's created, stopped, …
 *	others	the engine that was named is there, and can't tell
 *
 * `options` may be NULL: the usual sockets, two seconds. Free with cj_target_free().
 */
int cj_target_find(const char *text, const struct cj_engine_options *options,
		   struct cj_target **ret, struct cj_error *err);

/* The same without options. */
int cj_target_open(const char *text, struct cj_target **ret, struct cj_error *err);

void cj_target_free(struct cj_target *target);

/* As the user wrote it. Lives as long as the target. */
const char *cj_target_text(const struct cj_target *target);

/* What the engine told that named it; NULL if none did. Lives as long as the target. */
const struct cj_container *cj_target_container(const struct cj_target *target);

/* The PID, as our pid namespace numbers it. For people: a number is no identity, the handle is. */
pid_t cj_target_pid(const struct cj_target *target);

/* The pidfd; the target's own, don't close it. */
int cj_target_pidfd(const struct cj_target *target);

/* Writes the handle, "4711:8193"; 48 bytes are always enough. Returns its length. */
size_t cj_target_handle(const struct cj_target *target, char *buf, size_t size);

/*
 * The number of the namespace that it's in: "net", "mnt", "pid", … as in namespaces(7). EINVAL: no such kind; ENOENT: the kernel hasn't got it; ESRCH: it
 * has ended; EACCES: no right to look.
 */
int cj_target_namespace(const struct cj_target *target, const char *kind, uint64_t *ret);

/* 0 while it is alive, -ESRCH after (a zombie isn't alive). pidfd_open(2), poll */
int cj_target_verify(const struct cj_target *target);

#ifdef __cplusplus
}
#endif
