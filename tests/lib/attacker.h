/* SPDX-License-Identifier: MIT
 *
 * What the parts of the test's hostile container share. It runs inside, as the first process, and
 * attacks every process that appears in its pid namespace for as long as that lives.
 *
 *	attacker.c         options, workers, what is written out
 *	attacker-watch.c   finds new processes, faster than they can get anything done
 *	attacker-look.c    looks at all that /proc and pidfd_getfd(2) show of one
 *	attacker-exe.c     keeps its executable and tries to write to it
 *	attacker-trace.c   stops it with ptrace(2) and has it make system calls
 *	attacker-forge.c   takes its pipes, and writes into them what it never wrote; signals
 *	attacker-swap.c    not an attack on others: a target that changes while it's being entered
 *
 * Not here: any judgement that only the host can make, such as exit statuses (the test's business).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "../../src/base/cleanup.h"

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

#define TTY "/tmp/tty" /* what /dev/tty is, made by ourselves */

enum { MOUNTS_MAX = 256, NAMESPACES = 8 };

/* What a process of this container looks like: what differs from it came from outside. */
struct baseline {
	uint64_t mounts[MOUNTS_MAX];
	size_t n_mounts;
	char namespaces[NAMESPACES][64]; /* "mnt:[4026531841]" */
	uint64_t caps[5];
	int seccomp, no_new_privs;
};

extern const char *const namespace_names[NAMESPACES];

struct attacker {
	const char *marker; /* a path that only the host has, absolute */
	const char *secret; /* a word of the caller's environment */
	bool confined;	    /* a filter of ours is expected of every process, from its birth on */
	struct baseline own;
	volatile bool *begin, *stop;   /* shared by all workers */
	volatile unsigned int *caught; /* how often conjoin itself was seen in here; shared */
	volatile unsigned int *traced;
};

/* A process that has just appeared. */
struct victim {
	pid_t pid;
	int pidfd;
	int proc; /* its directory in /proc, O_PATH; -EBADF where it couldn't be opened */
	unsigned int number;
};

/* Writes "FINDING …", each text once a worker. */
void finding(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Reads a file of a process whole, but for what doesn't fit; its length or -errno. NUL-ended. */
ssize_t read_at(int directory, const char *name, char *buf, size_t size);

/* "CapPrm" of a status: its number, UINT64_MAX where there is none. */
uint64_t status_number(const char *status, const char *key, int base);

/* Is this the program that enters us, and not yet a command? A file that no mount of ours has. */
bool is_foreign_exe(const struct attacker *a, int proc);

bool is_own_mount(const struct attacker *a, int fd);
int baseline_read(struct baseline *ret);
bool has_ended(const struct victim *v);

/* Waits for the next new process; -1 when it's time to stop. `*cursor` begins at 0. */
int next_victim(const struct attacker *a, pid_t *cursor, struct victim *ret);
void victim_done(struct victim *v);

/* What a worker does with each victim. */
typedef void attack(const struct attacker *a, struct victim *v);

attack attack_look, attack_exe, attack_trace, attack_unreaped, attack_kill, attack_stop,
	attack_forge, attack_hold, attack_drain, attack_mute, attack_halt;

/* Tries once more what was kept, when everybody has gone. */
void exe_finish(const struct attacker *a);

/* Checks status, stat and namespaces of a process against the baseline. */
void judge_identity(const struct attacker *a, int proc, const char *who);

int swap_main(const char *kind);			     /* attacker --swap KIND */
int inspect_main(struct attacker *a, int argc, char **argv); /* attacker --inspect */
