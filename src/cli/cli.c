/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/io.h"
#include "base/nowait.h"

enum { PATIENCE_MS = 200, LAST_PATIENCE_MS = 2000, TOLD_A_SECOND = 5 };

static void print_where(FILE *out, const struct cli *cli)
{
	char target[512];

	(void)fprintf(out, "conjoin: %s", cli->verb ? cli->verb : "");
	if (cli->target) {
		(void)text_escape(target, sizeof(target), cli->target);
		(void)fprintf(out, " %s", target);
	}
	if (cli->verb)
		(void)fputs(": ", out);
}

/*
 * The command may fill what is on 2, and nobody read it. Who waits for that hears of no signal and of no time that is up: so it's
 * waited for a moment, and then the status alone has to say it.
 */
__attribute__((format(printf, 3, 4))) static void say(const struct cli *cli, int patience,
						      const char *format, ...)
{
	static bool stuck;
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	va_list args;
	int code;

	if (!out)
		return;
	print_where(out, cli);
	va_start(args, format);
	(void)vfprintf(out, format, args);
	va_end(args);
	if (fclose(out) != 0)
		return;
	/* Waiting for one line is enough: who doesn't read that doesn't read the next one either. */
	stuck = nowait_write_all(2, text, size, stuck && patience < LAST_PATIENCE_MS ? 0 : patience,
				 -1, &code) < size;
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
	char text[4 * sizeof(err->text)], hint[4 * sizeof(err->hint)] = "";
	const char *why = reason(err->code);

	(void)text_escape(text, sizeof(text), err->text);
	if (err->hint[0])
		(void)text_escape(hint, sizeof(hint), err->hint);
	say(cli, LAST_PATIENCE_MS, "%s%s%s\n%s%s%s", text, why ? ": " : "", why ? why : "",
	    hint[0] ? "hint: " : "", hint, hint[0] ? "\n" : "");
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
	say(cli, LAST_PATIENCE_MS, "%s\nhint: conjoin %s%s--help\n", safe,
	    cli->verb ? cli->verb : "", cli->verb ? " " : "");
	return cli->usage;
}

void cli_log(void *data, enum cj_log_level level, const char *text)
{
	const struct cli *cli = data;
	char safe[2048];

	(void)text_escape(safe, sizeof(safe), text);
	say(cli, PATIENCE_MS, "%s%s\n", level == CJ_LOG_WARNING ? "warning: " : "", safe);
}

void cli_log_sparingly(struct cli *cli, struct sparing *sparing, enum cj_log_level level,
		       const char *text)
{
	int64_t now = clock_ms() / 1000;
	char more[64];

	if (now != sparing->second) {
		if (sparing->left_out) {
			(void)snprintf(more, sizeof(more), "%u more like the last weren't told",
				       sparing->left_out);
			cli_log(cli, level, more);
		}
		*sparing = (struct sparing){.second = now};
	}
	if (sparing->told++ < TOLD_A_SECOND)
		cli_log(cli, level, text);
	else
		sparing->left_out++;
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
