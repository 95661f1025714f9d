/* SPDX-License-Identifier: MIT
 *
 * The leak guard: could a process of the target reach what is the host's by way of a command of ours
 * that it can see?
 * Not here: what is done about it (plan_view.c).
 *
 * The command is to be in a pid namespace with processes of others. Whoever of them may read it by the
 * rules of ptrace(2) ("Ptrace access mode checking", PTRACE_MODE_READ_FSCREDS) opens /proc/PID/root, cwd,
 * fd, exe, environ and mem: its files, and with them the host's. That is decided here as the kernel will
 * (__ptrace_may_access() in kernel/ptrace.c, cap_ptrace_access_check() in security/commoncap.c), not for what
 * those processes are but for what they can become:
 *
 *	capabilities	a set-user-ID program, or one with file capabilities, regains what is in the bounding
 *			or inheritable set, capabilities(7); with no_new_privs nothing is regained
 *	ids		such a program can be anybody's; else those that it has, or all with CAP_SETUID
 *	user namespace	never one that is above or beside its own
 *
 * Newer kernels show environ and maps of everybody, dumpable or not, to who has CAP_PERFMON or CAP_SYS_ADMIN in
 * the initial user namespace (may_access_mm() in kernel/fork.c). That counts on all kernels, but only where the
 * environment is the caller's.
 *
 * Who could have the command's files and capabilities without it has nothing to win, and doesn't count: in the
 * view of the target whoever can have its capabilities, else those of them whose root directory is ours. That are
 * other commands of this kind, above all.
 *
 * The command counts as it is after execve, dumpable. Before that it isn't, and has more capabilities:
 * nobody reads it then who couldn't afterwards.
 *
 * What doesn't count for safety: Yama, which restricts attaching (PTRACE_MODE_ATTACH) only; labels of an LSM
 * and seccomp filters, which only some of the ways are closed by.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/error.h>

#include "lib/identity.h"
#include "lib/target.h"

struct guard_query {
	const struct cj_target *target;
	const struct identity *ours, *theirs;
	bool joins_pid, joins_user; /* these namespaces of the target are to be joined */
};

/* Where a process's user namespace is, seen from the command's. */
enum guard_relation {
	GUARD_SAME,
	GUARD_ABOVE,
	GUARD_UNKNOWN, /* it can't be told: `unread` says why */
};

/* A process, or a thread of one: each has its own credentials. Ids as our user namespace numbers them. */
struct guard_process {
	pid_t pid, tid; /* the same for the main thread */
	char comm[64];	/* as proc_status has it: anything but a newline */
	enum guard_relation relation;
	bool initial; /* it's in the initial user namespace */
	uid_t owner; /* GUARD_ABOVE: of the namespace that is next below its own, towards the command's */
	int unread; /* GUARD_UNKNOWN: errno, positive */
	uid_t uid[4];
	gid_t gid[4];
	uint64_t permitted, bounding, inheritable;
	bool no_new_privs;
	bool at_home; /* its root directory is ours: perhaps another command of the host's, like this one */
	size_t count; /* so many are alike; this is the first */
};

struct guard_facts {
	struct guard_process *list; /* owned: only those to whom it could matter */
	size_t n, room;
	bool restless; /* processes came and went too fast to look at all of them */
	bool blind;    /* /proc hides some from us */
	int ptrace_scope;
	uint64_t most; /* what a command of ours could have at most, and as whom */
	uid_t our_uid;
	gid_t our_gid;
};

#define GUARD_FACTS_INIT {.list = NULL}

void guard_facts_done(struct guard_facts *facts);

/*
 * Looks at all processes that are to see the command:
 *
 *	a pid namespace is joined	all that have a number in it, or in one between it and ours: that are
 *					all in the outermost of them, and in those nested in it
 *	the target is in ours		those in the target's mount namespace, unless that's ours, too: what
 *					others here could do to a process of ours isn't the target's doing
 *	else				none
 *
 * Linear in the number of processes; where the kernel answers by number (6.11), what isn't the target's
 * costs one ioctl each.
 *
 *	ESRCH	the target has ended
 *	EACCES	its namespaces may not be looked at
 */
int guard_look(const struct guard_query *query, struct guard_facts *ret, struct cj_error *err);

struct guard_child {
	uid_t uid; /* real, effective and saved, as our user namespace numbers them */
	gid_t gid;
	uint64_t permitted; /* the least that it may have after execve */
	bool bare; /* its environment has nothing of the caller's; so it is in the view of the target */
	bool host_view; /* else its files are the target's: then only capabilities are to be won */
	bool brings; /* and some of the host's, in mounts that belong to the caller's user namespace */
};

enum guard_verdict { GUARD_SAFE, GUARD_OPEN };

/* For people: what a cj_error takes. */
struct guard_finding {
	char text[376];
	char hint[120];
};

/* Decides from facts alone; fills `ret` unless it's safe. */
enum guard_verdict guard_judge(const struct guard_facts *facts, const struct guard_child *child,
			       struct guard_finding *ret);
