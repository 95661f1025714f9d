/* SPDX-License-Identifier: MIT
 *
 * What the parts of the test container share: its options, its errors, and each part's few calls.
 * Not here: anything of conjoin itself but scoped cleanup. What is tested must not also build the
 * test's container.
 *
 *	supervisor (sandbox.c)              builder                      container (PID 1 inside)
 *	---------------------------         -----------------------      ------------------------
 *	cgroups made
 *	fork ─────────────────────────────► waits
 *	put it into the cgroups
 *	GO ───────────────────────────────► scheduling, oom score
 *	                                    unshare(all at once)
 *	                       UNSHARED ◄── (cgroup namespace: rooted
 *	id maps, time offsets                at the cgroup it is in)
 *	GO ───────────────────────────────► clone(CLONE_PARENT) ───────► mounts, pivot_root, hostname
 *	                    MADE its pid ◄── exits                       ids, seccomp, capabilities
 *	                                                                 pdeathsig
 *	end of file: it runs ◄────────────────────────────────────────── execve, closes the socket
 *	ready line; poll until the end
 *
 * unshare(CLONE_NEWPID|CLONE_NEWTIME) acts on children only, which is why there is a builder; the
 * offsets of a time namespace can be written until its first process is there.
 */
#pragma once

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "../../src/base/cleanup.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define UNSET LLONG_MIN	   /* a number that wasn't given */
#define SANDBOX_FAILED 125 /* our own failure; else the exit status is the container's */
#define CONTROL_FD 3	   /* where the built-in init finds its end of the socket */
#define MAX_LIST 64

struct failure {
	int code; /* errno, positive */
	char text[240];
};

/* Records the first failure, returns -code. */
int fail(struct failure *why, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

struct sandbox_limit {
	int resource;
	struct rlimit value;
};

/* What was asked for on the command line. Strings are borrowed from argv. */
struct sandbox {
	const char *rootfs;
	char **command;	      /* NULL: the built-in init */
	long long namespaces; /* CLONE_NEW… */
	bool map_self, bind, no_new_privs, freeze, no_cgroup, no_proc, until_eof, cleanup, help;
	long long map_base, map_size;
	long long uid, gid;
	gid_t groups[MAX_LIST];
	size_t n_groups;
	uint64_t caps, bounding, inheritable, ambient;
	bool have_caps, have_bounding, have_inheritable, have_ambient;
	const char *seccomp[MAX_LIST];
	size_t n_seccomp;
	char **env; /* NULL-ended; the array is owned */
	size_t n_env;
	char *env_file; /* owned bytes behind some of `env` */
	const char *cwd, *chroot, *hostname, *comm;
	struct sandbox_limit limits[RLIM_NLIMITS];
	size_t n_limits;
	long long umask, nice, oom, sched_policy, sched_priority, ioprio;
	long long personality, timer_slack, coredump_filter, hidepid;
	long long monotonic, boottime;
	cpu_set_t affinity;
	bool have_affinity;

	int self_fd; /* a sealed copy of this program, for the built-in init */
	struct owner *owners;
	size_t n_owners;
};

/* A file of ROOTFS that doesn't belong to root, as seen before a user namespace hides it. */
struct owner {
	char *path;
	uid_t uid;
	gid_t gid;
};

/* sandbox-options.c */
int options_parse(struct sandbox *box, int argc, char **argv, struct failure *why);
void options_usage(void);
int parse_number(const char *text, int base, long long min, long long max, long long *ret);
const char *namespace_name(size_t i, int *ret_flag); /* NULL behind the last */

/* sandbox-environment.c */
int environment_add(struct sandbox *box, char *entry);
int environment_read(struct sandbox *box, const char *path);
int environment_complete(struct sandbox *box, struct failure *why); /* adds our own */

/* sandbox-cgroup.c */
struct hierarchy {
	char controllers[128]; /* as in /proc/PID/cgroup; empty for v2 */
	char top[PATH_MAX];    /* the first directory that we made */
	char leaf[PATH_MAX];   /* where the container lives; below `top`, or `top` itself */
};

struct cgroups {
	struct hierarchy list[32];
	size_t n;
};

int cgroups_make(const struct sandbox *box, struct cgroups *groups, struct failure *why);
int cgroups_attach(const struct cgroups *groups, pid_t pid, struct failure *why);
int cgroups_freeze(const struct cgroups *groups, struct failure *why);
void cgroups_thaw(const struct cgroups *groups);
/* Kills what is left in them, removes them. Complains on stderr about what stays. */
int cgroups_remove(struct cgroups *groups);
/* Removes what dead sandboxes have left. */
int cgroups_cleanup(struct failure *why);

/* sandbox-inside.c: the first returns only with a failure, the second never. */
int inside_run(const struct sandbox *box, int control, const sigset_t *signals,
	       struct failure *why);
int inside_init(const char *name); /* after execve: argv is {NAME, "--init"} */

/* sandbox-root.c: all of it runs in the container's mount namespace but owners_collect(). */
int owners_collect(struct sandbox *box, struct failure *why);
int root_enter(const struct sandbox *box, struct failure *why);

/* sandbox-identity.c */
int identity_outside(const struct sandbox *box, struct failure *why); /* needs the host's rights */
int identity_become_root(const struct sandbox *box, struct failure *why);
int identity_apply(const struct sandbox *box, struct failure *why);
int write_file(const char *path, const char *text);
int read_file(const char *path, char *buf, size_t size);

/* sandbox-seccomp.c */
int seccomp_apply(const struct sandbox *box, struct failure *why);
