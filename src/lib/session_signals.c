/* SPDX-License-Identifier: MIT */
#include "lib/session_signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "lib/recording.h"
#include "lib/session_time.h"
#include "sys/session.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"

enum { HANDLER_MS = 100, LOOK_MS = 2, ROUNDS = 64, LOST_MS = 10000 };

/* What the kernel also sends by itself, about us. signal(7) */
static const uint64_t about_us = SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGPIPE) | SIGNAL_BIT(SIGSEGV) |
				 SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGFPE) |
				 SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGABRT) | SIGNAL_BIT(SIGSYS) |
				 SIGNAL_BIT(SIGXFSZ) | SIGNAL_BIT(SIGXCPU);

static const uint64_t by_writing = SIGNAL_BIT(SIGPIPE) | SIGNAL_BIT(SIGXFSZ);

static const uint64_t stopping = SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU);

bool signal_is_to_be_sent_on(const struct signalfd_siginfo *info)
{
	if (info->ssi_signo < 1 || info->ssi_signo > SIGNALS)
		return false;
	if (!(about_us & SIGNAL_BIT(info->ssi_signo)))
		return true;
	/* SIGPIPE and SIGXFSZ are "sent" by who writes: kernel/signal.c, SEND_SIG_NOINFO */
	return (info->ssi_code == SI_USER || info->ssi_code == SI_QUEUE ||
		info->ssi_code == SI_TKILL) &&
	       !(by_writing & SIGNAL_BIT(info->ssi_signo) && info->ssi_pid == (uint32_t)getpid());
}

bool session_carry_size(const struct session *session)
{
	const struct cj_session_options *options = session->options;
	struct winsize size, now;

	if (options->pty < 0 || ioctl(options->terminal, TIOCGWINSZ, &size) < 0)
		return false;
	if (ioctl(options->pty, TIOCGWINSZ, &now) == 0 && now.ws_row == size.ws_row &&
	    now.ws_col == size.ws_col && now.ws_xpixel == size.ws_xpixel &&
	    now.ws_ypixel == size.ws_ypixel)
		return false;
	recording_resize(recording_of(options), size.ws_col, size.ws_row);
	return ioctl(options->pty, TIOCSWINSZ, &size) == 0; /* which sends SIGWINCH inside */
}

/*
 * To the group that the keys of the pty go to, as the kernel does it at ctrl-C. The number of a group is its first
 * process's, and can have become somebody else's by the time that we use it: only the command's can't,
 * since nobody has waited for it, and a leader of a session can't leave its group. setpgid(2)
 */
static bool signal_foreground(struct session *session, int sig)
{
	struct cj_child *child = session->child;
	int pty = session->options->pty;
	pid_t group = 0;

	if (ioctl(pty, TIOCGPGRP, &group) < 0 || group <= 0)
		return false; /* it isn't a terminal of theirs any more, or whose it is can't be seen from here */
	if ((sig == SIGINT || sig == SIGQUIT) && ioctl(pty, TIOCSIG, sig) == 0)
		return true;
	if (group == child->pid && !child->inherited)
		return kill(-group, sig) == 0;
	child_read_start(child);
	return session_signal_group(&(struct session_leader){child->pid, child->start}, group,
				    sig) > 0;
}

void session_send(struct session *session, int sig)
{
	if (session->tree_waits)
		child_signal_session(session->child, sig);
	else
		(void)cj_child_signal(session->child, sig); /* ended: no matter */
}

/* A terminal that was hung up, as poll(2) shows it; of a pipe it tells only half of that. */
static bool is_lost(int fd)
{
	const short gone = POLLHUP | POLLERR;
	struct pollfd ready = {.fd = fd, .events = 0};
	struct stat st;

	return fd >= 0 && poll(&ready, 1, 0) == 1 && (ready.revents & gone) == gone &&
	       fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
}

static bool has_lost_its_terminal(const struct session *session)
{
	bool lost = session->lost || is_lost(session->options->terminal);

	for (int i = 0; i < CJ_RELAYS_MAX; i++) {
		const struct cj_relay *relay = &session->flows[i].relay;

		lost |= is_lost(relay->output ? relay->to : relay->from);
	}
	return lost;
}

/*
 * Whoever it was for is gone, and so are all of the command's session told, as a terminal's end tells its foreground.
 * Who is stopped hears of it, too: as the kernel does for orphaned groups. tty_ioctl(4). With a terminal that is lost nobody
 * will ever hear of who ignores it.
 */
static void hang_up(struct session *session)
{
	session->hung_up = true;
	child_read_start(session->child);
	child_signal_session(session->child, SIGHUP);
	child_signal_session(session->child, SIGCONT);
	if (has_lost_its_terminal(session))
		session_kill_later(session, LOST_MS);
}

