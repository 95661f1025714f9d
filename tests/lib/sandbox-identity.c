/* SPDX-License-Identifier: MIT
 *
 * Makes a process what the options say: scheduling, limits, ids, capabilities, seccomp.
 * Not here: namespaces and mounts.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LAST_CAP 63

int write_file(const char *path, const char *text)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t size = strlen(text);

	if (fd < 0)
		return -errno;
	return write(fd, text, size) == (ssize_t)size ? 0 : errno ? -errno : -EIO;
}

int read_file(const char *path, char *buf, size_t size)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return (int)n;
}

static int set_number(const char *path, const char *format, long long value, struct failure *why)
{
	char text[32];
	int r;

	if (value == UNSET)
		return 0;
	(void)snprintf(text, sizeof(text), format[0] == 'x' ? "0x%llx" : "%lld", value);
	r = write_file(path, text);
	return r < 0 ? fail(why, -r, "write %s to %s", text, path) : 0;
}

/* What takes the host's rights (CAP_SYS_NICE outside) and is inherited by fork. */
int identity_outside(const struct sandbox *box, struct failure *why)
{
	const struct sched_param param = {.sched_priority = (int)box->sched_priority};
	int r;

	if (box->have_affinity && sched_setaffinity(0, sizeof(box->affinity), &box->affinity) < 0)
		return fail(why, errno, "set CPU affinity");
	if (box->nice != UNSET && setpriority(PRIO_PROCESS, 0, (int)box->nice) < 0)
		return fail(why, errno, "set nice value");
	if (box->ioprio != UNSET && syscall(SYS_ioprio_set, 1, 0, (int)box->ioprio) < 0)
		return fail(why, errno, "set io priority");
	if (box->sched_policy != UNSET && sched_setscheduler(0, (int)box->sched_policy, &param) < 0)
		return fail(why, errno, "set scheduling policy");
	r = set_number("/proc/self/oom_score_adj", "d", box->oom, why);
	if (r < 0)
		return r;
	return set_number("/proc/self/coredump_filter", "x", box->coredump_filter, why);
}

/* In a new user namespace we are nobody until we take an id of it. */
int identity_become_root(const struct sandbox *box, struct failure *why)
{
	uid_t uid = box->map_self ? (uid_t)box->uid : 0;
	gid_t gid = box->map_self ? (gid_t)box->gid : 0;

	if (!(box->namespaces & CLONE_NEWUSER))
		return 0;
	if (!box->map_self && setgroups(0, NULL) < 0)
		return fail(why, errno, "drop groups");
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return fail(why, errno, "become root in the user namespace");
	return 0;
}

static int set_caps(uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){
			.effective = (uint32_t)(permitted >> (32 * i)),
			.permitted = (uint32_t)(permitted >> (32 * i)),
			.inheritable = (uint32_t)(inheritable >> (32 * i)),
		};
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static uint64_t own_caps(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	(void)syscall(SYS_capget, &header, data);
	return (uint64_t)data[1].permitted << 32 | data[0].permitted;
}

static int drop_bounding(uint64_t keep, struct failure *why)
{
	for (unsigned long cap = 0; cap <= LAST_CAP; cap++) {
		if (keep & 1ULL << cap || prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return fail(why, errno, "drop capability %lu from the bounding set", cap);
	}
	return 0;
}

static int raise_ambient(uint64_t ambient, struct failure *why)
{
	for (unsigned long cap = 0; cap <= LAST_CAP; cap++) {
		if (!(ambient & 1ULL << cap))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return fail(why, errno, "raise ambient capability %lu", cap);
	}
	return 0;
}

static int set_ids(const struct sandbox *box, struct failure *why)
{
	uid_t uid = (uid_t)box->uid;
	gid_t gid = (gid_t)box->gid;
	bool may_set_groups = !(box->map_self && box->namespaces & CLONE_NEWUSER);

	/* an ordinary user without a user namespace stays who he is */
	if (geteuid() != 0 && !(box->namespaces & CLONE_NEWUSER))
		return 0;
	if ((may_set_groups || box->n_groups > 0) && setgroups(box->n_groups, box->groups) < 0)
		return fail(why, errno, "set groups");
	if (setresgid(gid, gid, gid) < 0)
		return fail(why, errno, "set gid %u", gid);
	if (setresuid(uid, uid, uid) < 0)
		return fail(why, errno, "set uid %u", uid);
	return 0;
}

/*
 * The order is Docker's: the bounding set while CAP_SETPCAP is there, ids with their capabilities
 * kept, then the filter (it takes CAP_SYS_ADMIN without no_new_privs), then the final sets.
 */
static int set_credentials(const struct sandbox *box, struct failure *why)
{
	uint64_t have = own_caps();
	int r;

	r = set_caps(have, box->inheritable & have);
	if (r < 0)
		return fail(why, -r, "set inheritable capabilities");
	r = have ? drop_bounding(box->bounding, why) : 0;
	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return fail(why, errno, "keep capabilities");
	r = set_ids(box, why);
	if (r < 0)
		return r;
	(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	r = set_caps(have, box->inheritable & have); /* the effective set went with uid 0 */
	if (r < 0)
		return fail(why, -r, "keep capabilities");
	if (box->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(why, errno, "set no_new_privs");
	r = seccomp_apply(box, why);
	if (r < 0)
		return r;
	r = set_caps(box->caps & have, box->inheritable & have);
	if (r < 0)
		return fail(why, -r, "set capabilities");
	return raise_ambient(box->ambient & have, why);
}

int identity_apply(const struct sandbox *box, struct failure *why)
{
	if (box->chroot && (chroot(box->chroot) < 0 || chdir("/") < 0))
		return fail(why, errno, "chroot %s", box->chroot);
	if (chdir(box->cwd) < 0)
		return fail(why, errno, "enter directory %s", box->cwd);
	for (size_t i = 0; i < box->n_limits; i++)
		if (setrlimit((__rlimit_resource_t)box->limits[i].resource, &box->limits[i].value) <
		    0)
			return fail(why, errno, "set limit %d (only lower ones can be set here)",
				    box->limits[i].resource);
	if (box->timer_slack != UNSET && prctl(PR_SET_TIMERSLACK, box->timer_slack, 0, 0, 0) < 0)
		return fail(why, errno, "set timer slack");
	if (box->personality != UNSET && personality((unsigned long)box->personality) < 0)
		return fail(why, errno, "set personality");
	(void)umask((mode_t)box->umask);
	return set_credentials(box, why);
}
