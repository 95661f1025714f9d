/* SPDX-License-Identifier: MIT
 *
 * A process, named so that PID reuse can't fool us. Beyond the parser no part of the program holds
 * a bare pid_t of a process that isn't our own unreaped child.
 * Not here: what the process is like (lib/identity.h).
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/error.h>

#include "base/cleanup.h"

/*
 * The order of use, whenever something of /proc is read:
 *
 *	pidref_open()		pin it
 *	… read /proc/PID …	may be about another process, if ours has died
 *	pidref_verify()		it lived all along, so what was read is about it
 *
 * Owns both fds. Never copy the struct.
 */
struct pidref {
	pid_t pid;
	int fd;		  /* pidfd, close-on-exec; -EBADF while empty */
	int proc;	  /* /proc/PID, O_PATH; -EBADF while empty */
	uint64_t id;	  /* with pid: unique while the machine is up */
	bool id_is_inode; /* the pidfd's (6.9 and later), else a start time: field 22 of stat */
};

#define PIDREF_INIT {.fd = -EBADF, .proc = -EBADF}

/*
 * Pins process `pid`.
 *
 *	ESRCH	no such process, or it ended while we looked
 *	EINVAL	not a process but a thread of one
 *	ENOSYS	no pidfds: older than the kernel that we support (5.10)
 */
int pidref_open(pid_t pid, struct pidref *ret, struct cj_error *err);

/* What a handle says, before anybody looked whether there is such a process. */
struct handle {
	pid_t pid;
	uint64_t id;
	bool id_is_inode;
};

/* "4711:8193" or "4711:s90210". EINVAL or ERANGE: not a handle. */
int handle_parse(const char *text, struct handle *ret);

/*
 * Pins the process that a handle names.
 *
 *	ESRCH	the process that was meant is gone, whoever has its PID now
 */
int pidref_open_handle(const struct handle *handle, struct pidref *ret, struct cj_error *err);

/* 0 while the process that was opened is alive (a zombie isn't), -ESRCH after. Asks the pidfd. */
int pidref_verify(const struct pidref *ref);

/* Writes the handle; `size` of 48 is always enough. Returns its length. */
size_t pidref_format(const struct pidref *ref, char *buf, size_t size);

void pidref_done(struct pidref *ref);
