/* SPDX-License-Identifier: MIT
 *
 * Should we crash while the terminal is raw, it isn't left so. By SIGKILL that's the watchdog's business.
 */
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/terminal.h"

/* abort(3) unblocks its own. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT};

static struct termios mode;
static volatile sig_atomic_t is_raw;
static char stack[64 << 10]; /* ours may be what has overflowed */

/*
 * Async-signal-safe. Sent by somebody it's for the command: from now on it's blocked, and so it's found by our signalfd,
 * where it's put again.
 */
static void handle(int sig, siginfo_t *info, void *context)
{
	if (info->si_code <= 0 && sig != SIGABRT) {
		(void)sigaddset(&((ucontext_t *)context)->uc_sigmask, sig);
		(void)sigqueue(getpid(), sig, (union sigval){0});
		return;
	}
	if (is_raw)
		(void)tcsetattr(0, TCSANOW, &mode);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig); /* blocked until we return */
}

void terminal_guard_crash(const struct termios *before)
{
	const stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	sigset_t unblocked;

	is_raw = 0; /* while it changes */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	mode = *before;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	is_raw = 1;
	(void)sigaltstack(&own, NULL);
	(void)sigfillset(&action.sa_mask);
	(void)sigemptyset(&unblocked);
	for (size_t i = 0; i < ELEMENTS(faults); i++) {
		(void)sigaction(faults[i], &action, NULL);
		if (faults[i] != SIGABRT)
			(void)sigaddset(&unblocked, faults[i]);
	}
	(void)sigprocmask(SIG_UNBLOCK, &unblocked, NULL);
}

void terminal_unguard_crash(void)
{
	is_raw = 0;
}
