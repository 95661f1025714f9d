/* SPDX-License-Identifier: MIT */
#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/terminal.h"

/* Are we the ones whom the terminal listens to? A job in the background must not change its mode. */
static bool in_foreground(int fd)
{
	return tcgetpgrp(fd) == getpgrp();
}

bool terminal_wants_pty(const struct terminal_request *request)
{
	if (request->choice != TERMINAL_AUTO)
		return request->choice == TERMINAL_FORCE;
	return !request->no_stdin && isatty(0) && isatty(1) && in_foreground(0);
}

static int duplicate(int fd, struct cj_error *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? cj_fail(err, errno, "duplicate fd %d", fd) : copy;
}

/* The session closes both fds of a relay, and 0 to 2 are still ours: it gets copies. */
static int add_relay(struct cj_session_options *session, int from, int to, int output,
		     struct cj_error *err)
{
	struct cj_relay *relay = session->relays;
	int copy_from = duplicate(from, err);
	int copy_to = copy_from < 0 ? -1 : duplicate(to, err);

	if (copy_from < 0)
		return copy_from;
	if (copy_to < 0) {
		(void)close(copy_from);
		return copy_to;
	}
	while (relay->from >= 0)
		relay++;
	*relay = (struct cj_relay){copy_from, copy_to, output};
	return 0;
}

static int open_pty(const struct terminal_request *request, struct cj_plan *plan,
		    struct cj_launch_options *launch, struct cj_session_options *session,
		    struct terminal *terminal, struct cj_error *err)
{
	struct winsize size = {0};
	int r;

	if (session->terminal >= 0)
		(void)ioctl(session->terminal, TIOCGWINSZ, &size); /* else 0: left alone */
	r = cj_pty_open(plan, size.ws_row, size.ws_col, &terminal->master, &terminal->slave, err);
	if (r > 0 && launch->log_level >= CJ_LOG_STEP)
		launch->log(launch->log_data, CJ_LOG_STEP,
			    "the target has no devpts: the pty is one of the host's");
	if (r >= 0 && !request->no_stdin)
		r = add_relay(session, 0, terminal->master, 0, err);
	if (r >= 0)
		r = add_relay(session, terminal->master, 1, 1, err);
	session->pty = take_fd(&terminal->master);
	launch->terminal = terminal->slave;
	return r;
}

static int open_pipe(int number, struct cj_launch_options *launch,
		     struct cj_session_options *session, struct terminal *terminal,
		     struct cj_error *err)
{
	bool input = number == 0;
	_cleanup_fd_ int ours = -EBADF;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return cj_fail(err, errno, "make a pipe");
	terminal->pipes[number] = fds[input ? 0 : 1];
	ours = fds[input ? 1 : 0];
	launch->stdio[number] = terminal->pipes[number];
	return input ? add_relay(session, 0, ours, 0, err)
		     : add_relay(session, ours, number, 1, err);
}

static int open_pipes(const struct terminal_request *request, struct cj_launch_options *launch,
		      struct cj_session_options *session, struct terminal *terminal,
		      struct cj_error *err)
{
	int r = 0;

	if (request->no_stdin || (isatty(0) && !request->interactive))
		launch->stdio[0] = -1; /* two readers on one terminal steal each other's keys */
	else if (isatty(0))
		r = open_pipe(0, launch, session, terminal, err);
	for (int i = 1; i < 3 && r == 0; i++)
		if (isatty(i))
			r = open_pipe(i, launch, session, terminal, err);
	return r;
}

int terminal_open(const struct terminal_request *request, bool pty, struct cj_plan *plan,
		  struct cj_launch_options *launch, struct cj_session_options *session,
		  struct terminal *ret, struct cj_error *err)
{
	ret->pty = pty;
	for (int i = 2; i >= 0; i--)
		if (isatty(i))
			session->terminal = i;
	return pty ? open_pty(request, plan, launch, session, ret, err)
		   : open_pipes(request, launch, session, ret, err);
}

int terminal_guarded(bool pty)
{
	return pty && isatty(0) ? 0 : -1;
}

static bool is_ours_to_change(const struct terminal *terminal)
{
	return terminal_guarded(terminal->pty) >= 0 && in_foreground(0);
}

static void close_ends(struct terminal *terminal)
{
	close_fd(&terminal->slave);
	for (int i = 0; i < 3; i++)
		close_fd(&terminal->pipes[i]);
}

/* Not waiting for who doesn't read what is shown. */
static void make_raw(struct terminal *terminal)
{
	struct termios raw;

	/* Whoever stopped us may have left it raw: then it's known what was before. */
	if (!(terminal->raw && terminal_is_raw(0)) && tcgetattr(0, &terminal->before) < 0)
		return;
	raw = terminal->before;
	cfmakeraw(&raw);
	terminal_guard_crash(&terminal->before);
	(void)cj_child_guard_terminal(terminal->child, &terminal->before);
	if (tcsetattr(0, TCSANOW, &raw) == 0)
		terminal->raw = true;
	else
		terminal_unguard_crash();
}

void terminal_started(struct terminal *terminal, struct cj_child *child)
{
	terminal->child = child;
	close_ends(terminal);
	if (is_ours_to_change(terminal))
		make_raw(terminal);
}

void terminal_leave(struct terminal *terminal)
{
	terminal_unguard_crash();
	/* In the background it's others' to change, whatever it looks like. */
	if (terminal->raw && in_foreground(0) &&
	    terminal_is_raw(0)) /* not waiting for who doesn't read */
		(void)tcsetattr(0, TCSANOW, &terminal->before);
	if (terminal->raw)
		(void)cj_child_guard_terminal(terminal->child, NULL);
}

void terminal_continue(struct terminal *terminal)
{
	if (is_ours_to_change(terminal))
		make_raw(terminal);
}

void terminal_done(struct terminal *terminal)
{
	close_ends(terminal);
	close_fd(&terminal->master);
	terminal_leave(terminal);
	terminal->raw = false;
}
