/* SPDX-License-Identifier: MIT
 *
 * Running a plan: the command is started as the plan says and is our child from then on.
 *
 *	cj_target_open()  →  cj_plan_exec()  →  cj_launch()  →  cj_child_wait()
 *
 * Not here: deciding anything (plan.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <termios.h>

#include <conjoin/error.h>
#include <conjoin/log.h>
#include <conjoin/plan.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cj_launch_options {
	size_t size;
	cj_log_function *log; /* NULL: nobody listens */
	void *log_data;
	enum cj_log_level log_level;
	/*
	 * What becomes 0, 1 and 2 of the command: fds of the caller, who keeps them; -1 is
	 * /dev/null. A terminal isn't accepted (EINVAL): it would be a way out of the container.
	 */
	int stdio[3];
	/*
	 * Not -1: the slave of a pty, which becomes the controlling terminal and replaces `stdio`.
	 * Take it from cj_pty_open().
	 */
	int terminal;
	/*
	 * Set by callers with more than one thread: the kernel's parent death signal comes when the
	 * *thread* that launched ends, so it isn't used then.
	 */
	int threaded;
	/*
	 * A signalfd(2) of blocked signals, or -1. While the command is being started SIGINT, SIGTERM,
	 * SIGHUP and SIGQUIT end the attempt (EINTR); others are kept and sent on by cj_session_run().
	 */
	int signals;
	/*
	 * The command isn't bound to the caller's life: no parent death signal, no watchdog. Let go of
	 * it by cj_child_release(). Before execve it still ends with the caller, and a signal of
	 * `signals` that ends an attempt does so to the last. A command that has a terminal, or
	 * cgroups of its own (somebody has to remove them), can't be detached: EINVAL.
	 */
	int detach;
	/*
	 * A terminal of the caller's that the caller is going to make raw, or -1: should the caller be killed while it's raw,
	 * it gets back the mode that it had at cj_child_guard_terminal(). Stays the caller's.
	 */
	int guarded_terminal;
	/*
	 * The caller's 3 … N+2 become the command's, under the same numbers, close-on-exec or not; the caller keeps
	 * them. All must be open (EBADF). A terminal isn't accepted (EINVAL), nor one that the library itself has open
	 * there, as of the target (EINVAL): what else can be done with them is the caller's to know. A directory is a way out of
	 * the container.
	 */
	unsigned int preserve_fds;
	/*
	 * Milliseconds of CLOCK_MONOTONIC, or 0: by then the command has to run, else the attempt ends with ETIMEDOUT;
	 * after 30 seconds it does anyway. What then sits in a call that can't be interrupted isn't waited for.
	 */
	int64_t deadline;
};

#define CJ_LAUNCH_OPTIONS_INIT                                                                     \
	{                                                                                          \
		.size = sizeof(struct cj_launch_options), .stdio = {0, 1, 2}, .terminal = -1,      \
		.signals = -1, .guarded_terminal = -1                                              \
	}

/* A started command: ours to wait for. Owns a pidfd and, until cj_child_free(), the command's life. */
struct cj_child;

/*
 * Starts the plan's command. Returns when it runs: execve has succeeded. A failure at any step is
 * this call's failure, and then nothing is left behind.
 *
 *	err->status 126	the command was found but can't be executed
 *	err->status 127	it wasn't found
 *	ESRCH		the target has ended
 *	EINTR		a signal came meanwhile, or ended one of our processes
 *	ENOEXEC		with status 0: programs can't be executed from memory here, and the caller's
 *			own file could be written to from inside: cj_seal_self() first
 *	ETIMEDOUT	a step took more than 30 seconds, or longer than `deadline` (a file system that doesn't answer)
 *	others		of the step that the text names; see setns(2), clone3(2), cgroups(7)
 *
 * The caller must not have SIGCHLD ignored. Two processes tell their end by it, the command and a
 * helper before; nobody in the caller may wait for just any child meanwhile. May be called from any thread (see `threaded`); no
 * thread of the caller changes namespaces, ids or signal dispositions.
 */
