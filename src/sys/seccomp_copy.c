/* SPDX-License-Identifier: MIT
 *
 * Reading the filters of a live process with ptrace(2).
 * Not here: deciding that it's worth to stop a process (the user does).
 *
 *	caller				tracer (short-lived)		target
 *	------				--------------------		------
 *	shared memory
 *	clone ------------------------> PTRACE_SEIZE
 *	poll(tracer, deadline)		still the one behind pidfd?
 *					PTRACE_INTERRUPT -------------> stops
 *					GET_FILTER, GET_METADATA
 *					PTRACE_DETACH ----------------> goes on
 *	reap <------------------------- exit
 *
 * A tracer of its own, because a tracee that never stops can't be detached: PTRACE_DETACH wants a
 * stopped one. What does end an attachment at any time is the tracer's death, so it is killed.
 */
#include <linux/seccomp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <time.h>

#include "base/cleanup.h"
#include "sys/proc.h"
#include "sys/seccomp.h"
#include "sys/syscalls.h"

/* MAX_INSNS_PER_PATH of kernel/seccomp.c; each filter counts for 4 more than it has. */
#define MAX_INSNS 32768
#define MAX_FILTERS (MAX_INSNS / 5)

enum step { STEP_NONE, STEP_ATTACH, STEP_STOP, STEP_READ };

/* Shared with the tracer; the kernel gives pages only to what is touched. */
struct copy {
	int code; /* errno, 0 when all went well */
	enum step step;
	size_t n_filters; /* oldest first */
	size_t n_insns;
	struct {
		unsigned short count;
		unsigned int flags;
	} filters[MAX_FILTERS];
	struct sock_filter insns[MAX_INSNS];
};

/* Only LOG is ever told (seccomp_get_metadata); a kernel that can't tell (before 4.16) says EIO. */
static unsigned int read_flags(pid_t pid, size_t index)
{
	struct __ptrace_seccomp_metadata metadata = {.filter_off = index};

	if (ptrace(PTRACE_SECCOMP_GET_METADATA, pid, sizeof(metadata), &metadata) < 0)
		return 0;
	return (unsigned int)metadata.flags;
}

/*
 * Index 0 is the filter that was loaded first, whatever ptrace(2) says (get_nth_filter() counts
 * from the end of the chain; a test looks). ENOENT: that was all.
 */
static int read_filters(struct copy *copy, pid_t pid)
{
	for (size_t i = 0;; i++) {
		long n = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, i, NULL);

		if (n < 0)
			return errno == ENOENT && i > 0 ? 0 : -errno;
		if (i >= MAX_FILTERS || n < 1 || copy->n_insns + (size_t)n > MAX_INSNS)
			return -EFBIG;
		if (ptrace(PTRACE_SECCOMP_GET_FILTER, pid, i, copy->insns + copy->n_insns) != n)
			return -EIO; /* nobody can change a filter: can't happen */
		copy->filters[i].count = (unsigned short)n;
		copy->filters[i].flags = read_flags(pid, i);
		copy->n_insns += (size_t)n;
		copy->n_filters = i + 1;
	}
}

static bool has_ended(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 0) != 0;
}

enum { SEIZE_TRIES = 200, SEIZE_PAUSE_MS = 5 };

static int seize(pid_t pid)
{
	return ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ? -errno : 0;
}

static bool is_traced(pid_t pid)
{
	static const char field[] = "\nTracerPid:\t";
	_cleanup_fd_ int proc = -EBADF;
	char text[4096];
	const char *at;

	if (proc_open(pid, &proc, NULL) < 0 ||
	    proc_read_small(proc, "status", text, sizeof(text)) < 0)
		return false;
	at = strstr(text, field);
	return at && at[sizeof(field) - 1] != '0';
}

static int trace(struct copy *copy, pid_t pid, int pidfd)
{
	int r, status, sig;

	copy->step = STEP_ATTACH;
	/* EPERM may mean that another has it for the moment, another copy of ours say. */
	for (int i = 0; (r = seize(pid)) == -EPERM && is_traced(pid) && i < SEIZE_TRIES; i++)
		(void)poll(NULL, 0, SEIZE_PAUSE_MS);
	if (r < 0)
		return r;
	if (has_ended(pidfd)) /* so that number may be another's, and our exit lets go of it */
		return -ESRCH;
	copy->step = STEP_STOP;
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
		return -errno;
	do
		r = waitpid(pid, &status, __WALL);
	while (r < 0 && errno == EINTR);
	if (r < 0 || !WIFSTOPPED(status))
		return -ESRCH;

	copy->step = STEP_READ;
	r = read_filters(copy, pid);
	/*
	 * It may have stopped for a signal of its own that came first: then it gets it now. The
	 * stop that we asked for, and a group stop that it is in, carry PTRACE_EVENT_STOP; the
	 * kernel renews the latter by itself.
	 */
	sig = status >> 16 ? 0 : WSTOPSIG(status);
	(void)ptrace(PTRACE_DETACH, pid, NULL, (long)sig); /* fails if it was killed meanwhile */
	return r;
}

