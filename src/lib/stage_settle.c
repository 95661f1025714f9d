/* SPDX-License-Identifier: MIT
 *
 * What the stage does to itself while it's still outside: here are the rights, the host's cgroups
 * and its /proc, which it gives up next. By itself and not by the supervisor, since each hand-over
 * between two processes costs more than all of this.
 */
#include <errno.h>
#include <linux/capability.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "lib/stage.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

/* Where it couldn't be born in it. */
static int attach_unified_late(int directory)
{
	_cleanup_fd_ int procs = cgroup_open_procs_at(directory);

	return procs < 0 ? procs : cgroup_attach(procs, 0);
}

static int join_cgroup(const struct launch *launch, size_t i, struct cj_error *err)
{
	const struct plan_cgroup *cgroup = &launch->plan->cgroups[i];
	int fd = launch->cgroups[i], r;

	if (fd < 0 || (cgroup->unified && !launch->attach_unified))
		return 0;
	r = cgroup->unified ? attach_unified_late(fd) : cgroup_attach(fd, 0);
	if (r < 0 && cgroup->try_only) {
		step_warn(launch, -r, "cgroups %s: left out, %s can't be joined", cgroup->name,
			  cgroup->directory);
		return 0;
	}
	if (r < 0) {
		cj_hint(err, "--cgroup keep stays in the caller's cgroups");
		return cj_fail(err, -r, "join %s cgroup %s", cgroup->name, cgroup->directory);
	}
	step_note(launch, "cgroups %s: joined %s%s", cgroup->name,
		  cgroup->own ? "a fresh one below " : "", cgroup->directory);
	return 0;
}

static int join_cgroups(const struct launch *launch, struct cj_error *err)
{
	for (size_t i = 0; i < launch->plan->n_cgroups; i++) {
		int r = join_cgroup(launch, i, err);

		if (r < 0)
			return r;
	}
	return STEP_NOTHING;
}

/* What limits files comes later, when no more of them have to be made; here it only gets the room. */
static int set_limits(const struct launch *launch, struct cj_error *err)
{
	const struct cj_plan *plan = launch->plan;

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
		r = sys_prlimit(0, i, &limit, NULL);
		if (r == -EPERM)
			cj_hint(err, "raising a hard limit needs CAP_SYS_RESOURCE");
		if (r < 0)
			return cj_fail(err, -r, "set limit %s", limit_kinds[i].name);
		step_note(launch, "rlimits %s: set", limit_kinds[i].name);
	}
	return STEP_NOTHING;
}

/* Before the stage hides: the files of a process that isn't dumpable are root's. */
static int set_files(const struct launch *launch, struct cj_error *err)
{
	const struct cj_plan *plan = launch->plan;
	bool oom = plan_has_step(plan, PART_OOM), core = plan_has_step(plan, PART_CORE_FILTER);
	_cleanup_fd_ int proc = -EBADF;
	char text[32];
	int r = 0;

	if (!oom && !core)
		return STEP_NOTHING;
	r = proc_open(0, &proc, err);
	if (r < 0)
		return r;
	if (oom) {
		(void)format_safe(text, sizeof(text), "%d", plan->oom_score_adj);
		r = proc_write(proc, "oom_score_adj", text);
		if (r < 0)
			return cj_fail(err, -r, "set oom_score_adj to %s", text);
		step_note(launch, "oom-score-adj: set to %s", text);
	}
	if (core) {
		(void)format_safe(text, sizeof(text), "0x%x", plan->core_filter);
		r = proc_write(proc, CORE_FILTER_FROM_THREAD, text);
		if (r < 0)
			return cj_fail(err, -r, "set the core filter to %s", text);
		step_note(launch, "core-filter: set to %s", text);
	}
	return STEP_NOTHING;
}

static int set_policy(const struct launch *launch, struct cj_error *err)
{
	struct scheduling attr = launch->plan->sched;
	int r;

	attr.size = offsetof(struct scheduling, sched_util_min); /* the first version's */
	r = sys_sched_setattr(0, &attr);
	if (r == -EPERM && attr.sched_priority)
		cj_hint(err, "%s: --skip scheduler goes without",
			launch->plan->facts.ours.status.effective & CAPABILITY(CAP_SYS_NICE)
				? "its cpu cgroup may have no real-time budget"
				: "needs CAP_SYS_NICE");
	if (r < 0)
		return cj_fail(err, -r, "set scheduler %s", scheduler_name(attr.sched_policy));
	step_note(launch, "scheduler: set %s", scheduler_name(attr.sched_policy));
	return STEP_NOTHING;
}

/* A cpu cgroup without real-time budget takes no real-time process, so first to be none. */
static int leave_real_time(const struct launch *launch, struct cj_error *err)
{
	if (!plan_has_step(launch->plan, PART_SCHEDULER) || launch->plan->sched.sched_priority)
		return STEP_NOTHING;
	return set_policy(launch, err);
}

/* Also after the cgroups: joining a cpuset sets the affinity. */
static int set_scheduling(const struct launch *launch, struct cj_error *err)
{
	const struct cj_plan *plan = launch->plan;
	int r;

	/* By itself: with idle, fifo and rr sched_setattr(2) leaves the nice value as it is. */
	if (plan_has_step(plan, PART_NICE)) {
		r = sys_setpriority(0, plan->nice);
		if (r == -EACCES || r == -EPERM)
			cj_hint(err, "a lower nice value needs CAP_SYS_NICE");
		if (r < 0)
			return cj_fail(err, -r, "set nice %d", plan->nice);
		step_note(launch, "nice: set %d", plan->nice);
	}
	if (plan_has_step(plan, PART_SCHEDULER) && plan->sched.sched_priority) {
		r = set_policy(launch, err);
		if (r < 0)
			return r;
	}
	if (plan_has_step(plan, PART_IOPRIO)) {
		r = sys_ioprio_set(0, plan->ioprio);
		if (r < 0)
			return cj_fail(err, -r, "set io priority %d:%d", IOPRIO_CLASS(plan->ioprio),
				       IOPRIO_LEVEL(plan->ioprio));
		step_note(launch, "ioprio: set");
	}
	if (plan_has_step(plan, PART_AFFINITY)) {
		r = sys_sched_setaffinity(0, sizeof(plan->affinity.mask), plan->affinity.mask);
		if (r < 0)
			return cj_fail(err, -r, "set the processor affinity");
		step_note(launch, "affinity: set");
	}
	return STEP_NOTHING;
}

const struct step settle_steps[] = {
	{"set scheduler", leave_real_time}, {"join cgroups", join_cgroups},
	{"set limits", set_limits},	    {"set files of /proc", set_files},
	{"set scheduling", set_scheduling},
};

const size_t n_settle_steps = ELEMENTS(settle_steps);
