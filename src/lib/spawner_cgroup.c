/* SPDX-License-Identifier: MIT
 *
 * Where commands of cj_spawn() are put: a slot, fresh cgroups with limits, or nowhere.
 * Not here: slots (spawner_slot.c), making cgroups (own_cgroup.c), killing who is in there (own_cgroup_end.c).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "lib/spawner.h"
#include "sys/cgroup.h"
#include "sys/namespace.h"
#include "sys/proc.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"

/* --- what is planned --- */

static int read_facts(struct facts *facts)
{
	_cleanup_fd_ int proc = -EBADF;
	int r = proc_open(0, &proc, NULL);

	if (r == 0)
		r = cgroup_list_read(proc, &facts->ours.cgroups);
	if (r == 0)
		r = cgroup_mounts_read(proc, &facts->mounts);
	if (r == 0)
		r = namespace_read(proc, NAMESPACE_PID,
				   &facts->ours.namespaces.inode[NAMESPACE_PID]);
	return r;
}

/* As exec's of one that stays where we are: the decisions are the same, and nothing else of a plan is made. */
static int plan_alone(const struct cj_exec_options *options, struct cj_plan **ret,
		      struct cj_error *err)
{
	struct cj_plan *plan = calloc(1, sizeof(*plan));
	struct planning p = {.plan = plan, .options = options};
	int r;

	if (!plan)
		return cj_fail(err, ENOMEM, "make a spawner");
	plan->facts = (struct facts)FACTS_INIT;
	p.facts = &plan->facts;
	p.base = &plan->facts.ours;
	r = read_facts(&plan->facts);
	if (r < 0)
		r = cj_fail(err, -r, "read where cgroups are mounted");
	if (r == 0)
		r = plan_cgroups(&p, err);
	if (r == 0 && plan->out_of_memory)
		r = cj_fail(err, ENOMEM, "make a spawner");
	if (r < 0) {
		cj_plan_free(plan);
		return r;
	}
	*ret = plan;
	return 0;
}

int spawner_plan(struct cj_spawner *spawner, const struct cj_spawner_options *options,
		 struct cj_error *err)
{
	struct cj_exec_options exec = CJ_EXEC_OPTIONS_INIT;
	int r;

	exec.memory = options->memory;
	exec.cpus = options->cpus;
	exec.pids_limit = options->pids_limit;
	spawner->limited = exec.memory || exec.cpus || exec.pids_limit;
	exec.cgroup = spawner->limited ? "own" : "keep";
	exec.tree = true;
	r = plan_alone(&exec, &spawner->plan, spawner->limited ? err : NULL);
	if (r < 0 && !spawner->limited) {
		spawner_warn(spawner, r);
		return 0;
	}
	return r < 0 || spawner->limited ? r : own_cgroups_name(spawner->plan, &spawner->own, err);
}

static void close_fds(const struct cj_plan *plan, int *fds)
{
	for (size_t i = 0; fds && i < plan->n_cgroups; i++)
		close_fd(&fds[i]);
	free(fds);
}

/* One entry for each of the plan's. */
static int *new_fds(const struct cj_plan *plan)
{
	int *fds = calloc(plan->n_cgroups + 1, sizeof(*fds));

	for (size_t i = 0; fds && i < plan->n_cgroups; i++)
		fds[i] = -EBADF;
	return fds;
}

/*
 * Can a process be born there? Kernels with cgroup.kill of 6.14 and later compare how often the caller's cgroup was killed with
 * how often that one was: if those differ, they kill who is born. cgroup_css_set_fork()
 */
static int try_birth(int directory)
{
	siginfo_t info = {.si_code = 0};
	int pidfd = -EBADF, r;
	pid_t pid = process_spawn(directory, &pidfd);

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return (int)pid;
	do
		r = sys_waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | __WALL);
	while (r == -EINTR);
	close_fd(&pidfd);
	return r < 0 ? r : info.si_code == CLD_EXITED ? 0 : -EINVAL;
}

static bool cant_clone_into(int r)
{
	return r == -ENOSYS || r == -EPERM || r == -EINVAL || r == -E2BIG;
}

/* The first one, while there is no command that would have to bear it. */
static void try_slot(struct cj_spawner *spawner)
{
	_cleanup_fd_ int directory = -EBADF;
	struct spawn_slot *slot = NULL;
	int r = slot_take(spawner, &slot);

	if (slot && !slot->own.freezes) {
		directory = slot_open(slot);
		r = try_birth(directory);
		if (cant_clone_into(r)) {
			spawner->attaches = true;
			r = 0;
		}
	}
	if (slot)
		slot_keep(spawner, slot);
	if (r == 0)
		return;
	spawner->parent = NULL;
	spawner_warn(spawner, r);
}

void spawner_make_parent(struct cj_spawner *spawner)
{
	struct own_cgroups *own = &spawner->own;
	int *fds = spawner->plan ? new_fds(spawner->plan) : NULL;

	if (!fds)
		return;
	(void)own_cgroups_make(spawner->plan, fds, own, NULL); /* one for a tree is only tried */
	close_fds(spawner->plan, fds);
	for (size_t i = 0; i < own->n && !spawner->parent; i++)
		if (own->list[i].name)
			spawner->parent = &own->list[i];
	if (!spawner->parent)
		spawner_warn(spawner, own->no_tree ? -own->no_tree : -ENODEV);
	else
		try_slot(spawner);
}

