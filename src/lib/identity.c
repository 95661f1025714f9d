/* SPDX-License-Identifier: MIT */
#include "lib/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "sys/capabilities.h"
#include "sys/syscalls.h"

enum {
	ENVIRON_LIMIT = 64 << 20,
	EXECVE_TRIES = 1000,
};

void identity_done(struct identity *identity)
{
	proc_status_done(&identity->status);
	cgroup_list_done(&identity->cgroups);
	bytes_done(&identity->environ);
	free(identity->root.path);
	free(identity->cwd.path);
	idmap_done(&identity->uid_map);
	idmap_done(&identity->gid_map);
}

/* It never had any, or has given it up on its way to being a zombie. */
static int no_memory(pid_t pid, int proc, struct cj_error *err)
{
	struct proc_stat stat;

	if (proc_read_stat(proc, &stat) == 0 && stat.kernel_thread)
		return cj_fail(err, EINVAL, "process %d is a kernel thread", pid);
	return cj_fail(err, ESRCH, "process %d is just ending", pid);
}

static int read_status(pid_t pid, int proc, struct identity *id, struct cj_error *err)
{
	int r = proc_read_status(proc, &id->status);

	if (r < 0)
		return cj_fail(err, -r, "read the status of process %d", pid);
	if (id->status.state == 'Z' && id->status.threads > 1)
		return cj_fail(err, ESRCH,
			       "the main thread of process %d has ended, which is the one "
			       "that could be entered",
			       pid);
	if (id->status.state == 'Z' || id->status.state == 'X')
		return cj_fail(err, ESRCH, "process %d has ended (it's a zombie)", pid);
	return id->status.has_memory ? 0 : no_memory(pid, proc, err);
}

static int read_namespaces(pid_t pid, int proc, struct identity *id, struct cj_error *err)
{
	int kind = 0;
	int r = namespaces_read(proc, &id->namespaces, &kind);

	if (r == 0)
		return 0;
	r = cj_fail(err, -r, "read the %s namespace of process %d", namespace_kinds[kind].name,
		    pid);
	if (err && (err->code == EACCES || err->code == EPERM))
		cj_hint(err, "needs CAP_SYS_PTRACE over the target: run as root, or as its owner");
	return r;
}

static void take_place(const struct statx *stx, struct place *ret)
{
	ret->device = makedev(stx->stx_dev_major, stx->stx_dev_minor);
	ret->inode = stx->stx_ino;
	ret->mount = stx->stx_mask & STATX_MNT_ID ? stx->stx_mnt_id : 0;
}

enum {
	STATX_FLAGS = AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
	STATX_WANTED = STATX_INO | STATX_MNT_ID
};

static int read_place(int proc, const char *name, struct place *ret)
{
	char path[PATH_MAX];
	struct statx stx;

	if (proc_readlink(proc, name, path, sizeof(path)) >= 0)
		ret->path = strdup(path); /* without: people see less */
	if (statx(proc, name, STATX_FLAGS, STATX_WANTED, &stx) < 0)
		return -errno;
	take_place(&stx, ret);
	return 0;
}

static void read_own_place(const char *path, struct place *ret)
{
	struct statx stx;

	/* Where we may not look nothing is the same as ours. */
	if (statx(AT_FDCWD, path, STATX_FLAGS, STATX_WANTED, &stx) == 0)
		take_place(&stx, ret);
}

static void note(struct identity *id, enum part part, int r)
{
	if (r < 0)
		id->unread[part] = -r;
}

/* What isn't in a file, or takes a call a process: by number, which the caller's pidfd pins. */
static void read_scheduling(pid_t pid, struct identity *id)
{
	id->sched.size = sizeof(id->sched);
	note(id, PART_SCHEDULER, sys_sched_getattr(pid, &id->sched));
	/* sched_getattr tells it for some policies only; each process has one. */
	note(id, PART_NICE, sys_getpriority(pid, &id->nice));
	id->ioprio = sys_ioprio_get(pid);
	note(id, PART_IOPRIO, id->ioprio);
	note(id, PART_AFFINITY, affinity_read(pid, &id->affinity));
}

static int read_user_namespace(pid_t pid, int proc, struct identity *id, struct cj_error *err)
{
	char text[16];
	int r = idmap_read(proc, "uid_map", &id->uid_map);

	if (r == 0)
		r = idmap_read(proc, "gid_map", &id->gid_map);
	if (r < 0)
		return cj_fail(err, -r, "read the id maps of process %d", pid);
	id->setgroups_denied = proc_read_small(proc, "setgroups", text, sizeof(text)) > 0 &&
			       strncmp(text, "deny", 4) == 0;
	return 0;
}

static int read_cgroups(pid_t pid, int proc, struct identity *id, struct cj_error *err)
{
	int r = cgroup_list_read(proc, &id->cgroups);

	return r < 0 ? cj_fail(err, -r, "read the cgroups of process %d", pid) : 0;
}

/*
 * In the middle of an execve the new environment isn't there yet and the file is empty, as it is for
 * a process that has none: that one's begins where it ends. It takes microseconds, unless the program
 * comes from afar.
 */
static int read_environ(int proc, struct bytes *ret)
{
	for (int i = 0;; i++) {
		struct proc_stat stat;
		int r = proc_read(proc, "environ", ENVIRON_LIMIT, ret);

		if (r < 0 || ret->size > 0 || i == EXECVE_TRIES ||
		    proc_read_stat(proc, &stat) < 0 ||
		    (stat.env_end && stat.env_end == stat.env_start))
			return r;
		bytes_done(ret);
		if (stat.memory == 0)
			return -ESRCH;
		(void)poll(NULL, 0, i < 10 ? 0 : 1);
	}
}

