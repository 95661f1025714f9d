/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"

enum { PATIENCE_MS = 200 };

static void print_where(const struct cli *cli)
{
	char target[512];

	(void)fprintf(stderr, "conjoin: %s", cli->verb ? cli->verb : "");
	if (cli->target) {
		(void)text_escape(target, sizeof(target), cli->target);
		(void)fprintf(stderr, " %s", target);
	}
	if (cli->verb)
		(void)fputs(": ", stderr);
}

/* strerror's words, but for those that mean something else here. NULL: the text is enough. */
static const char *reason(int code)
{
	switch (code) {
	case ENOTUNIQ:
		return "More than one match";
	case ECANCELED:
		return "Refused";
	case ESHUTDOWN: /* "container web is stopped" says it all */
	case ENOTNAM:	/* and so does "docker knows nothing called web" */
		return NULL;
	case EXDEV:
		return "Out of reach of the root";
	default:
		return strerror(code);
	}
}

int cli_error(const struct cli *cli, const struct cj_error *err)
{
	char text[4 * sizeof(err->text)], hint[4 * sizeof(err->hint)];
	const char *why = reason(err->code);

	(void)text_escape(text, sizeof(text), err->text);
	print_where(cli);
	(void)fprintf(stderr, "%s%s%s\n", text, why ? ": " : "", why ? why : "");
	if (err->hint[0]) {
		(void)text_escape(hint, sizeof(hint), err->hint);
		(void)fprintf(stderr, "hint: %s\n", hint);
	}
	/* 124: of --timeout; 126, 127: the command can't be executed, or isn't there */
	return err->status == 124 || err->status == 126 || err->status == 127 ? err->status
									      : cli->failure;
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
	char text[1024], safe[2048];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)text_escape(safe, sizeof(safe), text);
	print_where(cli);
	(void)fprintf(stderr, "%s\n", safe);
	if (cli->verb)
		(void)fprintf(stderr, "hint: conjoin %s --help\n", cli->verb);
	else
		(void)fputs("hint: conjoin --help\n", stderr);
	return cli->usage;
}

/*
 * The command may fill what is on 2, and nobody read it. Who waits for that hears of no signal and of no time that is up.
 * A pipe that is ready takes a line without waiting.
 */
static bool can_be_told(void)
{
	struct pollfd out = {.fd = 2, .events = POLLOUT};

	return poll(&out, 1, PATIENCE_MS) != 0;
}

void cli_log(void *data, enum cj_log_level level, const char *text)
{
	const struct cli *cli = data;
	char safe[2048];

	if (!can_be_told())
		return;
	(void)text_escape(safe, sizeof(safe), text);
	print_where(cli);
	(void)fprintf(stderr, "%s%s\n", level == CJ_LOG_WARNING ? "warning: " : "", safe);
}

int cli_finish(const struct cli *cli, int status)
{
	struct cj_error err = CJ_ERROR_INIT;

	if (cli->no_stdout) {
		(void)cj_fail(&err, EBADF, "write to stdout");
		return cli_error(cli, &err);
	}
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	(void)cj_fail(&err, errno ? errno : EIO, "write to stdout");
	return cli_error(cli, &err);
}
