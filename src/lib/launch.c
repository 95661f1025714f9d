/* SPDX-License-Identifier: MIT
 *
 * The supervisor's side of a launch: makes the stage and listens until the command runs. It
 * decides nothing: the plan has.
 * The sequence of all three processes stands in stage.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/elsewhere.h"
#include "lib/options.h"
#include "lib/seal.h"
#include "lib/session_signals.h"
#include "lib/stage_program.h"
#include "lib/starting.h"
#include "lib/target.h"
#include "lib/watchdog.h"
#include "stage/report.h"
#include "sys/syscalls.h"

enum {
	DEADLINE_MS = 30000,
	END_MS = 2000,
	HURRIED_MS = 100,	/* for who was killed to be gone; with a deadline */
	SLICE_MS = 200,		/* how often we look whether the cgroup was frozen */
	REPORTS_MAX = 256,	/* more is a child that was made to talk */
	REPORTS_EXPECTED = 128, /* more than any plan has steps */
};

/*
 * Opens the child, once there is one. The number comes from the kernel by way of the stage, which the
 * container can't reach, and as our unreaped child it is nobody else's.
 */
static int take_child(struct starting *s, struct cj_error *err)
{
	pid_t pid = __atomic_load_n(&s->shared->child, __ATOMIC_ACQUIRE);

	if (s->child > 0 || pid <= 0)
		return 0;
	s->child_fd = sys_pidfd_open(pid, 0);
	if (s->child_fd < 0)
		return cj_fail(err, -s->child_fd, "open the command's process");
	if (process_is_child(s->child_fd) <
	    0) { /* somebody in the caller waits for any child, and was quick */
		close_fd(&s->child_fd);
		return cj_fail(err, ECHILD, "keep hold of the command's process");
	}
	s->child = pid;
	return 0;
}

/* Who it has to kill, if there is one already. */
static void tell_watchdog(struct starting *s)
{
	if (!s->board || s->board->command || take_child(s, NULL) < 0 || s->child <= 0)
		return;
	if (proc_start_time_of(s->child, &s->board->start) < 0)
		return; /* of the number alone it would do nothing */
	__atomic_store_n(&s->board->command, s->child, __ATOMIC_RELEASE);
}

static int take_report(struct starting *s, const struct report *report, struct cj_error *err)
{
	if (++s->reports > REPORTS_MAX)
		return cj_fail(err, EPROTO, "listen to the command's process: too many reports");
	switch ((enum report_kind)report->kind) {
	case REPORT_STEP:
		starting_log(s->options, CJ_LOG_STEP, "%s: done", report->error.text);
		return 0;
	case REPORT_NOTE:
		starting_log(s->options, CJ_LOG_STEP, "%s", report->error.text);
		return 0;
	case REPORT_WARNING:
		starting_log(s->options, CJ_LOG_WARNING, "%s: %s", report->error.text,
			     strerror(report->error.code));
		return 0;
	case REPORT_EXECUTE:
		s->executes = true;
		tell_watchdog(s); /* now: once it runs we may be killed at any moment */
		return 0;
	case REPORT_ERROR:
		if (!s->failure.code)
			s->failure = report->error;
		return 0;
	}
	return cj_fail(err, EPROTO, "listen to the command's process");
}

static int check_frozen(const struct starting *s, struct cj_error *err)
{
	for (size_t i = 0; i < s->n_cgroups; i++) {
		const struct plan_cgroup *cgroup = &s->plan->cgroups[i];

		if (s->cgroups[i] >= 0 && !cgroup->own &&
		    cgroup_is_frozen(cgroup->directory, cgroup->unified))
			return cj_fail(err, EBUSY, "the target was paused meanwhile (%s cgroup)",
				       cgroup->name);
	}
	return 0;
}

/*
 * Signals that mean "stop that" end a launch that hangs; others are kept for the command. Without it
 * a container that stops our child could make us deaf for the whole deadline. Once execve is all that
 * is left the command may be running already, so the first one is kept for it, too.
 */
