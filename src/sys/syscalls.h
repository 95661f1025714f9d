/* SPDX-License-Identifier: MIT
 *
 * System calls as the kernel has them: no cancellation points, no setxid broadcast to the threads of
 * a process that we were forked from, no errno (a failure is -errno). All async-signal-safe.
 * Not here: fall-backs (each in the file of its subject) and what calls mean.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline long sys_result(long r)
{
	return r < 0 ? -errno : r;
}

/* Never from a cache: also right in a copy of a caller. */
static inline pid_t sys_getpid(void)
{
	return (pid_t)syscall(SYS_getpid);
}

/* pidfd_open(2), 5.3 */
static inline int sys_pidfd_open(pid_t pid, unsigned int flags)
{
	return (int)sys_result(syscall(SYS_pidfd_open, pid, flags));
}

/* pidfd_send_signal(2), 5.1 */
static inline int sys_pidfd_send_signal(int pidfd, int sig)
{
	return (int)sys_result(syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0));
}

/* PIDFD_SIGNAL_PROCESS_GROUP, 6.9: all of the group that it leads. EINVAL before. */
static inline int sys_pidfd_signal_group(int pidfd, int sig)
{
	return (int)sys_result(syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 1U << 2));
}

/* clone3(2), 5.3; CLONE_INTO_CGROUP 5.7 */
static inline pid_t sys_clone3(struct clone_args *args)
{
	return (pid_t)sys_result(syscall(SYS_clone3, args, sizeof(*args)));
}

/*
 * clone(2) without memory of its own to run on: like fork(2), with flags. With CLONE_PARENT_SETTID the
 * kernel writes the PID to `*ret_pid` before the new process runs.
 */
static inline pid_t sys_clone(unsigned long flags, pid_t *ret_pid)
{
	return (pid_t)sys_result(syscall(SYS_clone, flags, NULL, ret_pid, NULL, NULL));
}

static inline int sys_setns(int fd, int kinds)
{
	return (int)sys_result(syscall(SYS_setns, fd, kinds));
}

/* close_range(2), 5.9 */
static inline int sys_close_range(unsigned int first, unsigned int last)
{
	return (int)sys_result(syscall(SYS_close_range, first, last, 0));
}

/* Closes all from `first` on but two, which lie there. */
static inline int sys_close_all_but(unsigned int first, int one, int other)
{
	unsigned int low = (unsigned int)(one < other ? one : other);
	unsigned int high = (unsigned int)(one < other ? other : one);
	int r = 0;

	if (low > first)
		r = sys_close_range(first, low - 1);
	if (r == 0 && high > low + 1)
		r = sys_close_range(low + 1, high - 1);
	return r == 0 ? sys_close_range(high + 1, ~0U) : r;
}

/* Where a filter denies the call: as many as there are mostly. */
static inline void sys_close_each(unsigned int first, unsigned int last)
{
	enum { MOSTLY = 65536 };

	for (unsigned int fd = first; fd <= last && fd < MOSTLY; fd++)
		(void)close((int)fd);
}

static inline void sys_close_those(unsigned int first, unsigned int last)
{
	if (sys_close_range(first, last) < 0)
		sys_close_each(first, last);
}

/* Closes all but `n` of them, in any order, which it sorts; -EBADF among them counts for nothing. */
static inline void sys_close_all_but_these(int *fds, size_t n)
{
	unsigned int first = 0;

	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k > 0 && fds[k - 1] > fds[k]; k--) {
			int fd = fds[k];

			fds[k] = fds[k - 1];
			fds[k - 1] = fd;
		}
	for (size_t i = 0; i < n; i++) {
		if (fds[i] < 0)
			continue;
		if ((unsigned int)fds[i] > first)
			sys_close_those(first, (unsigned int)fds[i] - 1);
		first = (unsigned int)fds[i] + 1;
	}
	sys_close_those(first, ~0U);
}

/* openat2(2), 5.6 */
static inline int sys_openat2(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};

	return (int)sys_result(syscall(SYS_openat2, dir, path, &how, sizeof(how)));
}

/* open_tree(2), 5.2 */
static inline int sys_open_tree(int dir, const char *path, unsigned int flags)
{
	return (int)sys_result(syscall(SYS_open_tree, dir, path, flags));
}

/* mount_setattr(2), 5.12 */
static inline int sys_mount_setattr(int dir, const char *path, unsigned int flags, uint64_t set)
{
	struct mount_attr attr = {.attr_set = set};

	return (int)sys_result(syscall(SYS_mount_setattr, dir, path, flags, &attr, sizeof(attr)));
}

