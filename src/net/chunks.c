/* SPDX-License-Identifier: MIT */
#include "net/chunks.h"

#include <stdio.h>

#include "net/signals.h"

size_t chunk_head(size_t size, char buf[static CHUNK_HEAD_MAX])
{
	buf[0] = '\0';
	return size ? (size_t)snprintf(buf, CHUNK_HEAD_MAX, "%zx\r\n", size) : 0;
}

void chunk_add(struct buffer *out, const void *data, size_t size)
{
	char head[CHUNK_HEAD_MAX];

	if (size == 0)
		return;
	buffer_add(out, head, chunk_head(size, head));
	buffer_add(out, data, size);
	buffer_add_text(out, "\r\n");
}

void chunks_add_end(struct buffer *out, const struct outcome *outcome)
{
	char name[SIGNAL_NAME_SIZE];

	buffer_print(out, "0\r\nExit-Code: %d\r\n", outcome->exit_code);
	if (outcome->signal)
		buffer_print(out, "Signal: %s\r\n", signal_to_text(outcome->signal, name));
	if (outcome->truncated)
		buffer_add_text(out, "Truncated: true\r\n");
	buffer_add_text(out, "\r\n");
}
