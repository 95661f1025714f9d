/* SPDX-License-Identifier: MIT
 *
 * Reading /proc/PID: through one directory fd a process, so that all files are about the same one.
 * Not here: what a whole process is like (lib/identity.h), cgroups and namespaces (their own files).
 *
 * A directory fd of /proc/PID stays with its process: once that is gone, reads fail with ESRCH,
 * whoever has the number then.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <conjoin/error.h>

#include "base/io.h"

/* Where procfs is mounted, or is to be. */
#define PROC_PATH "/proc"

/*
 * Opens /proc/PID (O_PATH, close-on-exec); pid 0 is the caller.
 *
 *	ESRCH	no such process, or hidepid= hides it
 *	ENOTSUP	what is mounted on /proc isn't procfs
 */
int proc_open(pid_t pid, int *ret_fd, struct cj_error *err);

/*
 * Is what is mounted on /proc the procfs of our own pid namespace? In another one's the numbers mean
 * other processes, and a pidfd and a directory of the same number wouldn't be about the same one.
 *
 *	ENOENT	nothing is mounted there
 *	ENOTSUP	something else is
 */
int proc_check_own(struct cj_error *err);

/* Reads `name` into a buffer of the caller's, NUL-ended. Returns its length or -errno. */
ssize_t proc_read_small(int dir, const char *name, char *buf, size_t size);

/* Reads `name` whole, at most `limit` bytes. */
int proc_read(int dir, const char *name, size_t limit, struct bytes *ret);

/* Writes `text` to `name` in one write(2). */
int proc_write(int dir, const char *name, const char *text);

/* Where the link `name` points, cut to the buffer, NUL-ended. */
ssize_t proc_readlink(int dir, const char *name, char *buf, size_t size);

/* Field 22 of stat: clock ticks since boot. */
int proc_read_start_time(int dir, uint64_t *ret);
/* The same of whoever has that number now. */
int proc_start_time_of(pid_t pid, uint64_t *ret);
int proc_parse_start_time(const char *stat, uint64_t *ret);
/* The same as a date, to the second: seconds since 1970. */
int proc_read_started(int dir, time_t *ret);

/* What the whole of stat tells and status doesn't. proc(5) */
struct proc_stat {
	bool kernel_thread; /* PF_KTHREAD of field 9 */
	bool exiting;	    /* PF_EXITING: on its way out, or a zombie */
	uint64_t memory;    /* field 23, bytes: 0 for a process that is ending */
	/* Fields 50 and 51, where the environment lies: 0 while an execve is under way. */
	uint64_t env_start, env_end;
};

int proc_read_stat(int dir, struct proc_stat *ret);

/* What we need of /proc/PID/status. Ids are as the reader's user namespace sees them. */
struct proc_status {
	char comm[64];	 /* as status escapes it: \n and \\ */
	char state;	 /* R S D Z T t X I */
	bool has_memory; /* false: a kernel thread, or a zombie */
	unsigned int umask;
	bool has_umask; /* missing in a zombie's */
	uid_t uid[4];	/* real, effective, saved, file system */
	gid_t gid[4];
	gid_t *groups; /* owned */
	size_t n_groups;
	uint64_t inheritable, permitted, effective, bounding, ambient;
	bool no_new_privs;
	int seccomp;	     /* 0 off, 1 strict, 2 filter */
	int seccomp_filters; /* -1 before 5.9 */
	pid_t inside;	     /* innermost of NSpid; 0 where the kernel doesn't tell */
	pid_t tgid;
	int threads; /* that live; the main one may have ended before others */
};

#define PROC_STATUS_INIT {.state = 0}

/* EBADMSG: not a status file. */
int proc_parse_status(const char *text, struct proc_status *ret);
/* The same of an open /proc/PID. */
int proc_read_status(int dir, struct proc_status *ret);
void proc_status_done(struct proc_status *status);

/* All PIDs that /proc shows, as they come. */
struct proc_list;
int proc_list_new(struct proc_list **ret, struct cj_error *err);
/* The next PID, 0 at the end. */
pid_t proc_list_next(struct proc_list *list);
void proc_list_free(struct proc_list *list);
