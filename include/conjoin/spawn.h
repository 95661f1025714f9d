/* SPDX-License-Identifier: MIT
 *
 * Commands of our own, here: many at a time, each in a session of its own and in a cgroup by which all that it starts can be found. What a server
 * runs for its clients; as cheap as a process and an execve(2) can be.
 *
 *	cj_spawner_new()  →  cj_spawn()  →  poll(2) cj_child_pidfd()  →  cj_child_wait()  →  cj_child_settle() until 1  →  cj_child_free()
 *
 * Not here: commands beside a target (plan.h, child.h).
 */
#pragma once

#include <stddef.h>

#include <conjoin/child.h>
#include <conjoin/error.h>
#include <conjoin/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where they run: owns a cgroup below the caller's own, and a watchdog, which kills all of them should the caller be killed. */
struct cj_spawner;

struct cj_spawner_options {
	size_t size;
	/* Limits of each command with all that it starts: "64m", "0.5", "100"; NULL: none. */
	const char *memory, *cpus, *pids_limit;
	cj_log_function *log; /* a warning where no cgroup can be made. NULL: nobody listens */
	void *log_data;
};

#define CJ_SPAWNER_OPTIONS_INIT {.size = sizeof(struct cj_spawner_options)}

/*
 * Makes the cgroup "conjoin-HANDLE.PIDNS.TIME" below the caller's own: of v2, else of v1's freezer. Each command gets one
 * below that, without a controller, which the next one gets when it's empty again. With limits each command gets
 * fresh ones beside the caller's instead, and a watchdog of its own, which takes some milliseconds. Where no cgroup can be made there is a warning, and
 * commands go without: then what has left a command's session can't be found, and there can be 4,096 at a time.
 *
 * A spawner and its children are for one thread at a time.
 *
 *	EINVAL	a limit that isn't one
 *	others	with limits: of cgroups(7)
 */
int cj_spawner_new(const struct cj_spawner_options *options, struct cj_spawner **ret,
		   struct cj_error *err);

struct cj_spawn_options {
	size_t size;
	const char *const *argv;
	const char *const *env; /* all of it; argv[0] is looked for in its PATH, if it has no slash */
	const char *cwd;	/* NULL: the caller's */
	/* What becomes 0, 1, 2: the caller's, who keeps them; -1 is /dev/null. */
	int stdio[3];
	int terminal; /* the slave of a pty, in place of stdio, or -1 */
};

#define CJ_SPAWN_OPTIONS_INIT                                                                      \
	{                                                                                          \
		.size = sizeof(struct cj_spawn_options), .stdio = {-1, -1, -1}, .terminal = -1     \
	}

/*
 * Returns when it's executed. It has all signals at their defaults and none blocked, no file of the caller's but those named,
 * leads a session, and gets SIGKILL when the caller ends: by the kernel, if the caller has one thread only (the parent death signal comes
 * with the end of the *thread* that called this), and by the watchdog in any case, with all that it has started.
 *
 * What it costs doesn't depend on the caller's memory and open files: until execve(2) the process shares both. The calling thread sleeps
 * meanwhile, also as long as a file system of `cwd` or of the command doesn't answer.
 *
 * Its end raises SIGCHLD, which the caller must not ignore: then nobody could wait for it (ECHILD). Nor may anybody wait for just any child.
 *
 *	err->status 126, 127	as for cj_launch()
 *	EINVAL			no command
 *	EAGAIN			too many processes
 *	EMFILE, ENFILE		two files are wanted for a moment, and one for as long as there is the child
 *	EBUSY			somebody keeps the cgroups frozen
 *	others			of `cwd`, or of the step that the text names
 */
int cj_spawn(struct cj_spawner *spawner, const struct cj_spawn_options *options,
	     struct cj_child **ret, struct cj_error *err);

/* Kills who is left in the cgroups, and removes them; the children of cj_spawn() must have been freed before. NULL: does nothing. */
void cj_spawner_free(struct cj_spawner *spawner);

/* --- of any child, cj_launch()'s as well; neither waits --- */

/*
 * Sends SIGKILL to the command and to all that it has started, as far as they can be found: who is in its cgroups or its session. Without
 * cgroup.kill (Linux 5.14, v2) one that forks meanwhile may be missed: again, as long as cj_child_settle() says 0.
 */
void cj_child_kill(struct cj_child *child);

/*
 * After cj_child_wait(): 1 when nobody of its cgroup is left, or nothing can be told; its cgroup is gone then, or is the spawner's again. 0: somebody lives,
 * or it wasn't waited for; ask again later, after cj_child_kill() soon. Without a cgroup it's about the command's session, as far as that is known.
 */
int cj_child_settle(struct cj_child *child);

#ifdef __cplusplus
}
#endif
