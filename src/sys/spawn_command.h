/* SPDX-License-Identifier: MIT
 *
 * A new process that becomes a command at once, as cheap as that can be: until execve(2) it shares the caller's memory
 * and table of files, so nothing is copied, however big the caller is and however many files it has open.
 * Not here: where a command is looked for, and what becomes of it (lib/spawner.h); processes of ours (spawn.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What has failed in the new process. */
enum spawn_step {
	SPAWN_FINE, /* nothing; or there was no process */
	SPAWN_FILES,
	SPAWN_SESSION,
	SPAWN_CGROUP,
	SPAWN_STDIO,
	SPAWN_TERMINAL,
	SPAWN_DIRECTORY,
	SPAWN_SIGNALS,
	SPAWN_EXECUTE,
};

/* Written by the new process, in memory that the caller shares with copies of itself (MAP_SHARED). */
struct spawn_report {
	/*
	 * Its number, before it does anything else; 0: there is none. So a watchdog finds it that isn't in its cgroup yet. The
	 * caller's to clear.
	 */
	pid_t pid;
	int step; /* enum spawn_step */
	int code; /* errno. ELIBBAD: the program is there, its interpreter isn't; EISDIR: it's a directory */
	size_t path; /* of `paths`: what `code` of SPAWN_EXECUTE is about; n_paths: none of them was there */
};

struct spawn_command {
	int cgroup;	  /* a directory of v2 that it's born in (CLONE_INTO_CGROUP, 5.7); -1 */
	const int *procs; /* lists of processes of cgroups that it writes itself into */
	size_t n_procs;
	int stdio[3];	 /* what becomes 0, 1 and 2: any fds of the caller's */
	bool terminal;	 /* 0 becomes the controlling terminal */
	const char *cwd; /* NULL: the caller's */
	char *const *argv, *const *env;
	const char *const *
		paths; /* tried as execvp(3) does, but for a file that the kernel can't execute: no shell gets it */
	size_t n_paths;
	struct spawn_report *report;
};

/*
 * Returns its PID when it has executed the command, or -errno. It leads a session, has every signal at its default and none blocked,
 * no file but 0, 1 and 2, and, where the caller has one thread only, gets SIGKILL when that ends: with several the parent death signal
 * would come when the thread ends that has called this. prctl(2)
 * Its end raises SIGCHLD: execve(2) sets that. Of a failure before nobody is told but who calls this.
 *
 * All that can keep it is the file system of `cwd` and `paths`, and somebody who freezes the cgroup in this moment: then it keeps the caller.
 *
 *	report->step	not SPAWN_FINE: that's what has failed in the new process, with this errno; it has been waited for
 *	ENOSYS, EPERM, EINVAL, E2BIG	with a cgroup: the kernel can't, or a filter of ours denies clone3: try with `procs`
 *	EBUSY, EOPNOTSUPP, ENODEV	the cgroup takes no processes, or is gone
 *	EAGAIN		too many processes
 */
pid_t process_spawn_command(const struct spawn_command *command, int *ret_pidfd);