/* What may be missing: noted, and an error only where a plan needs it. */
static void read_details(pid_t pid, int proc, struct identity *id)
{
	note(id, PART_OOM, proc_read_number(proc, "oom_score_adj", 10, &id->oom_score_adj));
	note(id, PART_CORE_FILTER, proc_read_number(proc, "coredump_filter", 16, &id->core_filter));
	note(id, PART_LABEL, label_read(proc, &id->label));
	note(id, PART_ROOT, read_place(proc, "root", &id->root));
	note(id, PART_CWD, read_place(proc, "cwd", &id->cwd));
	note(id, PART_RLIMITS, limits_read(pid, proc, &id->limits));
	note(id, PART_PERSONALITY, proc_read_number(proc, "personality", 16, &id->personality));
	note(id, PART_TIMER_SLACK, proc_read_number(proc, "timerslack_ns", 10, &id->timer_slack));
	note(id, PART_ENVIRONMENT, read_environ(proc, &id->environ));
	read_scheduling(pid, id);
}

int identity_read(pid_t pid, int proc, const struct identity *ours, struct identity *ret,
		  struct cj_error *err)
{
	_cleanup_(identity_done) struct identity id = IDENTITY_INIT;
	int r = read_status(pid, proc, &id, err);

	if (r == 0)
		r = read_namespaces(pid, proc, &id, err);
	if (r == 0)
		r = read_cgroups(pid, proc, &id, err);
	if (r == 0 && id.namespaces.inode[NAMESPACE_USER] != ours->namespaces.inode[NAMESPACE_USER])
		r = read_user_namespace(pid, proc, &id, err);
	if (r < 0)
		return r;
	read_details(pid, proc, &id);
	*ret = id;
	id = (struct identity)IDENTITY_INIT;
	return 0;
}

static void look_at_namespaces(int proc, struct identity *id)
{
	for (int i = 0; i < NAMESPACE_KINDS; i++) {
		int r = namespace_read(proc, i, &id->namespaces.inode[i]);

		id->unread_namespaces[i] = r < 0 ? -r : 0;
	}
}

int identity_look(pid_t pid, int proc, struct identity *ret, struct cj_error *err)
{
	_cleanup_(identity_done) struct identity id = IDENTITY_INIT;
	int r = read_status(pid, proc, &id, err);

	if (r < 0)
		return r;
	look_at_namespaces(proc, &id);
	r = cgroup_list_read(proc, &id.cgroups);
	id.unread_cgroups = r < 0 ? -r : 0;
	r = read_user_namespace(pid, proc, &id, NULL);
	id.unread_maps = r < 0 ? -r : 0;
	read_details(pid, proc, &id);
	*ret = id;
	id = (struct identity)IDENTITY_INIT;
	return 0;
}

static int read_own_groups(struct proc_status *status)
{
	int n = getgroups(0, NULL);

	if (n <= 0)
		return n < 0 ? -errno : 0;
	status->groups = calloc((size_t)n, sizeof(*status->groups));
	if (!status->groups)
		return -ENOMEM;
	n = getgroups(n, status->groups);
	if (n < 0)
		return -errno;
	status->n_groups = (size_t)n;
	return 0;
}

static int read_own_credentials(struct proc_status *status)
{
	struct capability_sets sets;
	int r = capabilities_read_own(&sets);

	if (r < 0)
		return r;
	status->inheritable = sets.inheritable;
	status->permitted = sets.permitted;
	status->effective = sets.effective;
	status->bounding = sets.bounding;
	status->ambient = sets.ambient;
	(void)getresuid(&status->uid[0], &status->uid[1], &status->uid[2]); /* can't fail */
	(void)getresgid(&status->gid[0], &status->gid[1], &status->gid[2]);
	status->uid[3] =
		status->uid[1]; /* who has changed them by setfsuid doesn't call us like that */
	status->gid[3] = status->gid[1];
	status->no_new_privs = sys_prctl(PR_GET_NO_NEW_PRIVS, 0, 0) == 1;
	return read_own_groups(status);
}

int identity_read_own(int proc, struct identity *ret, struct cj_error *err)
{
	_cleanup_(identity_done) struct identity id = IDENTITY_INIT;
	int r = read_namespaces(getpid(), proc, &id, err);

	if (r == 0)
		r = read_cgroups(getpid(), proc, &id, err);
	if (r < 0)
		return r;
	r = read_own_credentials(&id.status);
	if (r < 0)
		return cj_fail(err, -r, "read our own credentials");
	note(&id, PART_OOM, proc_read_number(proc, "oom_score_adj", 10, &id.oom_score_adj));
	/* Of the process: a thread's directory doesn't have it. */
	note(&id, PART_CORE_FILTER,
	     proc_read_number(proc, CORE_FILTER_FROM_THREAD, 16, &id.core_filter));
	note(&id, PART_RLIMITS, limits_read(0, proc, &id.limits));
	read_own_place("/", &id.root);
	read_own_place(".", &id.cwd);
	id.personality = personality(0xffffffff);
	id.timer_slack = sys_prctl(PR_GET_TIMERSLACK, 0, 0);
	read_scheduling(0, &id);
	*ret = id;
	id = (struct identity)IDENTITY_INIT;
	return 0;
}

void identity_read_own_label(int proc, struct identity *own)
{
	(void)label_read(proc, &own->label); /* unread: then it's another one than the target's */
}
