/* SPDX-License-Identifier: MIT
 *
 * The audit log: one line of JSON for each request, whether it ran or was refused.
 *
 *	{"time":"2024-01-31T12:00:00.250Z","id":17,"auth":"token","who":"ci","from":"10.0.0.7:4711","target":"web",
 *	 "argv":["ls","-l"],"cut":false,"exit_code":0,"bytes_in":0,"bytes_out":120,"ms":4}
 *
 * in one line. `command` stands in place of `argv`, or neither; `signal` in place of `exit_code`, or `refused` and the reason.
 * ASCII only, so that neither a terminal nor a reader of lines takes anything in it for what it isn't; bytes that aren't UTF-8 are U+FFFD.
 * No tokens, environment or stdin. A command line is what it is: secrets in it are seen in many places.
 * Not here: opening the file, and opening it again when it was moved away; the struct goes on with another `fd`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "net/buffer.h"
#include "net/outcome.h"

/* Who says so: what made us believe it. */
enum audit_auth { AUDIT_NONE, AUDIT_TOKEN, AUDIT_UID, AUDIT_CERTIFICATE, AUDIT_AUTHS };

enum {
	AUDIT_WHAT_MAX =
		1024, /* bytes of all of argv, or of the command; what is cut off shows in `cut` */
	AUDIT_TEXT_MAX = 256, /* bytes of any other text */
	AUDIT_ARGS_MAX = 64,
	AUDIT_LINE_MAX = 32 * 1024,
};

struct audit_record {
	struct timespec time; /* CLOCK_REALTIME, of the beginning */
	uint64_t id;
	enum audit_auth auth;
	const char *who;	 /* a token's name, a number, a certificate's subject; NULL: "" */
	const char *from;	 /* its address; NULL: "" */
	const char *target;	 /* NULL: "" */
	const char *const *argv; /* NULL-ended; or NULL: */
	const char *command;	 /* for a shell; or NULL */
	const char *
		refused; /* why nothing ran; NULL: it ran, and `outcome` counts, whose failure is told as `refused`, too */
	struct outcome outcome;
	uint64_t bytes_in, bytes_out;
	int64_t ms;
};

/* Adds the line, LF included. */
void audit_format(struct buffer *out, const struct audit_record *record);

/* Where it's written. `fd` is the caller's: opened with O_APPEND, so that several may write to one file. */
struct audit {
	int fd;
	bool torn;     /* the last line isn't whole: the next one begins with a LF */
	uint64_t lost; /* lines that couldn't be written, or not whole */
};

#define AUDIT_INIT {.fd = -1}

/*
 * Writes the line with one write(2). If that fails the line is lost and counted, since whoever waited for a full disk would
 * serve nobody: what to do then is the caller's to decide.
 *
 *	ENOSPC, EIO …	write(2)'s; ENOSPC, too, for a part of it
 */
int audit_write(struct audit *audit, const struct audit_record *record);