static bool is_ignored(int sig)
{
	struct sigaction action;

	return sigaction(sig, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void session_look_for_terminal(struct session *session)
{
	if (session->hung_up || session->ended || !has_lost_its_terminal(session) ||
	    is_ignored(SIGHUP))
		return;
	session->told_to_end = session->told_of_loss = true;
	hang_up(session);
}

static void send_on(struct session *session, int sig)
{
	bool foreground = !session->tree_waits && session->options->pty >= 0 &&
			  signal_foreground(session, sig);

	if (!foreground)
		session_send(session, sig);
}

static bool ends(int sig)
{
	return SIGNALS_TO_END & SIGNAL_BIT(sig);
}

static bool is_behind(const struct session *session)
{
	const struct cj_session_options *options = session->options;
	bool asks = options->pty >= 0 && options->terminal >= 0 && session_is_listened_to(session);
	pid_t foreground = asks ? tcgetpgrp(options->terminal) : -1;

	return foreground >= 0 && foreground != getpgrp();
}

void session_look_ahead(struct session *session)
{
	bool before = session->behind;

	session->behind = is_behind(session);
	if (!before || session->behind)
		return;
	session_tell(session, CJ_SESSION_CONTINUED);
	(void)session_carry_size(session);
}

/* We go on. Who stopped us by SIGSTOP has left the terminal in a mode of its own. */
static bool is_continued(struct session *session)
{
	bool by_us = session->continued;

	session->continued = false;
	session->goes_on = true;
	session_tell(session, CJ_SESSION_CONTINUED);
	(void)session_carry_size(session);
	session_look_ahead(session);
	return by_us;
}

void session_take_signal(struct session *session, int sig)
{
	if (stopping & SIGNAL_BIT(sig) && session_is_listened_to(session)) {
		session->suspend_by = sig;
		return;
	}
	if (sig == SIGWINCH && session_carry_size(session))
		return;
	if (sig == SIGCONT && is_continued(session))
		return;
	if (session->ended && !session->tree_waits) {
		session->give_up |= ends(sig);
		return;
	}
	session->told_to_end |= ends(sig);
	if (sig == SIGHUP && session->told_of_loss)
		session->told_of_loss = false;
	else if (sig == SIGHUP)
		hang_up(session);
	else
		send_on(session, sig);
}

/*
 * A group without a parent in its session, as the command's is, isn't stopped by SIGTSTP, if it doesn't do that
 * itself: so its handler, if there is one, gets some time, and SIGSTOP does the rest. setpgid(2), "orphaned"
 */
static int stop_command(struct session *session, int sig, struct cj_error *err)
{
	struct session_leader leader;
	int64_t end = clock_ms() + HANDLER_MS;
	int r = 0;

	child_read_start(session->child);
	leader = (struct session_leader){session->child->pid, session->child->start};
	session_send(session, sig);
	if (!session->ended && session_leader_handles(&leader, sig))
		while (r >= 0 && !session->ended && !session_leader_is_stopped(&leader) &&
		       clock_ms() < end)
			r = session_wait_once(session, LOOK_MS, err);
	session_stop(&leader);
	/* What it wrote before. */
	for (int i = 0; i < ROUNDS && r >= 0; i++) {
		r = session_wait_once(session, 0, err);
		if (r == 0)
			break;
	}
	return r < 0 ? r : 0;
}

/*
 * Would the kernel stop us by it? Not where nobody could continue us, in an orphaned group, nor if it's ignored.
 * Only it knows: a process in our group tries. setpgid(2)
 */
static bool can_be_stopped(int sig)
{
	siginfo_t info = {.si_pid = 0};
	int pidfd = -EBADF;
	pid_t parent = getpid(), pid = process_spawn(-1, &pidfd);

	if (pid == 0) {
		sigset_t set;

		/* Stopped for ever it would hold the pipe by which the watchdog learns of our end. */
		sys_close_all_but_these(NULL, 0);
		(void)sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0);
		if (getppid() != parent)
			_exit(0);
		(void)sigfillset(&set);
		(void)sigdelset(&set, sig);
		(void)sigprocmask(SIG_SETMASK, &set, NULL);
		(void)kill(getpid(), sig);
		_exit(0);
	}
	if (pid > 0)
		while (sys_waitid(P_PIDFD, (id_t)pidfd, &info,
				  WSTOPPED | WEXITED | WNOWAIT | __WALL) == -EINTR)
			;
	process_end(&pidfd);
	return info.si_pid != 0 && info.si_code == CLD_STOPPED;
}

int session_suspend(struct session *session, struct cj_error *err)
{
	int sig = session->suspend_by, r = 0;
	bool stops_command = session->options->pty < 0 && (!session->ended || session->tree_waits);

	session->suspend_by = 0;
	if (sig == 0 || !can_be_stopped(sig))
		return 0;
	session->goes_on = false;
	if (stops_command)
		r = stop_command(session, sig, err);
	session->suspend_by = 0; /* more of them came meanwhile: we are about to stop */
	if (r == 0 && !session->goes_on)
		session_tell(session, CJ_SESSION_STOP);
	session_look_ahead(session);
	if (stops_command) {
		child_signal_session(session->child, SIGCONT);
		session->continued = !session->goes_on; /* then that one was taken */
	}
	return r;
}

/*
 * What a read or a write means in the background of a terminal only the kernel knows: it stops our whole group if it has to. So its
 * signals for that aren't blocked meanwhile. tty_ioctl(4), setpgid(2)
 */
void session_step_in_background(struct flow *flow)
{
	bool reads = !flow->relay.output && !flow_has_bytes(flow), stopped = false;
	sigset_t set, before, pending;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTTIN);
	(void)sigaddset(&set, SIGTTOU);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, &before);
	/* A read(2) that has stopped us would wait for a key when we're continued, and we'd hear of nothing else. */
	if (reads && kill(0, SIGTTIN) == 0 && sigpending(&pending) == 0)
		stopped = sigismember(&pending, SIGCONT) == 1;
	if (!stopped) /* nobody could continue our group: then it fails */
		flow_step(flow);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

bool session_is_in_background(const struct session *session, const struct flow *flow)
{
	pid_t foreground;

	if (!session_is_listened_to(session))
		return false;
	foreground = tcgetpgrp(flow->relay.output ? flow->relay.to : flow->relay.from);
	return foreground >= 0 &&
	       foreground != getpgrp(); /* else it isn't our session's terminal */
}
