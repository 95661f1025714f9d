/* SPDX-License-Identifier: MIT */
#include "engine/grpc.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "engine/grpc_call.h"

enum {
	BYTES_MAX = GRPC_MESSAGE_MAX + (1 << 20), /* of all frames of a call */
	HEADER_LIST_MAX = 64 << 10,
	WINDOW = 4 << 20, /* so that a long answer isn't held up */
	READ_SIZE = 32 << 10,
	WRITE_SIZE = 4 << 10,
	/* What one grpc_step() reads: who sends without end mustn't stop the clock. */
	TURN_MAX = 1 << 20,
};

struct grpc {
	nghttp2_session *session;
	const uint8_t *piece; /* the session's own, until it's asked for more */
	size_t n_piece;
	uint8_t out[WRITE_SIZE]; /* many small frames go in one send(2) */
	size_t n_out;
	int32_t stream;
	bool goes_away;
	uint32_t away_code;
	struct grpc_call call;
	uint8_t in[READ_SIZE];
};

/* --- what comes --- */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_length, const uint8_t *value, size_t length, uint8_t flags,
		     void *user)
{
	struct grpc *grpc = user;

	(void)session;
	(void)flags;
	if (frame->hd.stream_id != grpc->stream ||
	    grpc_call_header(&grpc->call, name, name_length, value, length))
		return 0;
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
		   size_t size, void *user)
{
	struct grpc *grpc = user;

	(void)session;
	(void)flags;
	if (stream != grpc->stream || grpc_call_data(&grpc->call, data, size))
		return 0;
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct grpc *grpc = user;

	(void)session;
	if (frame->hd.type == NGHTTP2_GOAWAY) {
		grpc->goes_away = true;
		grpc->away_code = frame->goaway.error_code;
	}
	return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
	struct grpc *grpc = user;

	(void)session;
	if (stream == grpc->stream) {
		grpc->call.closed = true;
		grpc->call.reset = code;
	}
	return 0;
}

/* --- a call --- */

static int new_session(struct grpc *grpc)
{
	nghttp2_session_callbacks *callbacks;
	int r;

	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	r = nghttp2_session_client_new(&grpc->session, callbacks, grpc);
	nghttp2_session_callbacks_del(callbacks);
	return r == 0 ? 0 : -ENOMEM;
}

int grpc_new(struct grpc **ret)
{
	static const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0}, /* of the server's own */
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX},
	};
	struct grpc *grpc = calloc(1, sizeof(*grpc));
	int r;

	if (!grpc)
		return -ENOMEM;
	grpc->call = (struct grpc_call)GRPC_CALL_INIT;
	r = new_session(grpc);
	if (r == 0 && (nghttp2_submit_settings(grpc->session, NGHTTP2_FLAG_NONE, settings,
					       ELEMENTS(settings)) != 0 ||
		       nghttp2_session_set_local_window_size(grpc->session, NGHTTP2_FLAG_NONE, 0,
							     WINDOW) != 0))
		r = -ENOMEM;
	if (r < 0) {
		grpc_free(grpc);
		return r;
	}
	*ret = grpc;
	return 0;
}

void grpc_free(struct grpc *grpc)
{
	if (!grpc)
		return;
	nghttp2_session_del(grpc->session); /* takes NULL */
	grpc_call_done(&grpc->call);
	free(grpc);
}

