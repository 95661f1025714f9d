/* SPDX-License-Identifier: MIT
 *
 * What is done to the waiting stage from outside, by its pid: there are the rights, the host's
 * cgroup mounts and its /proc, which the stage gives up next.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/io.h"
#include "lib/starting.h"
#include "sys/syscalls.h"

/* Where it couldn't be born in it. */
static int attach_unified_late(const struct starting *s, int directory)
{
	_cleanup_fd_ int procs = cgroup_open_procs_at(directory);

	return procs < 0 ? procs : cgroup_attach(procs, s->stage);
}

static int attach(struct starting *s, bool attach_unified, struct cj_error *err)
{
	for (size_t i = 0; i < s->n_cgroups; i++) {
		const struct plan_cgroup *cgroup = &s->plan->cgroups[i];
		int r;

		if (s->cgroups[i] < 0 || (cgroup->unified && !attach_unified))
			continue;
		r = cgroup->unified ? attach_unified_late(s, s->cgroups[i])
				    : cgroup_attach(s->cgroups[i], s->stage);
		if (r < 0 && cgroup->try_only) {
			starting_log(s, CJ_LOG_WARNING,
				     "cgroups %s: left out, %s can't be joined: %s", cgroup->name,
				     cgroup->directory, strerror(-r));
		} else if (r < 0) {
			cj_hint(err, "--cgroup keep stays in the caller's cgroups");
			return cj_fail(err, -r, "join %s cgroup %s", cgroup->name,
				       cgroup->directory);
		} else {
			starting_log(s, CJ_LOG_STEP, "cgroups %s: joined %s%s", cgroup->name,
				     cgroup->own ? "a fresh one below " : "", cgroup->directory);
		}
	}
	return 0;
}

/*
 * From outside, since only here are the rights to raise. What limits files is left to the stage, which
 * still has some to handle; here it only gets the room.
 */
static int set_limits(struct starting *s, struct cj_error *err)
{
	const struct cj_plan *plan = s->plan;

	for (int i = 0; i < LIMITS; i++) {
		struct rlimit64 limit = plan->limits.of[i];
		const struct rlimit64 *ours = &plan->facts.ours.limits.of[i];
		int r;

		if (!(plan->set_limits >> i & 1))
			continue;
		if (i == RLIMIT_NOFILE) {
			if (limit.rlim_max <= ours->rlim_max)
				continue;
			limit.rlim_cur = ours->rlim_cur;
		}
		r = sys_prlimit(s->stage, i, &limit, NULL);
		if (r == -EPERM)
			cj_hint(err, "raising a hard limit needs CAP_SYS_RESOURCE");
		if (r < 0)
			return cj_fail(err, -r, "set limit %s", limit_kinds[i].name);
		starting_log(s, CJ_LOG_STEP, "rlimits %s: set", limit_kinds[i].name);
	}
	return 0;
}

static int set_files(struct starting *s, struct cj_error *err)
{
	const struct cj_plan *plan = s->plan;
	bool oom = plan_has_step(plan, PART_OOM), core = plan_has_step(plan, PART_CORE_FILTER);
	_cleanup_fd_ int proc = -EBADF;
	char text[32];
	int r = 0;

	if (!oom && !core)
		return 0;
	r = proc_open(s->stage, &proc, err);
	if (r < 0)
		return r;
	if (oom) {
		(void)format_safe(text, sizeof(text), "%d", plan->oom_score_adj);
		r = proc_write(proc, "oom_score_adj", text);
		if (r < 0)
			return cj_fail(err, -r, "set oom_score_adj to %s", text);
		starting_log(s, CJ_LOG_STEP, "oom-score-adj: set to %s", text);
	}
	if (core) {
		(void)format_safe(text, sizeof(text), "0x%x", plan->core_filter);
		r = proc_write(proc, "coredump_filter", text);
		if (r < 0)
			return cj_fail(err, -r, "set the core filter to %s", text);
		starting_log(s, CJ_LOG_STEP, "core-filter: set to %s", text);
	}
	return 0;
}

static int set_policy(struct starting *s, struct cj_error *err)
{
	struct scheduling attr = s->plan->sched;
	int r;

	attr.size = offsetof(struct scheduling, sched_util_min); /* the first version's */
	r = sys_sched_setattr(s->stage, &attr);
	if (r == -EPERM && attr.sched_priority)
		cj_hint(err, "%s: --skip scheduler goes without",
			s->plan->facts.ours.status.effective & CAPABILITY(CAP_SYS_NICE)
				? "its cpu cgroup may have no real-time budget"
				: "needs CAP_SYS_NICE");
	if (r < 0)
		return cj_fail(err, -r, "set scheduler %s", scheduler_name(attr.sched_policy));
	starting_log(s, CJ_LOG_STEP, "scheduler: set %s", scheduler_name(attr.sched_policy));
	return 0;
}

static int set_scheduling(struct starting *s, struct cj_error *err)
{
	const struct cj_plan *plan = s->plan;
	int r;

	/* By itself: with idle, fifo and rr sched_setattr(2) leaves the nice value as it is. */
	if (plan_has_step(plan, PART_NICE)) {
		r = sys_setpriority(s->stage, plan->nice);
		if (r == -EACCES || r == -EPERM)
			cj_hint(err, "a lower nice value needs CAP_SYS_NICE");
		if (r < 0)
			return cj_fail(err, -r, "set nice %d", plan->nice);
		starting_log(s, CJ_LOG_STEP, "nice: set %d", plan->nice);
	}
	if (plan_has_step(plan, PART_SCHEDULER) && plan->sched.sched_priority) {
		r = set_policy(s, err);
		if (r < 0)
			return r;
	}
	if (plan_has_step(plan, PART_IOPRIO)) {
		r = sys_ioprio_set(s->stage, plan->ioprio);
		if (r < 0)
			return cj_fail(err, -r, "set io priority %d:%d", IOPRIO_CLASS(plan->ioprio),
				       IOPRIO_LEVEL(plan->ioprio));
		starting_log(s, CJ_LOG_STEP, "ioprio: set");
	}
	if (plan_has_step(plan, PART_AFFINITY)) {
		r = sys_sched_setaffinity(s->stage, sizeof(plan->affinity.mask),
					  plan->affinity.mask);
		if (r < 0)
			return cj_fail(err, -r, "set the processor affinity");
		starting_log(s, CJ_LOG_STEP, "affinity: set");
	}
	return 0;
}

int starting_set_up(struct starting *s, bool attach_unified, struct cj_error *err)
{
	int r = 0;

	/* A cpu cgroup without real-time budget takes no real-time process, so first to be none. */
	if (plan_has_step(s->plan, PART_SCHEDULER) && !s->plan->sched.sched_priority)
		r = set_policy(s, err);
	if (r == 0)
		r = attach(s, attach_unified, err);
	if (r == 0)
		r = set_limits(s, err);
	if (r == 0)
		r = set_files(s, err);
	if (r == 0)
		r = set_scheduling(s, err);
	if (r == 0) {
		/* We still hold the other end ourselves, so this is no SIGPIPE if the stage died. */
		r = io_write_all(s->life_w, "", 1);
		if (r < 0)
			r = cj_fail(err, -r, "release the stage process");
	}
	return r;
}