/* The same for a whole tree, which becomes private as well. */
static inline int sys_mount_setattr_private(int tree, uint64_t set)
{
	struct mount_attr attr = {.attr_set = set, .propagation = 1 << 18 /* MS_PRIVATE */};

	return (int)sys_result(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE,
				       &attr, sizeof(attr)));
}

/* move_mount(2), 5.2: what `from` is the root of, a detached tree or a new file system, becomes mounted. */
static inline int sys_move_mount(int from, int to_dir, const char *to)
{
	return (int)sys_result(
		syscall(SYS_move_mount, from, "", to_dir, to, MOVE_MOUNT_F_EMPTY_PATH));
}

/* A new file system, step by step: fsopen(2), fsconfig(2), fsmount(2), 5.2 */
static inline int sys_fsopen(const char *type)
{
	return (int)sys_result(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
}

static inline int sys_fsconfig_string(int fs, const char *key, const char *value)
{
	return (int)sys_result(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0));
}

static inline int sys_fsconfig_fd(int fs, const char *key, int fd)
{
	return (int)sys_result(syscall(SYS_fsconfig, fs, FSCONFIG_SET_FD, key, NULL, fd));
}

static inline int sys_fsconfig_create(int fs)
{
	return (int)sys_result(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}

static inline int sys_fsmount(int fs, unsigned int attributes)
{
	return (int)sys_result(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes));
}

/* mount(2), as it always was */
static inline int sys_mount(const char *source, const char *target, const char *type,
			    unsigned long flags)
{
	return (int)sys_result(syscall(SYS_mount, source, target, type, flags, NULL));
}

/* umount2(2): now for the paths, and for good when nobody uses it any more. */
static inline int sys_umount(const char *target)
{
	return (int)sys_result(syscall(SYS_umount2, target, 2 /* MNT_DETACH */));
}

static inline int sys_unshare(int kinds)
{
	return (int)sys_result(syscall(SYS_unshare, kinds));
}

static inline int sys_mkdirat(int dir, const char *path, mode_t mode)
{
	return (int)sys_result(syscall(SYS_mkdirat, dir, path, mode));
}

static inline int sys_symlinkat(const char *text, int dir, const char *path)
{
	return (int)sys_result(syscall(SYS_symlinkat, text, dir, path));
}

/* Returns the length; the text isn't NUL-ended. */
static inline int sys_readlinkat(int dir, const char *path, char *buf, size_t size)
{
	return (int)sys_result(syscall(SYS_readlinkat, dir, path, buf, size));
}

/* openat(2) that makes a file; glibc's open has the mode among variable arguments. */
static inline int sys_create(int dir, const char *path, mode_t mode)
{
	return (int)sys_result(syscall(SYS_openat, dir, path,
				       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
}

/* getdents64(2): what readdir(3) reads, without memory of its own. */
struct directory_entry {
	uint64_t inode;
	int64_t offset;
	unsigned short length; /* of this entry, to the next */
	unsigned char type;    /* DT_… */
	char name[];
};

static inline int sys_getdents(int dir, void *buf, size_t size)
{
	return (int)sys_result(syscall(SYS_getdents64, dir, buf, size));
}

static inline int sys_execveat(int dir, const char *path, char *const *argv, char *const *envp,
			       int flags)
{
	return (int)sys_result(syscall(SYS_execveat, dir, path, argv, envp, flags));
}

enum { SIGNALS = 64 };
#define SIGNAL_BIT(sig) (UINT64_C(1) << ((sig)-1))

/* Those by which a person, a service manager or a terminal says "stop that". */
#define SIGNALS_TO_END                                                                             \
	(SIGNAL_BIT(SIGINT) | SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGHUP) | SIGNAL_BIT(SIGQUIT))

/* Gives a signal its default disposition. rt_sigaction(2); the struct is the kernel's. */
static inline int sys_sigaction_default(int sig)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} action = {SIG_DFL, 0, NULL, 0};

	return (int)sys_result(syscall(SYS_rt_sigaction, sig, &action, NULL, sizeof(action.mask)));
}

/* Sets the mask; sizeof(uint64_t) bytes of it is what the kernel has. */
static inline int sys_sigprocmask_set(uint64_t mask)
{
	return (int)sys_result(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask)));
}

