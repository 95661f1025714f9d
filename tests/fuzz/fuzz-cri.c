/* SPDX-License-Identifier: MIT
 *
 * What a CRI runtime may answer: the input is a request's first byte (which form of a name it is), then
 * one message after the other, each with its length in two bytes. They're taken as the answers to what
 * conjoin asks.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cri_api.h"
#include "engine/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void init_talk(struct cri_talk *talk, struct source *source, uint8_t form)
{
	static const char *const refs[] = {"a", "ab", "p", "n/p", "n/p/c", "n/p/", NULL};
	static struct cj_engine_options options = CJ_ENGINE_OPTIONS_INIT;
	static struct engine_request request;

	request = (struct engine_request){.options = &options,
					  .ref = refs[(form & 0x3f) % ELEMENTS(refs)],
					  .bare = form & 0x40,
					  .root = "/nonexistent"};
	*source =
		(struct source){.engine = (form & 0x80) && request.ref ? &engine_k8s : &engine_cri,
				.request = &request};
	cri_query_init(&talk->query, source);
	talk->call = &cri_list_containers;
	if (grpc_new(&talk->grpc) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cri_talk talk = {.version = 0};
	struct source source;

	if (size == 0)
		return 0;
	init_talk(&talk, &source, data[0]);
	data++;
	size--;
	while (talk.call && size >= 2) {
		size_t length = (size_t)data[0] << 8 | data[1];
		_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;

		length = length < size - 2 ? length : size - 2;
		bytes.data = malloc(length + 1);
		if (!bytes.data || talk.call->begin(&talk) < 0)
			abort();
		memcpy(bytes.data, data + 2, length);
		bytes.data[length] = '\0';
		bytes.size = length;
		if (talk.call->take(&talk, &bytes, NULL) < 0)
			break;
		data += 2 + length;
		size -= 2 + length;
	}
	if (cri_list_give(&talk.list, &source) < 0)
		abort();
	containers_done(&source.found);
	cri_list_done(&talk.list);
	grpc_free(talk.grpc);
	return 0;
}
