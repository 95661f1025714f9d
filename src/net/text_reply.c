/* SPDX-License-Identifier: MIT */
#include "net/text_reply.h"

#include <stdint.h>
#include <string.h>

#include "base/escape.h"
#include "base/parse.h"
#include "net/signals.h"

static const char ends[] = "\nOutput from request ends.\n";
static const char head[] = "Output from request ";

static enum text_reply_event broken(struct text_reply *reply)
{
	reply->state = TEXT_AT_BROKEN;
	return TEXT_REPLY_BROKEN;
}

/* --- lines, framed and at the start --- */

/* "signal=TERM", "truncated", and what comes later. */
static void take_word(struct text_reply *reply, const char *word)
{
	static const char prefix[] = "signal=";
	const size_t length = sizeof(prefix) - 1;

	if (strncmp(word, prefix, length) == 0) {
		int number = signal_of(word + length, strlen(word + length));

		reply->outcome.signal = number > 0 ? number : 0;
	} else if (strcmp(word, "truncated") == 0) {
		reply->outcome.truncated = true;
	}
}

static enum text_reply_event take_end(struct text_reply *reply)
{
	char *rest = reply->line, *word = strsep(&rest, " ");

	reply->outcome = (struct outcome){.exit_code = 125};
	if (strcmp(word, "error") == 0 && rest) {
		(void)text_escape(reply->failure, sizeof(reply->failure), rest);
		reply->outcome.failure = reply->failure;
		return TEXT_REPLY_END;
	}
	if (strcmp(word, "exit") != 0 || !rest ||
	    parse_int(strsep(&rest, " "), 0, 255, &reply->outcome.exit_code) < 0)
		return broken(reply);
	while (rest)
		take_word(reply, strsep(&rest, " "));
	return TEXT_REPLY_END;
}

static enum text_reply_event take_frame(struct text_reply *reply)
{
	char *channel = reply->line, *length = strsep(&channel, " ");
	uint64_t left;
	int number;

	if (!channel || length[0] == '0' || parse_u64(length, 1, TEXT_FRAME_MAX, &left) < 0 ||
	    parse_int(channel, 0, 255, &number) < 0)
		return broken(reply);
	reply->left = (size_t)left;
	reply->hidden = number != 1;
	reply->state = TEXT_AT_FRAME;
	return TEXT_REPLY_MORE;
}

/* A line is whole, in `line`. */
static enum text_reply_event take_line(struct text_reply *reply)
{
	const char *line = reply->line;

	if (reply->state == TEXT_AT_LINE)
		return line[0] >= '0' && line[0] <= '9' ? take_frame(reply) : take_end(reply);
	if (strncmp(line, head, sizeof(head) - 1) == 0) {
		reply->hidden = reply->state == TEXT_AT_FIRST;
		reply->matched = 0;
		reply->state = TEXT_AT_OUTPUT;
		return TEXT_REPLY_MORE;
	}
	if (reply->state != TEXT_AT_FIRST)
		return broken(reply);
	if (strcmp(line, "#conjoin 1 ok") == 0) {
		reply->form = TEXT_FRAMED;
		reply->state = TEXT_AT_LINE;
		return TEXT_REPLY_READY;
	}
	if (strcmp(line, "#conjoin 1 only") != 0)
		return broken(reply);
	reply->state = TEXT_AT_HEAD;
	return TEXT_REPLY_READY;
}

static enum text_reply_event feed_line(struct text_reply *reply, const char **data, size_t *size)
{
	while (*size > 0) {
		char c = *(*data)++;

		(*size)--;
		if (c == '\n') {
			reply->line[reply->used] = '\0';
			reply->used = 0;
			return take_line(reply);
		}
		/* The old form's first line holds the command, of any length: its beginning is enough to know it. */
		if (reply->used < sizeof(reply->line) - 1)
			reply->line[reply->used++] = c;
		else if (strncmp(reply->line, head, sizeof(head) - 1) != 0)
			return broken(reply);
	}
	return TEXT_REPLY_MORE;
}

/* --- output --- */

static enum text_reply_event say(const struct text_reply *reply, const char *data, size_t size,
				 const char **ret, size_t *ret_size)
{
	if (reply->hidden || size == 0)
		return TEXT_REPLY_MORE;
	*ret = data;
	*ret_size = size;
	return TEXT_REPLY_OUTPUT;
}

/*
 * The old form. What could be the beginning of the end is kept back until it shows, also from one call to the next; then it's
 * given out as it stands in `ends`. No other LF is in there, so a mismatch begins anew with the byte that it was seen at.
 */
static enum text_reply_event feed_output(struct text_reply *reply, const char **data, size_t *size,
					 const char **ret, size_t *ret_size)
{
	const char *start = *data;

	if (reply->matched == 0) {
		const char *end = memchr(start, '\n', *size);
		size_t plain = end ? (size_t)(end - start) : *size;

		*data += plain;
		*size -= plain;
		if (plain > 0)
			return say(reply, start, plain, ret, ret_size);
	}
	while (*size > 0 && **data == ends[reply->matched]) {
		(*data)++;
		(*size)--;
		if (!ends[++reply->matched]) {
			bool hidden = reply->hidden;

			reply->outcome = (struct outcome){.exit_code = 0};
			reply->state = TEXT_AT_HEAD;
			reply->hidden = false;
			return hidden ? TEXT_REPLY_READY : TEXT_REPLY_END;
		}
	}
	if (*size > 0) {
		size_t kept = reply->matched;

		reply->matched = 0;
		return say(reply, ends, kept, ret, ret_size);
	}
	return TEXT_REPLY_MORE;
}

static enum text_reply_event feed_frame(struct text_reply *reply, const char **data, size_t *size,
					const char **ret, size_t *ret_size)
{
	const char *start = *data;
	size_t part = *size < reply->left ? *size : reply->left;

	*data += part;
	*size -= part;
	reply->left -= part;
	if (reply->left == 0)
		reply->state = TEXT_AT_LINE;
	return say(reply, start, part, ret, ret_size);
}

enum text_reply_event text_reply_feed(struct text_reply *reply, const char **data, size_t *size,
				      const char **ret, size_t *ret_size)
{
	enum text_reply_event event = TEXT_REPLY_MORE;

	while (event == TEXT_REPLY_MORE && *size > 0) {
		if (reply->state == TEXT_AT_BROKEN)
			event = TEXT_REPLY_BROKEN;
		else if (reply->state == TEXT_AT_OUTPUT)
			event = feed_output(reply, data, size, ret, ret_size);
		else if (reply->state == TEXT_AT_FRAME)
			event = feed_frame(reply, data, size, ret, ret_size);
		else
			event = feed_line(reply, data, size);
	}
	return event;
}
