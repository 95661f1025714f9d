/* SPDX-License-Identifier: MIT */
#include "sys/spawn_command.h"

#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/single_threaded.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sys/raw.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"

enum { STACK = 8192, UNSHARE_FILES = 1 << 1 /* CLOSE_RANGE_UNSHARE, 5.9 */ };

/* All that the new process knows. */
struct birth {
	const struct spawn_command *command;
	pid_t parent;
	bool bound;	   /* to the caller's life, by the parent death signal */
	bool shares_files; /* the table is the caller's still */
	int kept;	   /* closed by execve and no sooner: by it the caller sees that; -1 */
};

#if !HAVE_RAW_CALLS
/* In a copy of the caller errno is its own. */
static inline long raw_call(long nr, long a, long b, long c, long d, long e, long f)
{
	return sys_result(syscall(nr, a, b, c, d, e, f));
}

static inline long raw_clone(long nr, long a, long b, long c, void (*run)(void *), void *data)
{
	(void)nr, (void)a, (void)b, (void)c, (void)run, (void)data;
	return -ENOSYS;
}
#endif

/*
 * What follows runs in the new process, which shares memory and errno with the caller: system calls only, and nothing
 * that a sanitizer would add.
 */
#define BARE __attribute__((no_sanitize("address", "undefined", "thread")))

