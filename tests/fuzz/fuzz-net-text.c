/* SPDX-License-Identifier: MIT
 *
 * Text lines, and replies to them: whole and in pieces of any size they are the same ones. The first byte of the input says how big the pieces are, the
 * second how long a line may be.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/text.h"
#include "net/text_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(const char *input, size_t size, size_t step, size_t limit, struct buffer *said)
{
	struct text_reader reader = {.limit = limit};
	bool over = false;

	for (size_t at = 0; at < size; at += step) {
		size_t left = size - at < step ? size - at : step;
		char *piece = malloc(left);
		const char *part = piece;
		enum text_event event;

		assert(piece);
		memcpy(piece, input + at, left);
		do {
			char *line = NULL;
			size_t length = 0;

			event = text_reader_feed(&reader, &part, &left, &line, &length);
			assert(event == TEXT_MORE || !over);
			assert((event == TEXT_COMMAND) == (line != NULL));
			assert(!line || (strlen(line) == length && length <= limit));
			over = over || event == TEXT_QUIT;
			if (event != TEXT_MORE)
				buffer_print(said, "%d %s\n", event, line ? line : "");
			free(line);
		} while (event != TEXT_MORE);
		assert(left == 0 && reader.size <= limit + 1);
		free(piece);
	}
	buffer_print(said, "%d\n", reader.form);
	text_reader_done(&reader);
}

static void feed_reply(const char *input, size_t size, size_t step, struct buffer *said)
{
	struct text_reply reply = TEXT_REPLY_INIT;
	enum text_reply_event event = TEXT_REPLY_MORE;

	for (size_t at = 0; at < size && event != TEXT_REPLY_BROKEN; at += step) {
		size_t left = size - at < step ? size - at : step, length = 0;
		char *piece = malloc(left);
		const char *part = piece, *output = NULL;

		assert(piece);
		memcpy(piece, input + at, left);
		do {
			event = text_reply_feed(&reply, &part, &left, &output, &length);
			if (event == TEXT_REPLY_OUTPUT)
				buffer_add(said, output, length);
			else if (event != TEXT_REPLY_MORE)
				buffer_print(said, "\n%d %d %d %s\n", event,
					     reply.outcome.exit_code, reply.outcome.signal,
					     reply.outcome.failure ? reply.outcome.failure : "");
		} while (event != TEXT_REPLY_MORE && event != TEXT_REPLY_BROKEN);
		assert(left == 0 || event == TEXT_REPLY_BROKEN);
		assert(reply.outcome.exit_code >= 0 && reply.outcome.exit_code <= 255);
		free(piece);
	}
}

static void compare(struct buffer *whole, struct buffer *pieces)
{
	assert(whole->code == 0 && whole->size == pieces->size);
	assert(memcmp(whole->data, pieces->data, whole->size) == 0);
	buffer_reset(whole);
	buffer_reset(pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer whole = {.limit = 1 << 26}, pieces = {.limit = 1 << 26};

	if (size < 2)
		return 0;
	feed((const char *)data + 2, size - 2, size, data[1], &whole);
	feed((const char *)data + 2, size - 2, data[0] % 64 + 1U, data[1], &pieces);
	compare(&whole, &pieces);
	buffer_add_text(&whole, "=");
	buffer_add_text(&pieces, "=");
	feed_reply((const char *)data + 2, size - 2, size, &whole);
	feed_reply((const char *)data + 2, size - 2, data[0] % 64 + 1U, &pieces);
	compare(&whole, &pieces);
	buffer_done(&whole);
	buffer_done(&pieces);
	return 0;
}
