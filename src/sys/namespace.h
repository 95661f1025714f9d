/* SPDX-License-Identifier: MIT
 *
 * The eight kinds of namespaces, as one table, and which of them a process is in.
 * Not here: when to join which (lib/plan.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { NAMESPACE_KINDS = 8 };

struct namespace_kind {
	const char *name; /* as in /proc/PID/ns and namespaces(7) */
	int flag;	  /* CLONE_NEW… */
};

/*
 * In the order of joining one by one: what needs privileges over the user namespace that we leave
 * comes first, mnt last because it takes our /proc away.
 */
extern const struct namespace_kind namespace_kinds[NAMESPACE_KINDS];

/* The index of a kind in the table, or -EINVAL. */
int namespace_index(const char *name);
enum {
	NAMESPACE_USER = 0,
	NAMESPACE_CGROUP,
	NAMESPACE_IPC,
	NAMESPACE_UTS,
	NAMESPACE_NET,
	NAMESPACE_PID,
	NAMESPACE_TIME,
	NAMESPACE_MNT,
};

/* The initial user namespace's number is fixed: PROC_USER_INIT_INO, include/linux/proc_ns.h. */
#define NAMESPACE_USER_INITIAL UINT64_C(0xEFFFFFFD)

/* Which namespaces a process is in: inode numbers of nsfs, 0 where the kernel has no such kind. */
struct namespaces {
	uint64_t inode[NAMESPACE_KINDS];
};

/* One of them, from an open /proc/PID. ENOENT: the kernel hasn't got the kind; else as below. */
int namespace_read(int proc, int kind, uint64_t *ret);

/*
 * Reads them from an open /proc/PID. On failure `*ret_kind` is the kind that couldn't be read.
 *
 *	EACCES	no right to look (ptrace access mode check, PTRACE_MODE_READ)
 *	ESRCH	the process has ended
 */
int namespaces_read(int proc, struct namespaces *ret, int *ret_kind);

/* Opens one for setns(2): close-on-exec. ENOENT: the kernel has no such kind. */
int namespace_open(int proc, int kind);

/* The uid (as we see it) that owns a user namespace: NS_GET_OWNER_UID, 4.11. */
int namespace_owner(int fd, uid_t *ret);

/*
 * Opens the namespace above a user or pid namespace: close-on-exec. EPERM: it's the initial one, or the
 * one above is outside of ours. NS_GET_PARENT, 4.9.
 */
int namespace_parent(int fd);

/* Which one it is. An open one keeps its number. */
int namespace_inode(int fd, uint64_t *ret);

/* The inode of the user namespace that a namespace belongs to. EPERM: it's outside of ours. */
int namespace_user(int fd, uint64_t *ret);

/*
 * Joins the net namespace of the process behind `pidfd`; with its user namespace, where only there we have the right to (rootless).
 * Returns 1 if that was needed. Async-signal-safe, for a process with one thread. setns(2), 5.8
 */
int namespace_join_net(int pidfd);