#define CALL(nr, ...) CALL_(nr, __VA_ARGS__, 0, 0, 0, 0, 0)
#define CALL_(nr, a, b, c, d, e, ...)                                                              \
	raw_call((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

BARE __attribute__((noreturn)) static void leave(void)
{
	for (;;)
		(void)CALL(SYS_exit_group, 1);
}

BARE __attribute__((noreturn)) static void fail(const struct birth *birth, enum spawn_step step,
						long r)
{
	struct spawn_report *report = birth->command->report;

	report->code = (int)-r;
	report->step = (int)step;
	leave();
}

/* What is closed from here on closes for the caller as well, until there is a table of our own. */
BARE static long unshare_files(const struct birth *birth)
{
	const struct spawn_command *command = birth->command;
	unsigned int first = 3;
	long r;

	if (!birth->shares_files)
		return 0;
	for (int i = 0; i < 3; i++)
		if (command->stdio[i] >= (int)first)
			first = (unsigned int)command->stdio[i] + 1;
	for (size_t i = 0; i < command->n_procs; i++)
		if (command->procs[i] >= (int)first)
			first = (unsigned int)command->procs[i] + 1;
	/* Copies those below only. */
	r = CALL(SYS_close_range, first, ~0U, UNSHARE_FILES);
	return r < 0 ? CALL(SYS_unshare, CLONE_FILES) : r;
}

/*
 * Of a caller that has ended before the death signal was set there is nobody to be told. 0 is one that makes its children
 * in another pid namespace.
 */
BARE static long follow_caller(const struct birth *birth)
{
	long r = birth->bound ? CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL) : 0;
	long parent = CALL(SYS_getppid, 0);

	if (parent != 0 && parent != birth->parent)
		leave();
	return r;
}

BARE static long join_cgroups(const struct spawn_command *command)
{
	for (size_t i = 0; i < command->n_procs; i++) {
		long r = CALL(SYS_write, command->procs[i], "0", 1);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Those that would be overwritten are put elsewhere first. */
BARE static long place_stdio(const struct spawn_command *command)
{
	long from[3], r = 0;

	for (int i = 0; i < 3 && r >= 0; i++) {
		from[i] = command->stdio[i];
		if (from[i] < 3 && from[i] != i)
			r = from[i] = CALL(SYS_fcntl, from[i], F_DUPFD_CLOEXEC, 3);
	}
	for (int i = 0; i < 3 && r >= 0; i++)
		r = from[i] == i ? CALL(SYS_fcntl, i, F_SETFD, 0) : CALL(SYS_dup3, from[i], i, 0);
	return r;
}

BARE static void close_those(unsigned int first, unsigned int last)
{
	enum { MOSTLY = 65536 };

	if (first > last || CALL(SYS_close_range, first, last, 0) == 0)
		return;
	/* A filter denies it: as many as there are mostly. */
	for (unsigned int fd = first; fd <= last && fd < MOSTLY; fd++)
		(void)CALL(SYS_close, fd);
}

BARE static void close_others(const struct birth *birth)
{
	if (birth->kept > 2) {
		close_those(3, (unsigned int)birth->kept - 1);
		close_those((unsigned int)birth->kept + 1, ~0U);
	} else {
		close_those(3, ~0U);
	}
}

/* All, without a look: what asking costs, setting does, too. Handlers are gone before anything is unblocked. */
BARE static long reset_signals(void)
{
	/* The kernel's struct: handler, flags, restorer, mask. rt_sigaction(2) */
	const unsigned long by_default[4] = {0};
	const uint64_t none = 0;

	for (int sig = 1; sig <= SIGNALS; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			(void)CALL(SYS_rt_sigaction, sig, by_default, 0, sizeof(none));
	return CALL(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof(none));
}

BARE static bool is_directory(const char *path)
{
	return CALL(SYS_openat, AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC) >= 0;
}

/* execvp(3), but for ENOEXEC. Only returns what is to be reported. */
BARE static long execute(const struct spawn_command *command)
{
	struct spawn_report *report = command->report;
	long worst = -ENOENT;

	report->path = command->n_paths;
	for (size_t i = 0; i < command->n_paths; i++) {
		const char *path = command->paths[i];
		long r = CALL(SYS_execve, path, command->argv, command->env);

		if (r == -ENOENT && CALL(SYS_faccessat, AT_FDCWD, path, F_OK) == 0)
			r = -ELIBBAD; /* it was about the interpreter */
		if (r == -ENOENT || r == -ENOTDIR)
			continue;
		report->path = i;
		if (r != -EACCES)
			return r;
		worst = is_directory(path) ? -EISDIR : r; /* perhaps another one may be executed */
	}
	return worst;
}

BARE static void take(const struct birth *birth, enum spawn_step step, long r)
{
	if (r < 0)
		fail(birth, step, r);
}

BARE __attribute__((noreturn)) static void become_command(void *data)
{
	const struct birth *birth = data;
	const struct spawn_command *command = birth->command;

	__atomic_store_n(&command->report->pid, (pid_t)CALL(SYS_getpid, 0), __ATOMIC_SEQ_CST);
	take(birth, SPAWN_FILES, unshare_files(birth));
	take(birth, SPAWN_SIGNALS, follow_caller(birth));
	take(birth, SPAWN_SESSION, CALL(SYS_setsid, 0));
	take(birth, SPAWN_CGROUP, join_cgroups(command));
	take(birth, SPAWN_STDIO, place_stdio(command));
	if (command->terminal)
		take(birth, SPAWN_TERMINAL, CALL(SYS_ioctl, 0, TIOCSCTTY, 0));
	close_others(birth);
	if (command->cwd)
		take(birth, SPAWN_DIRECTORY, CALL(SYS_chdir, command->cwd));
	take(birth, SPAWN_SIGNALS, reset_signals());
	fail(birth, SPAWN_EXECUTE, execute(command));
}

/* --- the caller's side --- */

enum { SHARED = CLONE_VM | CLONE_VFORK };

/* The caller sleeps until execve, or the end. */
static pid_t share(struct birth *birth, int *ret_pidfd)
{
	char stack[STACK] __attribute__((aligned(16)));
	int cgroup = birth->command->cgroup;
	struct clone_args args = {
		.flags = SHARED | CLONE_FILES | CLONE_PIDFD | (cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.cgroup = cgroup >= 0 ? (uint64_t)cgroup : 0,
		.stack = (uint64_t)(uintptr_t)stack,
		.stack_size = sizeof(stack),
	};
	long r;

	birth->shares_files = true;
	r = raw_clone(SYS_clone3, (long)&args, sizeof(args), 0, become_command, birth);
	/* Filters that can't look into clone3's struct deny it as a whole, and mean clone. */
	if (cgroup < 0 && (r == -ENOSYS || r == -EPERM))
		r = raw_clone(SYS_clone, SHARED | CLONE_FILES | CLONE_PIDFD,
			      (long)(stack + sizeof(stack)), (long)ret_pidfd, become_command,
			      birth);
	return (pid_t)r;
}

/* Where nobody may share memory as we do: emulators, filters. */
static pid_t copy(struct birth *birth, int *ret_pidfd)
{
	_cleanup_fd_ int read_end = -EBADF, write_end = -EBADF;
	int ends[2];
	pid_t pid;
	char byte;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	read_end = ends[0];
	write_end = ends[1] > 2 ? ends[1] : fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
	if (write_end != ends[1])
		(void)close(ends[1]);
	if (write_end < 0)
		return -EMFILE;
	birth->shares_files = false;
	birth->kept = write_end;
	pid = process_spawn(-1, ret_pidfd);
	if (pid == 0)
		become_command(birth);
	close_fd(&write_end);
	while (pid > 0 && io_read(read_end, &byte, 1) > 0)
		; /* nobody writes: it ends with execve */
	return pid;
}

static bool cant_share(pid_t r)
{
	return r == -ENOSYS || r == -EPERM || r == -EINVAL || r == -EOPNOTSUPP;
}

/* Not one of ours to be waited for by others: it has raised no SIGCHLD. */
static pid_t give_up(const struct spawn_report *report, int *pidfd)
{
	siginfo_t info;

	while (sys_waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED | __WALL) == -EINTR)
		;
	close_fd(pidfd);
	return -report->code;
}

pid_t process_spawn_command(const struct spawn_command *command, int *ret_pidfd)
{
	struct birth birth = {.command = command,
			      .parent = sys_getpid(),
			      .bound = __libc_single_threaded,
			      .kept = -1};
	struct spawn_report *report = command->report;
	sigset_t all, before;
	int pidfd = -EBADF;
	pid_t pid;

	report->step = SPAWN_FINE;
	/* A handler of the caller's must not run in there. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &before);
	pid = share(&birth, &pidfd);
	if (command->cgroup < 0 && cant_share(pid))
		pid = copy(&birth, &pidfd);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid > 0 && report->step != SPAWN_FINE)
		pid = give_up(report, &pidfd);
	if (pid > 0)
		*ret_pidfd = pidfd;
	return pid;
}