int spawner_try_limits(struct cj_spawner *spawner, struct cj_error *err)
{
	_cleanup_(own_cgroups_done) struct own_cgroups own = OWN_CGROUPS_INIT;
	int *fds = new_fds(spawner->plan);
	int r = fds ? own_cgroups_name(spawner->plan, &own, err)
		    : cj_fail(err, ENOMEM, "make a spawner");

	if (r == 0)
		r = own_cgroups_make(spawner->plan, fds, &own, err);
	for (size_t i = 0; i < spawner->plan->n_cgroups && r == 0; i++)
		if (fds[i] >= 0 && spawner->plan->cgroups[i].unified)
			spawner->attaches |= try_birth(fds[i]) < 0;
	close_fds(spawner->plan, fds);
	return r;
}

/* --- one command's --- */

void spawn_cgroups_done(struct spawn_cgroups *cgroups)
{
	close_fd(&cgroups->directory);
	for (size_t i = 0; i < cgroups->n_procs; i++)
		close_fd(&cgroups->procs[i]);
	cgroups->n_procs = 0;
}

static int add_procs(struct spawn_cgroups *cgroups, int fd)
{
	if (fd < 0)
		return fd;
	if (cgroups->n_procs == ELEMENTS(cgroups->procs)) {
		close_fd(&fd);
		return -E2BIG;
	}
	cgroups->procs[cgroups->n_procs++] = fd;
	return 0;
}

/* Instead of being born there. */
static int attach_instead(struct spawn_cgroups *cgroups)
{
	int r = add_procs(cgroups, cgroup_open_procs_at(cgroups->directory));

	close_fd(&cgroups->directory);
	return r;
}

static int place_in_slot(struct cj_spawner *spawner, struct cj_child *child,
			 struct spawn_cgroups *cgroups)
{
	struct spawn_slot *slot = NULL;
	int r = slot_take(spawner, &slot);

	if (r < 0)
		return r;
	cgroups->directory = slot_open(slot);
	if (cgroups->directory < 0)
		r = cgroups->directory;
	else if (slot->own.freezes || spawner->attaches)
		r = attach_instead(cgroups);
	if (r < 0) {
		slot_keep(spawner, slot);
		return r;
	}
	child->slot = slot;
	child->own = slot_alone(slot);
	return 0;
}

/* Its watchdog is there before them, as for any that have to be removed again. */
static int watch_limits(struct cj_spawner *spawner, struct cj_child *child, struct cj_error *err)
{
	const struct watch watch = {
		.life = spawner->life_r,
		.life_w = spawner->life_w,
		.pidfd = -EBADF,
		.own = child->own,
		.terminal = -EBADF,
	};
	int r = watchdog_spawn(&watch);

	if (r < 0)
		return cj_fail(err, -r, "make the watchdog process");
	child->watchdog = r;
	return 0;
}

static int take_limits(const struct cj_spawner *spawner, int *fds, struct spawn_cgroups *cgroups)
{
	int r = 0;

	for (size_t i = 0; i < spawner->plan->n_cgroups && r == 0; i++) {
		if (fds[i] < 0)
			continue;
		if (!spawner->plan->cgroups[i].unified) {
			r = add_procs(cgroups, take_fd(&fds[i]));
			continue;
		}
		cgroups->directory = take_fd(&fds[i]);
		r = spawner->attaches ? attach_instead(cgroups) : 0;
	}
	return r;
}

static int place_in_limits(struct cj_spawner *spawner, struct cj_child *child,
			   struct spawn_cgroups *cgroups, struct cj_error *err)
{
	int *fds = new_fds(spawner->plan);
	int r = fds ? own_cgroups_name(spawner->plan, &child->own, err)
		    : cj_fail(err, ENOMEM, "make a command");

	if (r == 0)
		r = watch_limits(spawner, child, err);
	if (r == 0)
		r = own_cgroups_make(spawner->plan, fds, &child->own, err);
	if (r == 0) {
		r = take_limits(spawner, fds, cgroups);
		if (r < 0)
			r = cj_fail(err, -r, "open a command's cgroup");
	}
	close_fds(spawner->plan, fds);
	return r;
}

int spawner_place(struct cj_spawner *spawner, struct cj_child *child, struct spawn_cgroups *ret,
		  struct cj_error *err)
{
	int r;

	if (spawner->limited)
		return place_in_limits(spawner, child, ret, err);
	if (!spawner->parent)
		return 0;
	r = place_in_slot(spawner, child, ret);
	/* One that can't be opened now is no reason to go without. */
	if (slot_is_short_of(r) || r == -EBUSY)
		return cj_fail(err, -r, "make a command's cgroup");
	if (r < 0)
		spawner_warn(spawner, r);
	return 0;
}

int spawner_place_otherwise(struct cj_spawner *spawner, struct cj_child *child,
			    struct spawn_cgroups *cgroups, int r)
{
	if (cgroups->directory >= 0 && cant_clone_into(r)) {
		spawner->attaches = true;
		return attach_instead(cgroups) == 0;
	}
	if (!child->slot || r == -EAGAIN || slot_is_short_of(r))
		return 0;
	spawn_cgroups_done(cgroups);
	slot_discard(spawner, child->slot);
	slot_leave(child);
	/* Somebody has made it one that takes no processes, or has removed it: the next is a new one. */
	if ((r == -EBUSY || r == -EOPNOTSUPP || r == -ENODEV || r == -ENOENT) &&
	    place_in_slot(spawner, child, cgroups) == 0)
		return 1;
	spawner->parent = NULL;
	spawner_warn(spawner, r);
	return 1;
}
