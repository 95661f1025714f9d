/* SPDX-License-Identifier: MIT */
#include "net/reply.h"

#include <inttypes.h>
#include <string.h>

#include "net/base64.h"
#include "net/signals.h"
#include "net/utf8.h"

const char *const reply_members[] = {"stdout",	      "stdout_base64", "stderr",
				     "stderr_base64", "exit_code",     "signal",
				     "duration_ms",   "truncated",     NULL};

static void add_stream(struct buffer *out, const char *name, const char *data, size_t size)
{
	buffer_print(out, "\"%s\":", name);
	json_add_string(out, data, size, JSON_UTF8);
	if (!utf8_is_valid(data, size)) {
		buffer_print(out, ",\"%s_base64\":\"", name);
		base64_add(out, data, size);
		buffer_add_text(out, "\"");
	}
	buffer_add_text(out, ",");
}

void reply_add(struct buffer *out, const struct reply *reply)
{
	char name[SIGNAL_NAME_SIZE];

	buffer_add_text(out, "{");
	add_stream(out, "stdout", reply->output, reply->output_size);
	add_stream(out, "stderr", reply->errors, reply->errors_size);
	if (reply->outcome.signal)
		buffer_print(out, "\"signal\":\"%s\"", signal_to_text(reply->outcome.signal, name));
	else
		buffer_print(out, "\"exit_code\":%d", reply->outcome.exit_code);
	buffer_print(out, ",\"duration_ms\":%" PRId64 ",\"truncated\":%s}\n", reply->duration_ms,
		     reply->outcome.truncated ? "true" : "false");
}

void reply_add_error(struct buffer *out, const char *why)
{
	buffer_add_text(out, "{\"error\":");
	json_add_string(out, why, strlen(why), JSON_UTF8);
	buffer_add_text(out, "}\n");
}
