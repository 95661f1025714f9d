/* SPDX-License-Identifier: MIT
 *
 * The processes of a container with their numbers outside and inside, and one number into the other.
 * Not here: what a process is beyond its numbers and its command line (inspect.h).
 *
 * "Inside" is the pid namespace of the target, "host" the one of the caller, which is the same one or
 * above it. Numbers are those of processes; a thread's number is nobody's. pid_namespaces(7)
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include <conjoin/error.h>
#include <conjoin/target.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cj_pids_options {
	size_t size;	   /* sizeof(struct cj_pids_options) */
	const pid_t *only; /* look at these host PIDs alone, `n_only` of them; NULL: at all */
	size_t n_only;
	int no_commands; /* 1: command lines aren't read, and are all empty */
};

#define CJ_PIDS_OPTIONS_INIT {.size = sizeof(struct cj_pids_options)}

#define CJ_PIDS_NONE ((size_t)-1)

enum { CJ_PIDS_COMMAND_MAX = 65536 };

/*
 * A process. Its numbers and its name are from one read of one file, so they belong together. Texts
 * come from the process: bytes as they are, hostile, to be escaped before a terminal sees them.
 */
struct cj_pid {
	pid_t host;
	pid_t inside;	     /* levels[] has it as well */
	const pid_t *levels; /* one number a pid namespace: the caller's first, its own last */
	size_t n_levels;
	size_t parent;	  /* index of the parent process, or CJ_PIDS_NONE: it isn't there */
	char state;	  /* as in /proc/PID/status: R S D T t Z I */
	const char *name; /* at most 15 bytes, for a thread of the kernel 63 */
	const char *const *command; /* NULL-ended; none: a zombie, a thread of the kernel */
	size_t n_command;
	int truncated; /* the command line was cut after CJ_PIDS_COMMAND_MAX bytes */
	int unread;    /* errno: the command line couldn't be read */
};

struct cj_pids;

/*
 * Reads all processes that have a number in the target's pid namespace, those of namespaces nested in
 * it included: what ps(1) shows inside. If that namespace is the caller's own: the target and its
 * descendants. A process that ends meanwhile is left out, one that is born meanwhile may be. `options`
 * may be NULL. The cost is linear in the number of processes of the machine.
 *
 *	ESRCH	the target has ended
 *	EACCES	no right to look at the target's pid namespace: ptrace(2), "ptrace access mode checking"
 *	ENOMEM
 *
 * Free with cj_pids_free().
 */
int cj_pids_read(const struct cj_target *target, const struct cj_pids_options *options,
		 struct cj_pids **ret, struct cj_error *err);
void cj_pids_free(struct cj_pids *pids);

/*
 * Parents come before their children and a child's descendants before its next sister; children are in
 * the order of their host PIDs. The first process of a pid namespace is the first of all. What is
 * returned lives as long as `pids`.
 */
size_t cj_pids_count(const struct cj_pids *pids);
const struct cj_pid *cj_pids_at(const struct cj_pids *pids, size_t i);

/*
 * How many processes are left out because nobody could tell whether they are inside: before Linux 6.11
 * a caller without the right to look at their namespaces.
 */
size_t cj_pids_unread(const struct cj_pids *pids);

/*
 * One number: the one inside of host PID `host`, or the host's of `inside`. Whoever has it when the
 * kernel is asked, whether or not it descends from the target.
 *
 *	ESRCH	no process has that number there, or the target has ended
 *	EACCES	no right to look, as above
 */
int cj_pids_inside(const struct cj_target *target, pid_t host, pid_t *ret, struct cj_error *err);
int cj_pids_host(const struct cj_target *target, pid_t inside, pid_t *ret, struct cj_error *err);

#ifdef __cplusplus
}
#endif
