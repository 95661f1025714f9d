/* SPDX-License-Identifier: MIT
 *
 * Seccomp filters as the kernel takes and gives them: load one into the caller, copy those of a
 * live process.
 * Not here: where a filter comes from (lib/seccomp_profile.h), what it does to a call
 * (lib/seccomp_program.h).
 */
#pragma once

#include <linux/filter.h>
#include <stddef.h>
#include <sys/types.h>

#include <conjoin/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One filter: classic BPF over struct seccomp_data. */
struct seccomp_program {
	struct sock_filter *insns;
	unsigned short count; /* 1 … BPF_MAXINSNS (4096) */
	unsigned int flags;   /* SECCOMP_FILTER_FLAG_* for seccomp_install() */
};

#define SECCOMP_PROGRAM_INIT {.insns = NULL}

/*
 * Filters in the order in which they are to be loaded, oldest first. Owns the array and what is in
 * it; programs_done() frees both. To give it away: copy the struct, then set the own one to INIT.
 */
struct seccomp_programs {
	struct seccomp_program *list;
	size_t count;
};

#define SECCOMP_PROGRAMS_INIT {.list = NULL}

void seccomp_program_done(struct seccomp_program *program);
void seccomp_programs_done(struct seccomp_programs *programs);

/*
 * Puts a filter over the calling thread, for good. Async-signal-safe. See seccomp(2).
 * (libseccomp has the better name, seccomp_load, for its own kind of filter.)
 *
 *	EACCES	neither CAP_SYS_ADMIN (in the own user namespace) nor no_new_privs
 *	EINVAL	a flag that this kernel doesn't know, or a program that it doesn't take
 *	ENOMEM	too much BPF over this thread (32768 instructions on one path)
 */
int seccomp_install(const struct sock_filter *insns, unsigned short count, unsigned int flags);

/* Loads all of them, oldest first, and stops at the first that fails. Async-signal-safe. */
int seccomp_install_all(const struct seccomp_programs *programs);

/*
 * Reads the filters that the main thread of process `pid` has over it, with ptrace(2):
 * PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_SECCOMP_GET_FILTER and _GET_METADATA, PTRACE_DETACH.
 *
 * **It stops the target** for as long as that takes (well below a millisecond). A system call that
 * sleeps may be cut short by it: epoll_wait returns EINTR. Never do it unasked.
 * Signals that arrive meanwhile are delivered, and a target that was stopped (SIGSTOP) stays so.
 *
 * A running tracee can't be detached, so the tracer is a short-lived child process: when the target
 * doesn't stop within SECCOMP_COPY_DEADLINE_MS (it is frozen, or sleeps uninterruptibly) the tracer
 * is killed, and with it goes the attachment. The caller gets no SIGCHLD and its waitpid(-1)
 * doesn't see that child.
 *
 * `pidfd` refers to the same process and is asked after the attach, so that a recycled PID is found
 * out.
 *
 * The kernel tells only one flag, SECCOMP_FILTER_FLAG_LOG; SPEC_ALLOW and WAIT_KILLABLE_RECV are
 * lost. A filter that has a listener is copied without it: see seccomp_programs_want_listener().
 *
 *	ENODATA	there is no filter over the target
 *	ESRCH	it has ended
 *	EPERM	we may not trace it: CAP_SYS_PTRACE, Yama, or somebody else traces it
 *	EACCES	we lack CAP_SYS_ADMIN in the first user namespace, or are under a filter ourselves
 *	ETIMEDOUT	it couldn't be stopped
 *	EOPNOTSUPP	no CONFIG_CHECKPOINT_RESTORE, or a filter that isn't classic BPF
 */
int seccomp_copy(pid_t pid, int pidfd, struct seccomp_programs *ret, struct cj_error *err);

#define SECCOMP_COPY_DEADLINE_MS 2000

#ifdef __cplusplus
}
#endif