static int take_signal(struct starting *s, struct cj_error *err)
{
	struct signalfd_siginfo info;
	bool again;

	if (io_read(s->options->signals, &info, sizeof(info)) != sizeof(info) ||
	    !signal_is_to_be_sent_on(&info))
		return 0;
	again = s->pending & SIGNALS_TO_END;
	s->pending |= SIGNAL_BIT(info.ssi_signo);
	if ((SIGNALS_TO_END & SIGNAL_BIT(info.ssi_signo)) &&
	    (!s->executes || again || s->options->detach)) /* nobody will pass it on */
		return cj_fail(err, EINTR, "start the command: signal %u came meanwhile",
			       info.ssi_signo);
	return 0;
}

static int look_around(struct starting *s, int64_t end, struct cj_error *err)
{
	if (clock_ms() >= end)
		return s->options->deadline
			       ? cj_fail(err, ETIMEDOUT, "start the command in time")
			       : cj_fail(err, ETIMEDOUT, "start the command in %d seconds",
					 DEADLINE_MS / 1000);
	return check_frozen(s, err);
}

/* Returns 1 when the pipe has ended: execve has closed the child's end, or nobody holds it. */
static int take_next_report(struct starting *s, struct cj_error *err)
{
	struct report report;
	int r = report_receive(s->report_r, &report);

	if (r == -EAGAIN)
		return 0;
	if (r == 0)
		return 1;
	return r < 0 ? cj_fail(err, -r, "listen to the command's process")
		     : take_report(s, &report, err);
}

static int64_t end_of_attempt(const struct cj_launch_options *options)
{
	int64_t end = clock_ms() + DEADLINE_MS;

	return options->deadline && options->deadline < end ? options->deadline : end;
}

static int slice_until(int64_t end)
{
	int64_t left = end - clock_ms();

	return left < 0 ? 0 : left < SLICE_MS ? (int)left : SLICE_MS;
}

static int listen_to_end(struct starting *s, struct cj_error *err)
{
	int64_t end = end_of_attempt(s->options);
	int r = 0;

	while (r == 0) {
		struct pollfd fds[2] = {
			{.fd = s->report_r, .events = POLLIN},
			{.fd = s->options->signals, .events = POLLIN},
		};
		int ready = poll(fds, 2, slice_until(end));

		if (ready < 0 && errno != EINTR)
			return cj_fail(err, errno, "wait for the command to start");
		if (ready <= 0 || s->reports > REPORTS_EXPECTED)
			r = look_around(s, end, err);
		if (r == 0 && ready > 0 && fds[0].revents) /* first: it may say that it runs */
			r = take_next_report(s, err);
		else if (r == 0 && ready > 0 && fds[1].revents)
			r = take_signal(s, err);
	}
	return r < 0 ? r : 0;
}

/*
 * What ended a process of ours: a signal, or an exit status. It's a zombie that its tracer, if it has
 * one, may keep from us.
 */
static void find_end(int pidfd, int *ret_signal, int *ret_status)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};
	siginfo_t info = {.si_pid = 0};

	*ret_signal = *ret_status = 0;
	if (poll(&ended, 1, SLICE_MS) <= 0 ||
	    sys_waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 ||
	    !info.si_pid)
		return;
	*(info.si_code == CLD_EXITED ? ret_status : ret_signal) = info.si_status;
}

static bool has_memory_limit(const struct starting *s)
{
	for (size_t i = 0; i < s->n_cgroups; i++) {
		char *const *limits = s->plan->cgroups[i].limits;

		for (size_t k = 0; k < ELEMENTS(s->plan->cgroups[i].limits) && limits[k]; k++)
			if (strncmp(limits[k], "memory.", 7) == 0)
				return true;
	}
	return false;
}

/* The pipe ended and no step said why. */
static int silent_end(struct starting *s, struct cj_error *err)
{
	const char *who = s->child > 0 ? "command" : "stage";
	int signal, status;

	find_end(s->child > 0 ? s->child_fd : s->stage_fd, &signal, &status);
	if (pidref_verify(&s->plan->target->ref) < 0)
		return cj_fail(err, ESRCH, "start the command: the target has ended");
	/* Of the stage's program before it had its orders, and so a way to report. */
	if (s->child <= 0 && status > 0 && s->way == LAUNCH_PROGRAM)
		return cj_fail(err, status, "start the stage process");
	/*
	 * Linux 6.14 and later kill at birth who is born in another cgroup than its parent's, if the two have been killed (cgroup.kill) a
	 * different number of times: kernel/cgroup/cgroup.c, cgroup_post_fork()
	 */
	s->stillborn = signal == SIGKILL && s->child <= 0 && s->reports == 0 && s->in_unified &&
		       !s->orders.attach_unified;
	if (signal == 0)
		return cj_fail(err, EPROTO,
			       "start the command: the %s process doesn't say what became "
			       "of it",
			       who);
	if (signal == SIGKILL && has_memory_limit(s))
		cj_hint(err, "--memory may be too little for the start");
	if (signal == SIGSYS)
		cj_hint(err,
			"the seccomp filter kills what it forbids; --skip seccomp goes without");
	return cj_fail(err, EINTR, "start the command: the %s process was ended by signal %d", who,
		       signal);
}

