/* SPDX-License-Identifier: MIT */
#include "net/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "net/signals.h"
#include "net/utf8.h"

static const char *const auth_names[AUDIT_AUTHS] = {
	[AUDIT_NONE] = "none",
	[AUDIT_TOKEN] = "token",
	[AUDIT_UID] = "uid",
	[AUDIT_CERTIFICATE] = "certificate",
};

/* Adds at most `*left` bytes of a text, and takes them off. False: there were more. */
static bool add_cut(struct buffer *out, const char *text, size_t *left)
{
	size_t size = strnlen(text, *left + 1);
	size_t kept = utf8_cut(text, size, *left);

	json_add_string(out, text, kept, JSON_ASCII);
	*left -= kept;
	return kept == size;
}

static void add_member(struct buffer *out, const char *name, const char *text)
{
	size_t left = AUDIT_TEXT_MAX;

	buffer_print(out, ",\"%s\":", name);
	(void)add_cut(out, text ? text : "", &left);
}

/* RFC 3339, UTC, with milliseconds. */
static void add_time(struct buffer *out, const struct timespec *time)
{
	struct tm tm;
	char text[32];

	if (!gmtime_r(&time->tv_sec, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
		text[0] = '\0';
	buffer_print(out, "{\"time\":\"%s.%03ldZ\"", text, time->tv_nsec / 1000000 % 1000);
}

static bool add_argv(struct buffer *out, const char *const *argv)
{
	size_t left = AUDIT_WHAT_MAX, i = 0;
	bool whole = true;

	buffer_add_text(out, ",\"argv\":[");
	for (; argv[i] && whole && i < AUDIT_ARGS_MAX; i++) {
		if (i > 0)
			buffer_add_text(out, ",");
		whole = add_cut(out, argv[i], &left);
	}
	buffer_add_text(out, "]");
	return whole && !argv[i];
}

static void add_what(struct buffer *out, const struct audit_record *record)
{
	size_t left = AUDIT_WHAT_MAX;
	bool whole = true;

	if (record->argv) {
		whole = add_argv(out, record->argv);
	} else if (record->command) {
		buffer_add_text(out, ",\"command\":");
		whole = add_cut(out, record->command, &left);
	}
	buffer_print(out, ",\"cut\":%s", whole ? "false" : "true");
}

static void add_outcome(struct buffer *out, const struct audit_record *record)
{
	const char *refused = record->refused ? record->refused : record->outcome.failure;
	char name[SIGNAL_NAME_SIZE];

	if (refused)
		add_member(out, "refused", refused);
	else if (record->outcome.signal)
		add_member(out, "signal", signal_to_text(record->outcome.signal, name));
	else
		buffer_print(out, ",\"exit_code\":%d", record->outcome.exit_code);
}

void audit_format(struct buffer *out, const struct audit_record *record)
{
	add_time(out, &record->time);
	buffer_print(out, ",\"id\":%" PRIu64, record->id);
	add_member(out, "auth", auth_names[record->auth]);
	add_member(out, "who", record->who);
	add_member(out, "from", record->from);
	add_member(out, "target", record->target);
	add_what(out, record);
	add_outcome(out, record);
	buffer_print(out,
		     ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"ms\":%" PRId64 "}\n",
		     record->bytes_in, record->bytes_out, record->ms);
}

int audit_write(struct audit *audit, const struct audit_record *record)
{
	_cleanup_(buffer_done) struct buffer line = {.limit = AUDIT_LINE_MAX};
	ssize_t n;

	if (audit->torn)
		buffer_add_text(&line, "\n");
	audit_format(&line, record);
	n = line.code ? -line.code : io_write(audit->fd, line.data, line.size);
	if (n == (ssize_t)line.size) {
		audit->torn = false;
		return 0;
	}
	audit->lost++;
	if (n < 0)
		return (int)n;
	audit->torn = audit->torn || n > 0;
	return -ENOSPC;
}
