/* SPDX-License-Identifier: MIT */
#include "net/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "net/signals.h"

static const char hello[] = "#conjoin ";
static const char ends[] = "\nOutput from request ends.\n";

/* --- lines --- */

void text_reader_done(struct text_reader *reader)
{
	free(reader->line);
	reader->line = NULL;
	reader->size = reader->room = 0;
}

/* Room for the line so far, `more` and the NUL: doubled, but never beyond what a line may have. */
static bool make_room(struct text_reader *reader, size_t more)
{
	size_t wanted = reader->size + more + 1, room = reader->room ? reader->room : 64;
	char *grown;

	while (room < wanted)
		room *= 2;
	if (room > reader->limit + 2)
		room = reader->limit + 2; /* the CR, too */
	if (room == reader->room)
		return true;
	grown = realloc(reader->line, room);
	if (!grown)
		return false;
	reader->line = grown;
	reader->room = room;
	return true;
}

/* A part of a line. TEXT_MORE: it's kept, or skipped. */
static enum text_event keep(struct text_reader *reader, const char *data, size_t size)
{
	if (reader->skipping || size == 0)
		return TEXT_MORE;
	/* One more may be a CR; whether it is shows at the line's end. */
	if (size > reader->limit + 1 || reader->size > reader->limit + 1 - size) {
		text_reader_done(reader);
		reader->has_nul = false;
		reader->skipping = true;
		return TEXT_TOO_LONG;
	}
	if (!make_room(reader, size))
		return TEXT_NO_MEMORY;
	memcpy(reader->line + reader->size, data, size);
	reader->size += size;
	reader->has_nul = reader->has_nul || memchr(data, '\0', size);
	return TEXT_MORE;
}

static enum text_event judge(struct text_reader *reader, bool first)
{
	const size_t length = sizeof(hello) - 1;

	if (reader->size > reader->limit)
		return TEXT_TOO_LONG;
	if (reader->has_nul)
		return TEXT_HAS_NUL;
	if (reader->size == 4 && memcmp(reader->line, "quit", 4) == 0)
		return TEXT_QUIT;
	if (!first || reader->size < length || memcmp(reader->line, hello, length) != 0)
		return TEXT_COMMAND;
	if (reader->size == length + 1 && reader->line[length] == '1')
		reader->form = TEXT_FRAMED;
	return TEXT_HELLO;
}

/* The line is whole. */
static enum text_event finish(struct text_reader *reader, char **ret_line, size_t *ret_size)
{
	bool first = !reader->begun, skipped = reader->skipping;
	enum text_event event = TEXT_MORE; /* the end of one that was too long, which was said */

	reader->begun = true;
	reader->skipping = false;
	if (skipped)
		return event;
	if (!make_room(reader, 0))
		return TEXT_NO_MEMORY;
	if (reader->size > 0 && reader->line[reader->size - 1] == '\r')
		reader->size--;
	reader->line[reader->size] = '\0';
	event = judge(reader, first);
	if (event == TEXT_COMMAND) {
		*ret_line = reader->line;
		*ret_size = reader->size;
		reader->line = NULL;
	}
	reader->over = event == TEXT_QUIT;
	reader->has_nul = false;
	text_reader_done(reader);
	return event;
}

enum text_event text_reader_feed(struct text_reader *reader, const char **data, size_t *size,
				 char **ret_line, size_t *ret_size)
{
	enum text_event event = TEXT_MORE;

	while (event == TEXT_MORE && *size > 0 && !reader->over) {
		const char *end = memchr(*data, '\n', *size);
		size_t part = end ? (size_t)(end - *data) : *size;

		event = keep(reader, *data, part);
		*data += part;
		*size -= part;
		if (event != TEXT_MORE || !end)
			continue; /* the LF is found again */
		(*data)++;
		(*size)--;
		event = finish(reader, ret_line, ret_size);
	}
	if (reader->over)
		*size = 0;
	return event;
}

/* --- replies --- */

void text_add_hello(struct buffer *out, enum text_form form)
{
	buffer_add_text(out, form == TEXT_FRAMED ? "#conjoin 1 ok\n" : "#conjoin 1 only\n");
}

void text_add_head(struct buffer *out, enum text_form form, const char *command, size_t size)
{
	if (form == TEXT_FRAMED)
		return;
	buffer_add_text(out, "Output from request ");
	buffer_add(out, command, size);
	buffer_add_text(out, " 2>&1:\n");
}

void text_add_output(struct buffer *out, enum text_form form, const void *data, size_t size)
{
	const char *at = data;

	if (form == TEXT_OLD) {
		buffer_add(out, at, size);
		return;
	}
	while (size > 0) {
		size_t part = size < TEXT_FRAME_MAX ? size : TEXT_FRAME_MAX;

		buffer_print(out, "%zu 1\n", part);
		buffer_add(out, at, part);
		at += part;
		size -= part;
	}
}

static void add_framed_end(struct buffer *out, const struct outcome *outcome)
{
	char name[SIGNAL_NAME_SIZE];

	buffer_print(out, "exit %d", outcome->exit_code & 255);
	if (outcome->signal)
		buffer_print(out, " signal=%s", signal_to_text(outcome->signal, name));
	buffer_add_text(out, outcome->truncated ? " truncated\n" : "\n");
}

static void add_why(struct buffer *out, const char *prefix, const char *why)
{
	char shown[1024];

	(void)text_escape(shown, sizeof(shown), why);
	buffer_print(out, "%s%s\n", prefix, shown);
}

void text_add_end(struct buffer *out, enum text_form form, const struct outcome *outcome)
{
	if (form == TEXT_FRAMED) {
		if (outcome->failure)
			add_why(out, "error ", outcome->failure);
		else
			add_framed_end(out, outcome);
		return;
	}
	if (outcome->failure)
		add_why(out, "conjoin: ", outcome->failure);
	else if (outcome->truncated)
		buffer_add_text(out, "\nconjoin: the rest of the output was left out\n");
	buffer_add_text(out, ends);
}

void text_add_error(struct buffer *out, enum text_form form, const char *why)
{
	const struct outcome outcome = {.exit_code = 125, .failure = why};
	static const char refused[] = "(refused)";

	text_add_head(out, form, refused, sizeof(refused) - 1);
	text_add_end(out, form, &outcome);
}