/* What it says isn't believed to be one of ours: ENOEXEC with status 0 has a meaning to the caller. */
static int take_failure(struct starting *s, struct cj_error *err)
{
	int code = s->failure.code;

	if (code <= 0 || code >= 4096 || (code == ENOEXEC && !s->failure.status))
		s->failure.code = EPROTO;
	if (err && err->code == 0)
		*err = s->failure;
	return -s->failure.code;
}

static int see_it_run(struct starting *s, struct cj_error *err)
{
	int r = listen_to_end(s, err);

	if (r == 0)
		r = take_child(s, err);
	if (r < 0)
		return r;
	if (s->failure.code)
		return take_failure(s, err);
	if (s->program.failure)
		return starting_fail_program(s->program.failure, "execute the stage program", err);
	if (s->child <= 0 || !s->executes)
		return silent_end(s, err);
	return 0;
}

/*
 * In a frozen v1 cgroup SIGKILL takes effect after thawing: out of it, then. By number, if nobody has
 * waited for them.
 */
static void thaw(const struct starting *s)
{
	const struct cgroup_entry *entry =
		cgroup_list_controller(&s->plan->facts.ours.cgroups, "freezer");
	_cleanup_free_ char *directory = NULL;
	_cleanup_fd_ int fd = -EBADF;

	if (!entry || s->n_cgroups == 0 ||
	    cgroup_directory(&s->plan->facts.mounts, entry, &directory) < 0)
		return;
	fd = cgroup_open_procs(directory);
	if (fd < 0)
		return;
	if (s->stage_fd >= 0 && process_is_child(s->stage_fd) == 0)
		(void)cgroup_attach(fd, s->stage);
	if (s->child_fd >= 0 && process_is_child(s->child_fd) == 0)
		(void)cgroup_attach(fd, s->child);
}

/* The stage first: until it has ended it may still make a child. */
static void end_processes(struct starting *s)
{
	int patience = s->options->deadline ? HURRIED_MS : END_MS;

	if (s->stage_fd < 0)
		return;
	(void)take_child(s, NULL);
	if (check_frozen(s, NULL) < 0)
		thaw(s);
	if (own_cgroups_any(&s->own)) /* also who was frozen there, or below */
		own_cgroups_kill(&s->own);
	process_end_within(&s->stage_fd, patience);
	(void)take_child(s, NULL);
	process_end_within(&s->child_fd, patience);
}

static void starting_done(struct starting *s)
{
	end_processes(s);
	own_cgroups_done(&s->own);
	process_end(&s->watchdog); /* before the pipe's end, which is its call to kill */
	close_fd(&s->report_r);
	close_fd(&s->report_w);
	close_fd(&s->life_r);
	close_fd(&s->life_w);
	for (int i = 0; i < 3; i++)
		close_fd(&s->dups[i]);
	for (size_t i = 0; i < s->n_cgroups; i++)
		close_fd(&s->cgroups[i]);
	close_fd(&s->shared_fd);
	close_fd(&s->program.fd);
	if (s->board)
		(void)munmap(s->board, sizeof(*s->board));
	free(s->cgroups);
	free(s->kept);
	free(s->orders.cgroups);
	if (s->shared)
		(void)munmap(s->shared, sizeof(*s->shared));
}

/* The stage has told its news and exits, or has: it is ours to wait for. */
static void reap_stage(struct starting *s)
{
	siginfo_t info;

	while (sys_waitid(P_PIDFD, (id_t)s->stage_fd, &info, WEXITED | __WALL) == -EINTR)
		; /* nobody inside can trace it: it's in our pid namespace */
	close_fd(&s->stage_fd);
	s->stage = 0;
}

