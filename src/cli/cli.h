/* SPDX-License-Identifier: MIT
 *
 * What the commands of the program share: the verb table, and how failures are told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <conjoin/conjoin.h>

/*
 * Exit statuses of our own. exec, debug, call, new use 125 for all that is ours; the others 1 (diff:
 * 2) for trouble and 2 for usage, as their rows in main.c say.
 */
enum { EXIT_OURS = 125, EXIT_TROUBLE = 1, EXIT_USAGE = 2 };

struct cli {
	const char *verb;   /* "exec" */
	int failure, usage; /* what cli_error() and cli_usage() return */
	const char *target; /* as the user wrote it; NULL before it's known */
	char **argv;	    /* the program's own, for starting again */
	bool verbose;
	bool ignores_pipe; /* SIGPIPE, as we got it */
	bool no_stdout;	   /* it was closed: what is printed is lost */
};

struct verb {
	const char *name;
	const char *summary;
	/* argv[0] is the verb. Returns the exit status. */
	int (*run)(struct cli *cli, int argc, char **argv);
	int failure, usage; /* exit statuses */
};

int cmd_connect(struct cli *cli, int argc, char **argv);
int cmd_debug(struct cli *cli, int argc, char **argv);
int cmd_diff(struct cli *cli, int argc, char **argv);
int cmd_exec(struct cli *cli, int argc, char **argv);
int cmd_forward(struct cli *cli, int argc, char **argv);
int cmd_inspect(struct cli *cli, int argc, char **argv);
int cmd_kill(struct cli *cli, int argc, char **argv);
int cmd_listen(struct cli *cli, int argc, char **argv);
int cmd_pids(struct cli *cli, int argc, char **argv);
int cmd_ps(struct cli *cli, int argc, char **argv);
int cmd_wait(struct cli *cli, int argc, char **argv);

/* "conjoin: exec web: TEXT: REASON", and the hint. Returns the exit status of the failure. */
int cli_error(const struct cli *cli, const struct cj_error *err);

/* A failure of usage: "conjoin: exec: TEXT", and where help is. Returns cli->usage. */
int cli_usage(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A cj_log_function; `data` is the struct cli. */
void cli_log(void *data, enum cj_log_level level, const char *text);

/* Of what others can bring about as often as they like: so many a second are told, and later how many weren't. */
struct sparing {
	int64_t second;
	unsigned int told, left_out;
};

void cli_log_sparingly(struct cli *cli, struct sparing *sparing, enum cj_log_level level,
		       const char *text);

/* Flushes stdout: what couldn't be written (a full disk, a closed pipe) isn't success. */
int cli_finish(const struct cli *cli, int status);
