/* SPDX-License-Identifier: MIT */
#include "engine/grpc_call.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/parse.h"
#include "engine/grpc.h"

enum { HEADERS_MAX = 1000 }; /* of a call: nghttp2 bounds each block only */

int grpc_call_begin(struct grpc_call *call, const uint8_t *message, size_t size)
{
	grpc_call_done(call);
	if (size > GRPC_MESSAGE_MAX)
		return -EFBIG;
	call->request = malloc(GRPC_PREFIX_SIZE + size);
	if (!call->request)
		return -ENOMEM;
	call->request[0] = 0;
	for (unsigned int i = 0; i < 4; i++)
		call->request[1 + i] = (uint8_t)(size >> (24 - 8 * i));
	if (size > 0)
		memcpy(call->request + GRPC_PREFIX_SIZE, message, size);
	call->request_size = GRPC_PREFIX_SIZE + size;
	return 0;
}

void grpc_call_done(struct grpc_call *call)
{
	free(call->request);
	bytes_done(&call->answer);
	*call = (struct grpc_call)GRPC_CALL_INIT;
}

bool grpc_call_wrong(struct grpc_call *call, int code, const char *why)
{
	call->code = code;
	call->why = why;
	return false;
}

static int hex_digit(uint8_t c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* grpc-message: bytes beyond printable ASCII are written %XX. What isn't so written is kept. */
static void read_message(struct grpc_call *call, const uint8_t *value, size_t length)
{
	size_t n = 0;

	for (size_t i = 0; i < length && n + 1 < sizeof(call->message); i++) {
		int high = i + 2 < length ? hex_digit(value[i + 1]) : -1;
		int low = i + 2 < length ? hex_digit(value[i + 2]) : -1;

		call->message[n++] = (char)value[i];
		if (value[i] == '%' && high >= 0 && low >= 0 && (high || low)) {
			call->message[n - 1] = (char)(high * 16 + low);
			i += 2;
		}
	}
	call->message[n] = '\0';
}

static bool is_word(const uint8_t *text, size_t length, const char *word)
{
	return length == strlen(word) && memcmp(text, word, length) == 0;
}

/* "application/grpc", "application/grpc+proto", "application/grpc; charset=…" */
static bool is_grpc_type(const uint8_t *value, size_t length)
{
	static const char type[] = "application/grpc";

	return length >= strlen(type) && memcmp(value, type, strlen(type)) == 0 &&
	       (length == strlen(type) || strchr("+;", value[strlen(type)]));
}

/* A number of three digits at most; anything else is -1. */
static int read_number(const uint8_t *value, size_t length)
{
	char digits[4] = "";
	int number;

	if (length >= sizeof(digits))
		return -1;
	memcpy(digits, value, length);
	return parse_int(digits, 0, 999, &number) < 0 ? -1 : number;
}

bool grpc_call_header(struct grpc_call *call, const uint8_t *name, size_t name_length,
		      const uint8_t *value, size_t length)
{
	if (++call->n_headers > HEADERS_MAX)
		return grpc_call_wrong(call, EBADMSG, "headers without end");
	if (is_word(name, name_length, ":status"))
		call->http_status = read_number(value, length);
	else if (is_word(name, name_length, "content-type"))
		call->is_grpc = is_grpc_type(value, length);
	else if (is_word(name, name_length, "grpc-message"))
		read_message(call, value, length);
	else if (is_word(name, name_length, "grpc-status")) {
		call->status = read_number(value, length);
		if (call->status < 0)
			return grpc_call_wrong(call, EBADMSG, "a grpc-status that is no number");
	}
	return true;
}

/* The prefix is there: how long is the message? */
static bool read_prefix(struct grpc_call *call)
{
	const uint8_t *p = call->prefix;

	if (p[0] == 1)
		return grpc_call_wrong(call, EPROTONOSUPPORT, "a compressed message");
	if (p[0] != 0)
		return grpc_call_wrong(call, EBADMSG, "a message of an unknown kind");
	call->length = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	if (call->length > GRPC_MESSAGE_MAX)
		return grpc_call_wrong(call, EFBIG, "a message that is too long");
	return true;
}

/* Room comes with the bytes, not with what the prefix says. */
static bool append(struct grpc_call *call, const uint8_t *data, size_t size)
{
	void *grown = call->answer.data;

	if (size > call->length - call->answer.size)
		return grpc_call_wrong(call, EBADMSG, "more than one message");
	if (!array_grow(&grown, 1, &call->room, call->answer.size + size + 1))
		return grpc_call_wrong(call, ENOMEM, "a message");
	call->answer.data = grown;
	memcpy(call->answer.data + call->answer.size, data, size);
	call->answer.size += size;
	call->answer.data[call->answer.size] = '\0';
	return true;
}

bool grpc_call_data(struct grpc_call *call, const uint8_t *data, size_t size)
{
	size_t n = GRPC_PREFIX_SIZE - call->n_prefix;

	/* A page that tells of an error in HTML, perhaps. */
	if (call->http_status != 200 || !call->is_grpc)
		return true;
	n = n < size ? n : size;
	memcpy(call->prefix + call->n_prefix, data, n);
	call->n_prefix += n;
	if (n > 0 && call->n_prefix == GRPC_PREFIX_SIZE && !read_prefix(call))
		return false;
	return n == size || append(call, data + n, size - n);
}

int grpc_call_end(struct grpc_call *call, int *ret_status, struct bytes *ret, struct cj_error *err)
{
	/* A server may answer before it has read all, and say so by a reset of kind "no error". */
	if (call->reset != NGHTTP2_NO_ERROR && call->status < 0)
		return cj_fail(err, EBADMSG, "call by gRPC: the stream is reset (%s)",
			       nghttp2_http2_strerror(call->reset));
	if (call->http_status != 200)
		return cj_fail(err, EBADMSG, "call by gRPC: HTTP status %d", call->http_status);
	if (!call->is_grpc)
		return cj_fail(err, EBADMSG, "call by gRPC: the answer is of another kind");
	if (call->status < 0)
		return cj_fail(err, EBADMSG, "call by gRPC: the answer has no grpc-status");
	if (call->status == GRPC_OK &&
	    (call->n_prefix < GRPC_PREFIX_SIZE || call->answer.size < call->length))
		return cj_fail(err, EBADMSG, "call by gRPC: the answer is cut off");
	*ret_status = call->status;
	*ret = (struct bytes)BYTES_INIT;
	if (call->status == GRPC_OK) {
		*ret = call->answer;
		call->answer = (struct bytes)BYTES_INIT;
		call->room = 0;
	}
	return 1;
}
