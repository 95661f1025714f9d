/* SPDX-License-Identifier: MIT */
#include "engine/message.h"

#include <errno.h>
#include <stdlib.h>

/* An unknown field of two bytes becomes a hundred in memory. */
enum { MEMORY_MAX = 128 << 20 };

int message_begin(struct grpc *grpc, const char *method, const ProtobufCMessage *request,
		  const char *header, const char *value)
{
	size_t size = protobuf_c_message_get_packed_size(request);
	_cleanup_free_ uint8_t *packed = malloc(size + 1);

	if (!packed)
		return -ENOMEM;
	(void)protobuf_c_message_pack(request, packed);
	return grpc_begin(grpc, method, packed, size, header, value);
}

static void *allocate(void *left, size_t size)
{
	size_t *room = left;

	if (size > *room)
		return NULL;
	*room -= size;
	return malloc(size);
}

static void release(void *left, void *memory)
{
	(void)left; /* what was given counts, not what is held */
	free(memory);
}

int message_unpack(const ProtobufCMessageDescriptor *type, const struct bytes *bytes,
		   ProtobufCMessage **ret, struct cj_error *err)
{
	size_t left = MEMORY_MAX;
	ProtobufCAllocator allocator = {.alloc = allocate,
					.free = release,
					.allocator_data = &left};
	const void *data = bytes->data ? bytes->data : "";
	ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, bytes->size, data);

	if (!message)
		return cj_fail(err, EBADMSG, "read %s: not such a message, or too big", type->name);
	*ret = message;
	return 0;
}