/* Only async-signal-safe calls: the caller may have threads, whose locks were copied as they were. */
__attribute__((noreturn)) static void tracer_main(struct copy *copy, pid_t pid, int pidfd)
{
	(void)sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0); /* the caller's deadline dies with it */
	copy->code = -trace(copy, pid, pidfd);
	_exit(0);
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* can't fail */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0 when it ended in time, else -ETIMEDOUT. Reaped in any case. */
static int wait_for_tracer(pid_t tracer)
{
	_cleanup_fd_ int fd =
		sys_pidfd_open(tracer, 0); /* ours and unreaped: no other can be meant */
	int64_t end = now_ms() + SECCOMP_COPY_DEADLINE_MS;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	siginfo_t info = {.si_pid = 0};
	int r = fd < 0 ? fd : 0;

	while (r == 0) {
		int64_t left = end - now_ms();
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (n > 0)
			break;
		if (n == 0)
			r = -ETIMEDOUT;
		else if (errno != EINTR)
			r = -errno;
	}
	if (r < 0)
		(void)kill(tracer, SIGKILL); /* unreaped: the number is still its own */
	while (sys_waitid(P_PID, (id_t)tracer, &info, WEXITED | __WALL) == -EINTR)
		;
	if (r == 0 && info.si_code != CLD_EXITED)
		r = -ECANCELED; /* somebody killed it */
	return r;
}

static int explain(const struct copy *copy, int code, pid_t pid, struct cj_error *err)
{
	if (code == ETIMEDOUT) {
		cj_hint(err, "it may be frozen (paused), or stuck in the kernel");
		return cj_fail(err, code, "stop process %d to read its seccomp filters", pid);
	}
	if (copy->step == STEP_ATTACH && code == EPERM) {
		cj_hint(err, "this takes CAP_SYS_PTRACE, and that no debugger is attached");
		return cj_fail(err, code, "attach to process %d to read its seccomp filters", pid);
	}
	if (copy->step == STEP_READ && code == EACCES) {
		cj_hint(err, "this takes CAP_SYS_ADMIN, from outside of every container");
		return cj_fail(err, code, "read the seccomp filters of process %d", pid);
	}
	/* EINVAL: not in filter mode; ENOENT: in it without any, which the kernel excludes. */
	if (copy->step == STEP_READ && (code == EINVAL || code == ENOENT))
		return cj_fail(err, ENODATA, "read the seccomp filters of process %d", pid);
	/* EIO: the request is unknown; EMEDIUMTYPE: loaded as eBPF. */
	if (copy->step == STEP_READ && (code == EIO || code == EMEDIUMTYPE))
		code = EOPNOTSUPP;
	return cj_fail(err, code, "read the seccomp filters of process %d", pid);
}

/* To the heap. */
static int take_programs(const struct copy *copy, struct seccomp_programs *ret)
{
	_cleanup_(seccomp_programs_done) struct seccomp_programs programs = SECCOMP_PROGRAMS_INIT;
	const struct sock_filter *from = copy->insns;

	programs.list = calloc(copy->n_filters, sizeof(*programs.list));
	if (!programs.list)
		return -ENOMEM;
	programs.count = copy->n_filters;
	for (size_t i = 0; i < copy->n_filters; i++) {
		struct seccomp_program *to = &programs.list[i];
		size_t size = copy->filters[i].count * sizeof(*from);

		to->insns = malloc(size);
		if (!to->insns)
			return -ENOMEM;
		memcpy(to->insns, from, size);
		to->count = copy->filters[i].count;
		to->flags = copy->filters[i].flags;
		from += to->count;
	}
	*ret = programs;
	programs = (struct seccomp_programs)SECCOMP_PROGRAMS_INIT;
	return 0;
}

int seccomp_copy(pid_t pid, int pidfd, struct seccomp_programs *ret, struct cj_error *err)
{
	struct copy *copy;
	pid_t tracer;
	int r;

	copy = mmap(NULL, sizeof(*copy), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return cj_fail(err, errno, "read the seccomp filters of process %d", pid);

	/* Exit signal 0: no SIGCHLD, and a waitpid(-1) of the caller's doesn't see it. */
	tracer = sys_clone(0, NULL);
	if (tracer == 0)
		tracer_main(copy, pid, pidfd);
	r = tracer < 0 ? tracer : wait_for_tracer(tracer);
	if (r == 0)
		r = -copy->code;
	if (r == 0)
		r = take_programs(copy, ret);
	if (r < 0)
		r = explain(copy, -r, pid, err);
	(void)munmap(copy, sizeof(*copy));
	return r;
}