static void give_child(struct starting *s, struct cj_child *child)
{
	tell_watchdog(s); /* if it wasn't possible before */
	child->pid = s->child;
	child->pidfd = take_fd(&s->child_fd);
	child->life = take_fd(&s->life_w);
	child->life_r = take_fd(&s->life_r);
	child->watchdog = take_fd(&s->watchdog);
	child->board = take_ptr(s->board);
	child->start = child->board ? child->board->start : 0;
	child->own = s->own;
	child->pending = s->pending;
	child->detached = s->options->detach;
	s->own = (struct own_cgroups)OWN_CGROUPS_INIT;
	s->child = 0;
}

/* How a launch is tried. */
struct attempt {
	enum launch_way way;
	bool outside;	/* see starting.h */
	bool stillborn; /* set by one that failed */
};

static int try_once(struct cj_plan *plan, const struct cj_launch_options *options,
		    struct attempt *attempt, struct cj_child **ret, struct cj_error *err)
{
	_cleanup_(starting_done) struct starting s = STARTING_INIT(plan, options, attempt->way);
	struct cj_child *child;
	int r;

	s.outside = attempt->outside;
	r = starting_prepare(&s, err);
	if (r < 0)
		return target_explain(plan->target, r, err);
	child = calloc(1, sizeof(*child));
	if (!child)
		return cj_fail(err, ENOMEM, "launch");
	r = starting_spawn(&s, err);
	if (r == 0)
		r = see_it_run(&s, err);
	attempt->stillborn = s.stillborn;
	if (r < 0) {
		free(child);
		return s.failure.status ? r : target_explain(plan->target, r, err);
	}
	reap_stage(&s);
	give_child(&s, child);
	*ret = child;
	return 0;
}

static int launch(struct cj_plan *plan, const struct cj_launch_options *options,
		  enum launch_way way, struct cj_child **ret, struct cj_error *err)
{
	struct attempt attempt = {.way = way};
	struct cj_error first = CJ_ERROR_INIT;
	int r = try_once(plan, options, &attempt, ret, &first);

	if (r < 0 && attempt.stillborn) {
		attempt.outside = true;
		first = (struct cj_error)CJ_ERROR_INIT;
		r = try_once(plan, options, &attempt, ret, &first);
	}
	if (r < 0 && err && err->code == 0)
		*err = first;
	return r;
}

/* As a program, else, where that's safe, as a copy. */
static int try_ways(struct cj_plan *plan, const struct cj_launch_options *options,
		    struct cj_child **ret, struct cj_error *err)
{
	const struct proc_status *ours = &plan->facts.ours.status;
	const struct capability_sets sets = {ours->inheritable, ours->permitted, ours->effective,
					     ours->bounding, ours->ambient};
	struct cj_error first = CJ_ERROR_INIT;
	int r = -ENOEXEC;

	starting_log_plan(plan, options);
	if (stage_program_size > 0 && capabilities_survive_execve(ours->uid[1], &sets))
		r = launch(plan, options, LAUNCH_PROGRAM, ret, &first);
	else
		(void)cj_fail(&first, ENOEXEC, "execute the stage program (%s)",
			      stage_program_size > 0 ? "our capabilities wouldn't outlive that"
						     : "not on this architecture");
	if (r == -ENOEXEC && !first.status)
		cj_hint(&first, "cj_seal_self(), before rights are given up, makes it safe to go "
				"without");
	if (r == -ENOEXEC && !first.status && !seal_is_needed(plan->target))
		return launch(plan, options, LAUNCH_COPY, ret, err);
	if (r < 0 && err && err->code == 0)
		*err = first;
	return r;
}

int cj_launch(struct cj_plan *plan, const struct cj_launch_options *options, struct cj_child **ret,
	      struct cj_error *err)
{
	struct cj_launch_options own = CJ_LAUNCH_OPTIONS_INIT;
	int r = options_take(options, &own, sizeof(own), "launch options", err);

	if (r == 0)
		r = try_ways(plan, &own, ret, err);
	if (r < 0 && err && err->status == 127)
		elsewhere_hint(plan, err);
	return r;
}
