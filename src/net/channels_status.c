/* SPDX-License-Identifier: MIT
 *
 * How it ended, as a client reads it. What comes from a server isn't trusted either.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/parse.h"
#include "net/channels.h"
#include "net/signals.h"

enum { STATUS_TEXT_MAX = 64 * 1024, FAILED = 125 };

static const char *string_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static void read_causes(const json_t *causes, struct outcome *outcome)
{
	for (size_t i = 0; i < json_array_size(causes); i++) {
		const json_t *cause = json_array_get(causes, i);
		const char *reason = string_of(cause, "reason");
		const char *message = string_of(cause, "message");

		if (strcmp(reason, "ExitCode") == 0)
			(void)parse_int(message, 0, 255, &outcome->exit_code);
		else if (strcmp(reason, "Signal") == 0 && signal_of(message, strlen(message)) > 0)
			outcome->signal = signal_of(message, strlen(message));
	}
}

static int read_object(const json_t *root, char *text, size_t room, struct outcome *ret)
{
	struct outcome outcome = {.exit_code = -1};
	const char *status = string_of(root, "status");

	if (strcmp(status, "Success") == 0) {
		*ret = (struct outcome){.exit_code = 0};
		return 0;
	}
	if (strcmp(status, "Failure") != 0)
		return -EPROTO;
	read_causes(json_object_get(json_object_get(root, "details"), "causes"), &outcome);
	if (strcmp(string_of(root, "reason"), "NonZeroExitCode") == 0) {
		if (outcome.exit_code < 0)
			return -EPROTO;
	} else {
		(void)text_escape(text, room, string_of(root, "message"));
		outcome.failure = text;
		outcome.signal = 0;
		if (outcome.exit_code <= 0)
			outcome.exit_code = FAILED;
	}
	*ret = outcome;
	return 0;
}

int channel_read_status(const char *data, size_t size, char *text, size_t room, struct outcome *ret,
			struct cj_error *err)
{
	json_t *root = size <= STATUS_TEXT_MAX ? json_loadb(data, size, JSON_ALLOW_NUL, NULL)
					       : NULL;
	int r = root ? read_object(root, text, room, ret) : -EPROTO;

	json_decref(root);
	return r < 0 ? cj_fail(err, EPROTO, "the server's last message isn't a status") : 0;
}