static inline int sys_waitid(idtype_t type, id_t id, siginfo_t *ret, int options)
{
	return (int)sys_result(syscall(SYS_waitid, type, id, ret, options, NULL));
}

/* glibc's has no fifth argument: what the process, and those that it has waited for, have used. */
static inline int sys_waitid_usage(idtype_t type, id_t id, siginfo_t *ret, int options,
				   struct rusage *ret_usage)
{
	return (int)sys_result(syscall(SYS_waitid, type, id, ret, options, ret_usage));
}

static inline int sys_prctl(int option, unsigned long arg2, unsigned long arg3)
{
	return (int)sys_result(syscall(SYS_prctl, option, arg2, arg3, 0UL, 0UL));
}

static inline int sys_setresuid(uid_t real, uid_t effective, uid_t saved)
{
	return (int)sys_result(syscall(SYS_setresuid, real, effective, saved));
}

static inline int sys_setresgid(gid_t real, gid_t effective, gid_t saved)
{
	return (int)sys_result(syscall(SYS_setresgid, real, effective, saved));
}

/* Return the *previous* id and no error: ask twice to see whether it took. setfsuid(2) */
static inline uid_t sys_setfsuid(uid_t uid)
{
	return (uid_t)syscall(SYS_setfsuid, uid);
}

static inline gid_t sys_setfsgid(gid_t gid)
{
	return (gid_t)syscall(SYS_setfsgid, gid);
}

static inline int sys_setgroups(size_t count, const gid_t *groups)
{
	return (int)sys_result(syscall(SYS_setgroups, count, groups));
}

static inline int sys_capget(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};

	return (int)sys_result(syscall(SYS_capget, &header, data));
}

static inline int sys_capset(const struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};

	return (int)sys_result(syscall(SYS_capset, &header, data));
}

/* struct sched_attr, under a name of ours: glibc's and the kernel's headers exclude each other. */
struct scheduling {
	uint32_t size;
	uint32_t sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;	 /* of other, batch and idle */
	uint32_t sched_priority; /* of fifo and rr */
	uint64_t sched_runtime, sched_deadline, sched_period;
	uint32_t sched_util_min, sched_util_max; /* 5.3 */
};

static inline int sys_sched_setattr(pid_t pid, const struct scheduling *attr)
{
	return (int)sys_result(syscall(SYS_sched_setattr, pid, attr, 0));
}

static inline int sys_sched_getattr(pid_t pid, struct scheduling *ret)
{
	return (int)sys_result(syscall(SYS_sched_getattr, pid, ret, sizeof(*ret), 0));
}

/* Return the size of the kernel's mask in bytes. */
static inline int sys_sched_getaffinity(pid_t pid, size_t size, unsigned long *ret)
{
	return (int)sys_result(syscall(SYS_sched_getaffinity, pid, size, ret));
}

static inline int sys_sched_setaffinity(pid_t pid, size_t size, const unsigned long *mask)
{
	return (int)sys_result(syscall(SYS_sched_setaffinity, pid, size, mask));
}

/* Of one process; the system call counts from 40 down to 1. */
static inline int sys_getpriority(pid_t pid, int *ret_nice)
{
	long r = sys_result(syscall(SYS_getpriority, PRIO_PROCESS, pid));

	if (r < 0)
		return (int)r;
	*ret_nice = 20 - (int)r;
	return 0;
}

static inline int sys_setpriority(pid_t pid, int nice)
{
	return (int)sys_result(syscall(SYS_setpriority, PRIO_PROCESS, pid, nice));
}

#define SYS_IOPRIO_WHO_PROCESS 1 /* ioprio_set(2) has no header */

static inline int sys_ioprio_get(pid_t pid)
{
	return (int)sys_result(syscall(SYS_ioprio_get, SYS_IOPRIO_WHO_PROCESS, pid));
}

static inline int sys_ioprio_set(pid_t pid, int ioprio)
{
	return (int)sys_result(syscall(SYS_ioprio_set, SYS_IOPRIO_WHO_PROCESS, pid, ioprio));
}

static inline int sys_prlimit(pid_t pid, int resource, const struct rlimit64 *set,
			      struct rlimit64 *ret)
{
	return (int)sys_result(syscall(SYS_prlimit64, pid, resource, set, ret));
}

/* The directory's path, or "(unreachable)…": glibc's getcwd hides that. getcwd(2) */
static inline int sys_getcwd(char *buf, size_t size)
{
	return (int)sys_result(syscall(SYS_getcwd, buf, size));
}
