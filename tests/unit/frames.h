/* SPDX-License-Identifier: MIT
 *
 * What a server of gRPC sends, frame by frame, written by hand. RFC 9113, RFC 7541 (literals only)
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FRAME_DATA, FRAME_HEADERS, FRAME_RESET = 3, FRAME_SETTINGS, FRAME_PING = 6, FRAME_GOAWAY };
enum { END_STREAM = 1, END_HEADERS = 4 };

struct wire {
	uint8_t data[1 << 16];
	size_t size;
};

static inline void wire_add(struct wire *wire, const void *data, size_t size)
{
	if (size > sizeof(wire->data) - wire->size)
		size = sizeof(wire->data) - wire->size;
	if (size > 0)
		memcpy(wire->data + wire->size, data, size);
	wire->size += size;
}

static inline void wire_frame(struct wire *wire, int type, int flags, uint32_t stream,
			      const void *payload, size_t size)
{
	const uint8_t head[9] = {
		(uint8_t)(size >> 16),	 (uint8_t)(size >> 8),	 (uint8_t)size,
		(uint8_t)type,		 (uint8_t)flags,	 (uint8_t)(stream >> 24),
		(uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream,
	};

	wire_add(wire, head, sizeof(head));
	wire_add(wire, payload, size);
}

/* "NAME: VALUE" in each line; values of less than 127 bytes. */
static inline void wire_headers(struct wire *wire, uint32_t stream, int flags, const char *lines)
{
	struct wire block = {.size = 0};

	while (*lines) {
		const char *colon = strstr(lines, ": "), *end = strchr(lines, '\n');
		uint8_t length;

		wire_add(&block, "", 1); /* a literal that isn't kept, with a name that is new */
		length = (uint8_t)(colon - lines);
		wire_add(&block, &length, 1);
		wire_add(&block, lines, length);
		length = (uint8_t)(end - colon - 2);
		wire_add(&block, &length, 1);
		wire_add(&block, colon + 2, length);
		lines = end + 1;
	}
	wire_frame(wire, FRAME_HEADERS, flags | END_HEADERS, stream, block.data, block.size);
}

/* A message with its prefix, in one frame. */
static inline void wire_message(struct wire *wire, uint32_t stream, const void *data, size_t size)
{
	struct wire message = {.size = 0};
	const uint8_t prefix[5] = {0, 0, (uint8_t)(size >> 16), (uint8_t)(size >> 8),
				   (uint8_t)size};

	wire_add(&message, prefix, sizeof(prefix));
	wire_add(&message, data, size);
	wire_frame(wire, FRAME_DATA, 0, stream, message.data, message.size);
}

#define WIRE_OK ":status: 200\ncontent-type: application/grpc\n"
