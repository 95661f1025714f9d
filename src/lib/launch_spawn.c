/* SPDX-License-Identifier: MIT
 *
 * The part of a launch that makes the stage, in the v2 cgroup that it belongs to where that can be.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "lib/starting.h"
#include "lib/target.h"
#include "sys/cgroup.h"
#include "sys/syscalls.h"

/* The index of the v2 cgroup, or -1. */
static int unified_index(const struct starting *s)
{
	for (size_t i = 0; i < s->n_cgroups; i++)
		if (s->plan->cgroups[i].unified && s->cgroups[i] >= 0)
			return (int)i;
	return -1;
}

/*
 * The target may have been moved since it was looked at (systemd does that), and what was its cgroup
 * is gone or has become one that takes no processes: look again where it is now.
 */
static int reopen_unified(struct starting *s, int i)
{
	_cleanup_(cgroup_list_done) struct cgroup_list list = CGROUP_LIST_INIT;
	const struct cgroup_entry *entry;
	_cleanup_free_ char *directory = NULL;
	int fd, r = cgroup_list_read(s->plan->target->ref.proc, &list);

	if (r < 0)
		return r;
	entry = cgroup_list_controller(&list, "");
	r = entry ? cgroup_directory(&s->plan->facts.mounts, entry, &directory) : -ENOENT;
	if (r < 0)
		return r;
	fd = cgroup_open(directory);
	if (fd < 0)
		return fd;
	if (s->plan->cgroups[i].tree)
		starting_log(
			s->options, CJ_LOG_WARNING,
			"cgroups: the target has moved: what leaves the command's session can't be found");
	own_cgroups_forget(&s->own, (size_t)i);
	/* Under the number that the orders have. */
	r = dup3(fd, s->cgroups[i], O_CLOEXEC) < 0 ? -errno : 0;
	close_fd(&fd);
	return r;
}

static bool cant_clone_into(int r)
{
	return r == -ENOSYS || r == -EPERM || r == -EINVAL || r == -E2BIG;
}

static pid_t spawn(struct starting *s, int cgroup)
{
	return s->way == LAUNCH_PROGRAM ? process_spawn_program(cgroup, &s->program, &s->stage_fd)
					: process_spawn(cgroup, &s->stage_fd);
}

/* It has to write itself into its v2 cgroup then. */
static pid_t spawn_outside(struct starting *s)
{
	int r;

	s->orders.attach_unified = true;
	r = s->way == LAUNCH_PROGRAM ? starting_pack(s, NULL) : 0;
	return r < 0 ? r : spawn(s, -1);
}

/* Makes the stage. Returns 0 in it, its PID here. */
static pid_t spawn_stage(struct starting *s)
{
	int i = unified_index(s);
	pid_t pid;

	if (s->outside && i >= 0)
		return spawn_outside(s);
	pid = spawn(s, i < 0 ? -1 : s->cgroups[i]);
	if (pid < 0 && i >= 0 && s->plan->rejoin &&
	    (pid == -EBUSY || pid == -ENOENT || pid == -ENODEV) && reopen_unified(s, i) == 0)
		pid = spawn(s, s->cgroups[i]);
	if (pid < 0 && i >= 0 && (cant_clone_into(pid) || s->plan->cgroups[i].try_only))
		pid = spawn_outside(s);
	return pid;
}

int starting_spawn(struct starting *s, struct cj_error *err)
{
	int i = unified_index(s);

	s->in_unified = i >= 0;
	s->stage = spawn_stage(s);
	if (s->stage == 0)
		stage_main(&s->orders);
	close_fd(&s->report_w);
	if (s->stage > 0)
		return 0;
	/* Emulators and filters may refuse to share memory as we do. */
	if ((i < 0 || s->orders.attach_unified) && s->way == LAUNCH_PROGRAM)
		return starting_fail_program(-s->stage, "make the stage process", err);
	if (i < 0 || s->orders.attach_unified)
		return cj_fail(err, -s->stage, "make the stage process");
	cj_hint(err, "--cgroup keep stays in the caller's cgroups");
	return cj_fail(err, -s->stage, "join unified cgroup %s", s->plan->cgroups[i].directory);
}
