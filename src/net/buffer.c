/* SPDX-License-Identifier: MIT */
#include "net/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for `more` bytes, and one for the NUL that vsnprintf(3) writes. */
static bool make_room(struct buffer *buffer, size_t more)
{
	size_t limit = buffer->limit ? buffer->limit : BUFFER_LIMIT;
	size_t room = buffer->room ? buffer->room : 256;
	char *grown;

	if (buffer->code)
		return false;
	if (more > limit || buffer->size > limit - more) {
		buffer->code = EMSGSIZE;
		return false;
	}
	while (room < buffer->size + more + 1)
		room *= 2; /* limits are far from SIZE_MAX / 2 */
	if (room == buffer->room)
		return true;
	grown = realloc(buffer->data, room);
	if (!grown) {
		buffer->code = ENOMEM;
		return false;
	}
	buffer->data = grown;
	buffer->room = room;
	return true;
}

void buffer_add(struct buffer *buffer, const void *data, size_t size)
{
	if (size == 0 || !make_room(buffer, size))
		return;
	memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
}

void buffer_add_text(struct buffer *buffer, const char *text)
{
	buffer_add(buffer, text, strlen(text));
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0 || !make_room(buffer, (size_t)n))
		return;
	va_start(args, format);
	(void)vsnprintf(buffer->data + buffer->size, (size_t)n + 1, format, args);
	va_end(args);
	buffer->size += (size_t)n;
}

void buffer_reset(struct buffer *buffer)
{
	buffer->size = 0;
	buffer->code = 0;
}

void buffer_done(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){.limit = buffer->limit};
}
