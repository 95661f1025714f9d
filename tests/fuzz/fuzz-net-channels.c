/* SPDX-License-Identifier: MIT
 *
 * Messages of a WebSocket client, and the status that a server sends. The first byte of the input says which of them the rest is.
 */
#include <assert.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/channels.h"
#include "net/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_message(enum channel_protocol protocol, const char *data, size_t size)
{
	struct channel_message message = {.event = (enum channel_event)77};
	struct cj_error err = CJ_ERROR_INIT;

	if (channel_parse(protocol, data, size, &message, &err) < 0) {
		assert(message.event == (enum channel_event)77 && err.code && err.text[0]);
		return;
	}
	assert(message.event <= CHANNEL_END);
	if (message.event == CHANNEL_INPUT)
		assert(message.size > 0 && message.data == data + 1 && message.size == size - 1);
	if (message.event == CHANNEL_SIZE)
		assert(message.rows > 0 && message.columns > 0);
	if (message.event == CHANNEL_KILL)
		assert(protocol == CHANNELS_V1_CONJOIN && message.signal > 0 &&
		       message.signal <= SIGRTMAX);
	if (message.event == CHANNEL_END)
		assert(protocol != CHANNELS_V4 && message.ended <= CHANNEL_STDERR);
}

static void read_status(const char *data, size_t size)
{
	struct outcome outcome, again;
	struct buffer out = BUFFER_INIT;
	char text[128], other[512];

	if (channel_read_status(data, size, text, sizeof(text), &outcome, NULL) < 0)
		return;
	assert(outcome.exit_code >= 0 && outcome.exit_code <= 255);
	assert(!outcome.failure || (outcome.failure == text && memchr(text, '\0', sizeof(text))));
	/* Told again it's the same, but for a text's escapes. */
	channel_add_status(&out, &outcome);
	assert(out.code == 0 && out.data[0] == CHANNEL_STATUS);
	assert(channel_read_status(out.data + 1, out.size - 1, other, sizeof(other), &again,
				   NULL) == 0);
	assert(again.exit_code == outcome.exit_code && again.signal == outcome.signal);
	assert(!again.failure == !outcome.failure);
	buffer_done(&out);
}

static void read_offer(const char *data, size_t size)
{
	char token[TOKEN_SIZE_MAX];
	enum channel_protocol chosen;
	size_t length;
	const char *part;

	if (channels_choose(data, size, &chosen) == 0)
		assert(memmem(data, size, channels_protocol_name(chosen),
			      strlen(channels_protocol_name(chosen))));
	if (bearer_from_offer(data, size, token, &length) == 0)
		assert(length > 0 && length <= sizeof(token) && !memchr(token, '\0', length));
	if (bearer_parse(data, size, &part, &length) == 0)
		assert(length > 0 && part > data && part + length <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (size == 0)
		return 0;
	copy = malloc(size); /* of its own, so that reading beyond its end is seen */
	assert(copy);
	memcpy(copy, data + 1, --size);
	if (data[0] % 5 < CHANNELS_PROTOCOLS)
		read_message((enum channel_protocol)(data[0] % 5), copy, size);
	else if (data[0] % 5 == 3)
		read_status(copy, size);
	else
		read_offer(copy, size);
	free(copy);
	return 0;
}
