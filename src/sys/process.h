/* SPDX-License-Identifier: MIT
 *
 * What the kernel keeps for a process beside its credentials: limits, oom score, scheduling, io
 * priority, affinity, personality, timer slack, core dump filter, LSM label, session keyring.
 * Each can be read of any process and set for a process of ours.
 * Not here: namespaces, cgroups, capabilities, seccomp (files of their own).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/io.h"

enum { LIMITS = 16 };

struct limit_kind {
	const char *name;  /* as in prlimit(1) */
	const char *title; /* as in /proc/PID/limits */
};

/* By resource number: RLIMIT_CPU is 0. getrlimit(2) */
extern const struct limit_kind limit_kinds[LIMITS];

struct limits {
	struct rlimit64 of[LIMITS];
};

/* The index of a name, or -EINVAL. */
int limit_index(const char *name);
int limits_parse(const char *text, struct limits *ret);
/* By prlimit(2), or by /proc/PID/limits, which takes longer but wants less rights. 0: our own. */
int limits_read_file(int proc, struct limits *ret);
int limits_read(pid_t pid, int proc, struct limits *ret);

/* "4294967295"-like numbers of one-line files. `base` 10 or 16. */
int proc_read_number(int proc, const char *name, unsigned int base, int64_t *ret);

/* Beneath a *thread's* directory of /proc: only the process has that file. */
#define CORE_FILTER_FROM_THREAD "../../coredump_filter"

enum { AFFINITY_WORDS = 128 }; /* 8192 processors, the most that a kernel is built for */

struct affinity {
	unsigned long mask[AFFINITY_WORDS];
	size_t size; /* bytes that the kernel knows */
};

int affinity_read(pid_t pid, struct affinity *ret);
bool affinity_equal(const struct affinity *a, const struct affinity *b);
/* "0-3,7". EINVAL, ERANGE. */
int affinity_parse(const char *text, struct affinity *ret);
void affinity_format(const struct affinity *affinity, char *buf, size_t size);

/* sched(7): "other", "batch", "idle", "fifo", "rr"; what is none of them has a name, too. */
const char *scheduler_name(uint32_t policy);
int scheduler_parse(const char *name, uint32_t *ret); /* -EINVAL: no such policy */
bool scheduler_is_realtime(uint32_t policy);	      /* has a priority of its own */

/* ioprio_set(2) */
#define IOPRIO_CLASS(ioprio) ((ioprio) >> 13)
#define IOPRIO_LEVEL(ioprio) ((ioprio)&7)
#define IOPRIO_MAKE(class, level) ((class) << 13 | (level))

enum label_module { LABEL_NONE, LABEL_APPARMOR, LABEL_SELINUX };

struct label {
	enum label_module module; /* LABEL_NONE: no module labels processes here */
	char text[512];		  /* without AppArmor's mode */
};

/* attr/apparmor/current (5.8) or attr/current of an open /proc/PID. ERANGE: longer than we take. */
int label_read(int proc, struct label *ret);

/*
 * The label that the caller's next execve takes on. `attr` is the attr directory of the calling
 * thread beneath a procfs that is known to be the host's (label_open_attr).
 */
int label_open_attr(void);
int label_set_exec(int attr, const struct label *label);

/* A new, empty, nameless session keyring: keyctl(2). 0 too where there are no keys, or none for us. */
int keyring_new_session(void);
