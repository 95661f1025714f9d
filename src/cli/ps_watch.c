/* SPDX-License-Identifier: MIT
 *
 * conjoin ps --watch: on a terminal in place, on its second screen so that what was there comes back;
 * elsewhere one listing after the other.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/ps.h"

/* console_codes(4), xterm: the second screen, no cursor; and back. */
static const char begin_screen[] = "\033[?1049h\033[?25l";
static const char end_screen[] = "\033[?25h\033[?1049l";

struct watch {
	const struct cli *cli;
	const struct ps_request *request;
	bool terminal, first;
	int signals;
};

/* Cursor codes are of no use to a terminal that says it has none. */
static bool is_screen(void)
{
	const char *name = getenv("TERM");

	return isatty(STDOUT_FILENO) && name && strcmp(name, "dumb") != 0;
}

static void put(const char *text)
{
	(void)fputs(text, stdout);
	(void)fflush(stdout);
}

/* The listing as one text, which the caller frees. */
static int render(struct watch *watch, char **ret, struct cj_error *err)
{
	_cleanup_(ps_view_done) struct ps_view view = PS_VIEW_INIT;
	_cleanup_free_ char *text = NULL;
	char note[128];
	size_t size;
	FILE *out;
	int r = ps_view_read(watch->request, &view, err);

	if (r < 0)
		return r;
	out = open_memstream(&text, &size);
	if (!out)
		return cj_fail(err, errno, "print the list");
	r = ps_print(watch->request, &view, out);
	if (ps_note(&view, note, sizeof(note))) {
		if (watch->terminal)
			(void)fprintf(out, "%s\n", note);
		else if (watch->first)
			cli_log((void *)(uintptr_t)watch->cli, CJ_LOG_WARNING, note);
	}
	if (fclose(out) != 0 || r < 0)
		return cj_fail(err, ENOMEM, "print the list");
	*ret = take_ptr(text);
	return 0;
}

/* The bytes of a line that fit `columns` characters: UTF-8, each one column wide. */
static int fitting(const char *line, size_t length, unsigned int columns)
{
	unsigned int shown = 0;

	for (size_t i = 0; i < length; i++) {
		if ((line[i] & 0xc0) != 0x80 && shown++ == columns)
			return (int)i;
	}
	return (int)length;
}

/* As much as the window holds; what was longer before is erased. */
static void draw(const char *text)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	unsigned int row = 0;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	put("\033[H");
	for (; *text && row < size.ws_row; row++) {
		size_t length = strcspn(text, "\n");

		(void)printf("%s%.*s\033[K", row ? "\n" : "", fitting(text, length, size.ws_col),
			     text);
		text += length + (text[length] == '\n');
	}
	put("\033[J");
}

static int show(struct watch *watch, struct cj_error *err)
{
	_cleanup_free_ char *text = NULL;
	int r = render(watch, &text, err);

	if (r < 0)
		return r;
	if (watch->terminal) {
		draw(text);
	} else {
		if (!watch->first)
			(void)putchar('\n');
		put(text);
	}
	watch->first = false;
	return ferror(stdout) ? cj_fail(err, errno ? errno : EIO, "write to stdout") : 0;
}

/* Ctrl-Z: the terminal is the shell's again until we go on. */
static void stop(const struct watch *watch)
{
	if (watch->terminal)
		put(end_screen);
	(void)raise(SIGSTOP);
	if (watch->terminal)
		put(begin_screen);
}

/* Until it's time: 1. A signal that ends us: 0. A new size of the window is a reason to draw. */
static int wait_for_next(const struct watch *watch)
{
	int64_t deadline = clock_ms() + (int64_t)watch->request->pause;

	for (;;) {
		struct pollfd ready = {.fd = watch->signals, .events = POLLIN};
		struct signalfd_siginfo info;
		int64_t left = deadline - clock_ms();

		if (left <= 0 || poll(&ready, 1, (int)left) == 0)
			return 1;
		if (io_read(watch->signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGTSTP && info.ssi_signo != SIGWINCH)
			return 0;
		if (info.ssi_signo == SIGTSTP)
			stop(watch);
		return 1;
	}
}

static int open_signals(struct cj_error *err)
{
	static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ELEMENTS(taken); i++)
		(void)sigaddset(&set, taken[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? cj_fail(err, errno, "make a signalfd") : fd;
}

int ps_watch(const struct cli *cli, const struct ps_request *request)
{
	struct cj_error err = CJ_ERROR_INIT;
	_cleanup_fd_ int signals = open_signals(&err);
	struct watch watch = {
		.cli = cli,
		.request = request,
		.terminal = is_screen(),
		.first = true,
		.signals = signals,
	};
	int r = signals < 0 ? signals : 0;

	if (r == 0 && watch.terminal)
		put(begin_screen);
	if (r == 0)
		do
			r = show(&watch, &err);
		while (r == 0 && wait_for_next(&watch));
	if (signals >= 0 && watch.terminal)
		put(end_screen);
	return r < 0 ? cli_error(cli, &err) : cli_finish(cli, 0);
}