int cj_launch(struct cj_plan *plan, const struct cj_launch_options *options, struct cj_child **ret,
	      struct cj_error *err);

/* The PID as we see it, and as the innermost pid namespace of the command sees it (0: unknown). */
pid_t cj_child_pid(const struct cj_child *child);
pid_t cj_child_pid_inside(const struct cj_child *child);

/* Writes its handle, "4711:8193", as cj_target_open() takes it; 48 bytes are always enough. Returns the
 * length; ESRCH or ECHILD: it was waited for. */
int cj_child_handle(const struct cj_child *child, char *buf, size_t size);

/* The pidfd: readable when the command has ended. The child's own, don't close it. */
int cj_child_pidfd(const struct cj_child *child);

/* Sends a signal. ESRCH: it has ended. */
int cj_child_signal(struct cj_child *child, int signal);

struct cj_exit {
	int code;   /* 0 … 255, -1 when a signal ended it */
	int signal; /* 0 when it exited */
	int core;   /* a core was dumped */
};

/* Waits for the end. Once it has returned 0 it returns the same again. */
int cj_child_wait(struct cj_child *child, struct cj_exit *ret, struct cj_error *err);

/*
 * What the command has used, with those whom it has waited for itself: waitid(2), getrusage(2).
 * EBUSY: nobody has waited for it yet.
 */
int cj_child_usage(const struct cj_child *child, struct rusage *ret);

/*
 * Tells each cgroup of the command, in the form of /proc/PID/cgroup: "cpu,cpuacct", "name=systemd", "" for
 * v2, and the path in that hierarchy. The strings live as long as the call. ESRCH: it has ended, or is about to.
 */
typedef void cj_cgroup_function(void *data, const char *controllers, const char *path);
int cj_child_cgroups(const struct cj_child *child, cj_cgroup_function *each, void *data);

/* 1: it has a cgroup to itself, by which all that it starts can be found. 0: only its session's processes can. */
int cj_child_has_tree(const struct cj_child *child);

/*
 * Kills the command if it still runs, with all in cgroups that were made for it; waits for it, unless cj_session_run() has given
 * that up; removes these cgroups. What survives of a command that has ended moves from a tree's cgroup to the one above; other cgroups stay as long as
 * somebody lives there. NULL: does nothing.
 */
void cj_child_free(struct cj_child *child);

/*
 * Lets go of a command that was launched with `detach`: frees what is here and leaves it running; of
 * any other it does what cj_child_free() does. It stays a child of the caller until the caller ends,
 * when the next subreaper or init inherits it. A caller that lives on has to reap it: as long as it
 * is a zombie the first process of its container can't end. pid_namespaces(7)
 */
void cj_child_release(struct cj_child *child);

/*
 * The `guarded_terminal` will be made raw from the mode `before`: to be called each time before that. NULL: it has its mode back, and
 * whatever becomes of it is somebody else's. Of a child that was launched without one: EINVAL.
 */
int cj_child_guard_terminal(struct cj_child *child, const struct termios *before);

/*
 * For a process that was forked from the caller that launched the command (with `threaded`, so that it isn't bound to that
 * one's life): from now on it's the supervisor, and the other one ends without cj_child_free(). There is a new watchdog,
 * which knows nothing of a `guarded_terminal`; if none can be made that's the error, and all else is as it should be. How the command ends isn't known here: code -1, signal 0.
 */
int cj_child_inherit(struct cj_child *child, struct cj_error *err);

/*
 * Opens a pty in the target's own devpts (so that `tty` works inside), else in ours. Both fds are
 * the caller's. `rows` and `columns` of 0: left alone. Returns 1 if it's one of ours though the command sees the target's
 * files: there is no devpts.
 */
int cj_pty_open(struct cj_plan *plan, unsigned short rows, unsigned short columns, int *ret_master,
		int *ret_slave, struct cj_error *err);

#ifdef __cplusplus
}
#endif
