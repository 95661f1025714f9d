/* SPDX-License-Identifier: MIT */
#include "net/channels.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "net/offer.h"
#include "net/signals.h"
#include "net/utf8.h"

enum { RESIZE_TEXT_MAX = 256 };

static const char *const names[CHANNELS_PROTOCOLS] = {
	[CHANNELS_V4] = "v4.channel.k8s.io",
	[CHANNELS_V5] = "v5.channel.k8s.io",
	[CHANNELS_V1_CONJOIN] = "v1.conjoin",
};

const char *channels_protocol_name(enum channel_protocol protocol)
{
	return names[protocol];
}

int channels_choose(const char *offer, size_t size, enum channel_protocol *ret)
{
	const char *word;
	size_t length;

	while (offer_next(&offer, &size, &word, &length))
		for (int i = 0; i < CHANNELS_PROTOCOLS; i++)
			if (strlen(names[i]) == length && memcmp(names[i], word, length) == 0) {
				*ret = (enum channel_protocol)i;
				return 0;
			}
	return -ENOENT;
}

/* --- what a client says --- */

/* As the server there reads it: members that it doesn't know are none of its business, and 0 is no size. */
static int parse_size_of(const char *data, size_t size, struct channel_message *ret,
			 struct cj_error *err)
{
	json_int_t rows = -1, columns = -1;
	json_t *root = NULL;

	if (size <= RESIZE_TEXT_MAX)
		root = json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_integer(json_object_get(root, "Height")))
		rows = json_integer_value(json_object_get(root, "Height"));
	if (json_is_integer(json_object_get(root, "Width")))
		columns = json_integer_value(json_object_get(root, "Width"));
	json_decref(root);
	if (rows < 0 || rows > 65535 || columns < 0 || columns > 65535)
		return cj_fail(err, EPROTO, "message: not a terminal's size");
	if (rows == 0 || columns == 0)
		return 0;
	ret->event = CHANNEL_SIZE;
	ret->rows = (unsigned short)rows;
	ret->columns = (unsigned short)columns;
	return 0;
}

static int parse_signal(const char *data, size_t size, struct channel_message *ret,
			struct cj_error *err)
{
	int number = signal_of(data, size);

	if (number < 0)
		return cj_fail(err, EPROTO, "message: not a signal's name");
	ret->event = CHANNEL_KILL;
	ret->signal = number;
	return 0;
}

static int parse_end(const char *data, size_t size, struct channel_message *ret,
		     struct cj_error *err)
{
	unsigned char ended = size == 1 ? (unsigned char)data[0] : CHANNEL_CLOSE;

	if (ended > CHANNEL_STDERR)
		return cj_fail(err, EPROTO, "message: not a channel that can be closed");
	ret->event = CHANNEL_END;
	ret->ended = (enum channel)ended;
	return 0;
}

int channel_parse(enum channel_protocol protocol, const char *data, size_t size,
		  struct channel_message *ret, struct cj_error *err)
{
	struct channel_message message = {.event = CHANNEL_NOTHING};
	unsigned char channel = CHANNEL_STDIN;
	int r = 0;

	if (size > 0) {
		channel = (unsigned char)data[0];
		message.data = data + 1;
		message.size = --size;
	}
	if (channel == CHANNEL_CLOSE && protocol != CHANNELS_V4)
		r = parse_end(message.data, size, &message, err);
	else if (channel > CHANNEL_SIGNAL ||
		 (channel == CHANNEL_SIGNAL && protocol != CHANNELS_V1_CONJOIN))
		r = cj_fail(err, EPROTO, "message: channel %d isn't one of %s", channel,
			    names[protocol]);
	else if (size == 0)
		message.data = NULL;
	else if (channel == CHANNEL_STDIN)
		message.event = CHANNEL_INPUT;
	else if (channel == CHANNEL_RESIZE)
		r = parse_size_of(message.data, size, &message, err);
	else if (channel == CHANNEL_SIGNAL)
		r = parse_signal(message.data, size, &message, err);
	else
		r = cj_fail(err, EPROTO, "message: channel %d isn't a client's to write to",
			    channel);
	if (r == 0)
		*ret = message;
	return r;
}

/* --- what is sent --- */

void channel_add(struct buffer *out, enum channel channel, const void *data, size_t size)
{
	buffer_add(out, (const char[]){(char)channel}, 1);
	buffer_add(out, data, size);
}

static void add_failure(struct buffer *out, const char *message, size_t length)
{
	buffer_add_text(out, "{\"metadata\":{},\"status\":\"Failure\",\"message\":");
	json_add_string(out, message, length, JSON_UTF8);
}

void channel_add_status(struct buffer *out, const struct outcome *outcome)
{
	char message[80], name[SIGNAL_NAME_SIZE];

	channel_add(out, CHANNEL_STATUS, NULL, 0);
	if (outcome->failure) {
		add_failure(out, outcome->failure, strlen(outcome->failure));
		/* Python's client looks for a number in the first cause of whatever isn't a success. */
		buffer_print(out,
			     ",\"reason\":\"InternalError\",\"details\":{\"causes\":[{\"reason\":"
			     "\"ExitCode\",\"message\":\"%d\"}]},\"code\":500}",
			     outcome->exit_code);
		return;
	}
	if (outcome->exit_code == 0 && outcome->signal == 0) {
		buffer_add_text(out, "{\"metadata\":{},\"status\":\"Success\"}");
		return;
	}
	(void)snprintf(message, sizeof(message),
		       "command terminated with non-zero exit code: exit status %d",
		       outcome->exit_code);
	add_failure(out, message, strlen(message));
	buffer_print(out,
		     ",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":"
		     "\"ExitCode\",\"message\":\"%d\"}",
		     outcome->exit_code);
	if (outcome->signal)
		buffer_print(out, ",{\"reason\":\"Signal\",\"message\":\"%s\"}",
			     signal_to_text(outcome->signal, name));
	buffer_add_text(out, "]}}");
}

void channel_add_size(struct buffer *out, unsigned short rows, unsigned short columns)
{
	channel_add(out, CHANNEL_RESIZE, NULL, 0);
	buffer_print(out, "{\"Width\":%d,\"Height\":%d}", columns, rows);
}

void channel_add_end(struct buffer *out, enum channel ended)
{
	channel_add(out, CHANNEL_CLOSE, (const char[]){(char)ended}, 1);
}

void channel_add_signal(struct buffer *out, int number)
{
	char name[SIGNAL_NAME_SIZE];

	channel_add(out, CHANNEL_SIGNAL, NULL, 0);
	buffer_add_text(out, signal_to_text(number, name));
}