static ssize_t give_request(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t size,
			    uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct grpc_call *call = &((struct grpc *)user)->call;
	size_t n = call->request_size - call->sent;

	(void)session;
	(void)stream;
	(void)source;
	n = n < size ? n : size;
	memcpy(buf, call->request + call->sent, n);
	call->sent += n;
	if (call->sent == call->request_size)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* nghttp2 copies names and values, and doesn't write to them. */
static nghttp2_nv field(const char *name, const char *value)
{
	union {
		const char *from;
		uint8_t *to;
	} n = {.from = name}, v = {.from = value};

	return (nghttp2_nv){
		.name = n.to,
		.value = v.to,
		.namelen = strlen(name),
		.valuelen = strlen(value),
		.flags = NGHTTP2_NV_FLAG_NONE,
	};
}

int grpc_begin(struct grpc *grpc, const char *method, const uint8_t *message, size_t size,
	       const char *header, const char *value)
{
	const nghttp2_data_provider provider = {.read_callback = give_request};
	nghttp2_nv fields[] = {
		field(":method", "POST"),
		field(":scheme", "http"),
		field(":path", method),
		field(":authority", "localhost"),
		field("content-type", "application/grpc"),
		field("te", "trailers"),
		field("user-agent", "conjoin"),
		field(header ? header : "", header ? value : ""),
	};
	int r;

	r = grpc_call_begin(&grpc->call, message, size);
	if (r < 0)
		return r;
	grpc->stream = nghttp2_submit_request(grpc->session, NULL, fields,
					      ELEMENTS(fields) - (header ? 0 : 1), &provider, NULL);
	return grpc->stream < 0 ? -ENOMEM : 0;
}

/* The session wants nothing any more, and there is no answer. */
static int fail_ended(const struct grpc *grpc, struct cj_error *err)
{
	if (grpc->goes_away)
		return cj_fail(err, EBADMSG, "call by gRPC: it ends the connection (%s)",
			       nghttp2_http2_strerror(grpc->away_code));
	return cj_fail(err, EBADMSG, "call by gRPC: what comes isn't HTTP/2");
}

/* Fills `out` with what the session wants to send. */
static int gather(struct grpc *grpc, struct cj_error *err)
{
	while (grpc->n_out < WRITE_SIZE) {
		size_t room = WRITE_SIZE - grpc->n_out;
		size_t n = grpc->n_piece < room ? grpc->n_piece : room;
		ssize_t r;

		if (n > 0) {
			memcpy(grpc->out + grpc->n_out, grpc->piece, n);
			grpc->n_out += n;
			grpc->piece += n;
			grpc->n_piece -= n;
			continue;
		}
		r = nghttp2_session_mem_send(grpc->session, &grpc->piece);
		if (r < 0)
			return cj_fail(err, r == NGHTTP2_ERR_NOMEM ? ENOMEM : EBADMSG,
				       "call by gRPC: %s", nghttp2_strerror((int)r));
		if (r == 0)
			return 0;
		grpc->n_piece = (size_t)r;
	}
	return 0;
}

/* Sends all that is to be sent, or as much as the socket takes: then n_out isn't 0. */
static int send_all(struct grpc *grpc, int fd, struct cj_error *err)
{
	for (;;) {
		int r = gather(grpc, err);
		ssize_t n;

		if (r < 0 || grpc->n_out == 0)
			return r;
		n = send(fd, grpc->out, grpc->n_out, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (n < 0)
			return cj_fail(err, errno, "call by gRPC: send");
		grpc->n_out -= (size_t)n;
		memmove(grpc->out, grpc->out + n, grpc->n_out);
	}
}

static int feed(struct grpc *grpc, size_t size, struct cj_error *err)
{
	struct grpc_call *call = &grpc->call;
	ssize_t n;

	call->received += size;
	if (call->received > BYTES_MAX)
		return cj_fail(err, EFBIG, "call by gRPC: it sends without end");
	n = nghttp2_session_mem_recv(grpc->session, grpc->in, size);
	if (call->code)
		return cj_fail(err, call->code, "call by gRPC: %s", call->why);
	if (n == NGHTTP2_ERR_NOMEM)
		return cj_fail(err, ENOMEM, "call by gRPC");
	if (n < 0)
		return cj_fail(err, EBADMSG, "call by gRPC: %s", nghttp2_strerror((int)n));
	return 0;
}

/* 1: something came; 0: nothing is there. `*ret_more`: there may be more. */
static int receive(struct grpc *grpc, int fd, bool *ret_more, struct cj_error *err)
{
	ssize_t n;
	int r;

	do
		n = recv(fd, grpc->in, sizeof(grpc->in), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	*ret_more = n == (ssize_t)sizeof(grpc->in);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n < 0)
		return cj_fail(err, errno, "call by gRPC: receive");
	if (n == 0)
		return cj_fail(err, EBADMSG,
			       "call by gRPC: the connection has ended before it was answered");
	r = feed(grpc, (size_t)n, err);
	return r < 0 ? r : 1;
}

int grpc_step(struct grpc *grpc, int fd, short *ret_events, int *ret_status, struct bytes *ret,
	      struct cj_error *err)
{
	size_t before = grpc->call.received;
	bool more = true;

	for (;;) {
		int r = send_all(grpc, fd, err);

		if (r < 0)
			return r;
		if (grpc->call.closed)
			return grpc_call_end(&grpc->call, ret_status, ret, err);
		if (grpc->n_out == 0 && !nghttp2_session_want_read(grpc->session) &&
		    !nghttp2_session_want_write(grpc->session))
			return fail_ended(grpc, err);
		if (more && grpc->call.received - before < TURN_MAX) {
			r = receive(grpc, fd, &more, err);
			if (r < 0)
				return r;
			if (r > 0)
				continue;
		}
		*ret_events = grpc->n_out > 0 ? POLLIN | POLLOUT : POLLIN;
		return 0;
	}
}

int grpc_fail(const struct grpc *grpc, int status, const char *method, struct cj_error *err)
{
	static const struct {
		int status, code;
	} codes[] = {
		{3, EINVAL},
		{4, ETIMEDOUT},
		{7, EACCES},
		{8, ENOBUFS},
		{GRPC_UNIMPLEMENTED, EOPNOTSUPP},
		{14, EAGAIN},
		{16, EACCES},
	};
	const char *message = grpc->call.message;
	int code = EREMOTEIO;

	for (size_t i = 0; i < ELEMENTS(codes); i++)
		if (codes[i].status == status)
			code = codes[i].code;
	return cj_fail(err, code, "call %s: gRPC status %d%s%s", method, status,
		       *message ? ": " : "", message);
}
