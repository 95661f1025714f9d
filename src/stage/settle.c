/* SPDX-License-Identifier: MIT
 *
 * What the stage does to itself while it's still outside: here are the rights, the host's cgroups
 * and its /proc, which it gives up next. By itself and not by the supervisor, since each hand-over
 * between two processes costs more than all of this.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "stage/stage.h"
#include "sys/cgroup.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

/* Where it couldn't be born in it. */
static int attach_unified_late(int directory)
{
	_cleanup_fd_ int procs = cgroup_open_procs_at(directory);

	return procs < 0 ? procs : cgroup_attach(procs, 0);
}

static int join_cgroup(const struct orders *orders, size_t i, struct cj_error *err)
{
	const struct order_cgroup *cgroup = &orders->cgroups[i];
	int r;

	if (cgroup->fd < 0 || (cgroup->unified && !orders->attach_unified))
		return 0;
	r = cgroup->unified ? attach_unified_late(cgroup->fd) : cgroup_attach(cgroup->fd, 0);
	if (r < 0 && cgroup->try_only) {
		step_warn(orders, -r, "cgroups %s: left out, %s can't be joined", cgroup->name,
			  cgroup->directory);
		return 0;
	}
	if (r < 0) {
		cj_hint(err, "--cgroup keep stays in the caller's cgroups");
		return cj_fail(err, -r, "join %s cgroup %s", cgroup->name, cgroup->directory);
	}
	step_note(orders, "cgroups %s: joined %s%s", cgroup->name,
		  cgroup->own ? "a fresh one below " : "", cgroup->directory);
	return 0;
}

static int join_cgroups(const struct orders *orders, struct cj_error *err)
{
	for (size_t i = 0; i < orders->n_cgroups; i++) {
		int r = join_cgroup(orders, i, err);

		if (r < 0)
			return r;
	}
	return STEP_NOTHING;
}

/*
 * What limits files comes later, when no more of them have to be opened and written; here, with our rights,
 * it only gets the room.
 */
static bool make_room(int kind, const struct orders *orders, struct rlimit64 *limit)
{
	const struct rlimit64 *own = kind == RLIMIT_NOFILE ? &orders->own_nofile
							   : &orders->own_fsize;

	if (limit->rlim_max <= own->rlim_max)
		return false;
	limit->rlim_cur = own->rlim_cur;
	return true;
}

static int set_limits(const struct orders *orders, struct cj_error *err)
{
	for (int i = 0; i < LIMITS; i++) {
		struct rlimit64 limit = orders->limits.of[i];
		bool later = i == RLIMIT_NOFILE || i == RLIMIT_FSIZE;
		int r;

		if (!(orders->set_limits >> i & 1) || (later && !make_room(i, orders, &limit)))
			continue;
		r = sys_prlimit(0, i, &limit, NULL);
		if (r == -EPERM)
			cj_hint(err, "raising a hard limit needs CAP_SYS_RESOURCE");
		if (r < 0)
			return cj_fail(err, -r, "set limit %s", limit_kinds[i].name);
		step_note(orders, "rlimits %s: set", limit_kinds[i].name);
	}
	return STEP_NOTHING;
}

/* Before the stage hides: the files of a process that isn't dumpable are root's. */
static int set_files(const struct orders *orders, struct cj_error *err)
{
	bool oom = orders_have(orders, PART_OOM), core = orders_have(orders, PART_CORE_FILTER);
	_cleanup_fd_ int proc = -EBADF;
	char text[32];
	int r = 0;

	if (!oom && !core)
		return STEP_NOTHING;
	r = proc_open(0, &proc, err);
	if (r < 0)
		return r;
	if (oom) {
		(void)format_safe(text, sizeof(text), "%d", orders->oom_score_adj);
		r = proc_write(proc, "oom_score_adj", text);
		if (r < 0)
			return cj_fail(err, -r, "set oom_score_adj to %s", text);
		step_note(orders, "oom-score-adj: set to %s", text);
	}
	if (core) {
		(void)format_safe(text, sizeof(text), "0x%x", orders->core_filter);
		r = proc_write(proc, CORE_FILTER_FROM_THREAD, text);
		if (r < 0)
			return cj_fail(err, -r, "set the core filter to %s", text);
		step_note(orders, "core-filter: set to %s", text);
	}
	return STEP_NOTHING;
}

static int set_policy(const struct orders *orders, struct cj_error *err)
{
	struct scheduling attr = orders->sched;
	int r;

	attr.size = offsetof(struct scheduling, sched_util_min); /* the first version's */
	r = sys_sched_setattr(0, &attr);
	if (r == -EPERM && attr.sched_priority)
		cj_hint(err, "%s: --skip scheduler goes without",
			orders->may_schedule ? "its cpu cgroup may have no real-time budget"
					     : "needs CAP_SYS_NICE");
	if (r < 0)
		return cj_fail(err, -r, "set scheduler %s", scheduler_name(attr.sched_policy));
	step_note(orders, "scheduler: set %s", scheduler_name(attr.sched_policy));
	return STEP_NOTHING;
}

/* A cpu cgroup without real-time budget takes no real-time process, so first to be none. */
static int leave_real_time(const struct orders *orders, struct cj_error *err)
{
	if (!orders_have(orders, PART_SCHEDULER) || orders->sched.sched_priority)
		return STEP_NOTHING;
	return set_policy(orders, err);
}

/* Also after the cgroups: joining a cpuset sets the affinity. */
static int set_scheduling(const struct orders *orders, struct cj_error *err)
{
	int r;

	/* By itself: with idle, fifo and rr sched_setattr(2) leaves the nice value as it is. */
	if (orders_have(orders, PART_NICE)) {
		r = sys_setpriority(0, orders->nice);
		if (r == -EACCES || r == -EPERM)
			cj_hint(err, "a lower nice value needs CAP_SYS_NICE");
		if (r < 0)
			return cj_fail(err, -r, "set nice %d", orders->nice);
		step_note(orders, "nice: set %d", orders->nice);
	}
	if (orders_have(orders, PART_SCHEDULER) && orders->sched.sched_priority) {
		r = set_policy(orders, err);
		if (r < 0)
			return r;
	}
	if (orders_have(orders, PART_IOPRIO)) {
		r = sys_ioprio_set(0, orders->ioprio);
		if (r < 0)
			return cj_fail(err, -r, "set io priority %d:%d",
				       IOPRIO_CLASS(orders->ioprio), IOPRIO_LEVEL(orders->ioprio));
		step_note(orders, "ioprio: set");
	}
	if (orders_have(orders, PART_AFFINITY)) {
		r = sys_sched_setaffinity(0, sizeof(orders->affinity.mask), orders->affinity.mask);
		if (r < 0)
			return cj_fail(err, -r, "set the processor affinity");
		step_note(orders, "affinity: set");
	}
	return STEP_NOTHING;
}

/* Where the host has its cgroups the target's cgroup namespace hides. */
static int forget_paths(const struct orders *orders, struct cj_error *err)
{
	(void)err;
	for (size_t i = 0; i < orders->n_cgroups; i++) {
		text_wipe(orders->cgroups[i].name);
		text_wipe(orders->cgroups[i].directory);
	}
	return STEP_NOTHING;
}

const struct step settle_steps[] = {
	{"set scheduler", leave_real_time}, {"join cgroups", join_cgroups},
	{"set limits", set_limits},	    {"set files of /proc", set_files},
	{"set scheduling", set_scheduling}, {"forget the host's paths", forget_paths},
};

const size_t n_settle_steps = ELEMENTS(settle_steps);
