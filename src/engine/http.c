/* SPDX-License-Identifier: MIT */
#include "engine/http.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/parse.h"

enum {
	HEAD_MAX = 64 << 10, /* of all heads, those of 1xx answers too; and of trailers */
	LINE_MAX_CHUNK = 4096,
	READ_SIZE = 64 << 10,
	/* What one http_step() reads: who sends without end mustn't stop the clock. */
	TURN_MAX = 1 << 20,
};

/* What the next byte belongs to. */
enum phase {
	IN_STATUS,
	IN_HEAD,
	IN_LENGTH, /* a body of `left` more bytes */
	IN_REST,   /* a body that ends with the connection */
	IN_CHUNK_SIZE,
	IN_CHUNK, /* `left` more bytes of a chunk */
	IN_CHUNK_END,
	IN_TRAILER,
	IS_WHOLE,
};

/*
 * One buffer: the body as far as it's known, then what is yet to be read. Each byte is looked at once,
 * and moved once or twice.
 *
 *	data [ body | (gone) | unread | room )
 *	     0   body_size   at      end
 */
struct http {
	char *request;
	size_t request_size, sent;

	char *data;
	size_t body_size, at, end, room;
	size_t seen; /* there is no end of a line before it */
	size_t head; /* bytes of head lines so far */

	enum phase phase;
	int status;
	bool has_length, chunked;
	uint64_t length, left;
};

void http_answer_done(struct http_answer *answer)
{
	bytes_done(&answer->body);
	answer->status = 0;
}

int http_new(const char *target, struct http **ret)
{
	struct http *http = calloc(1, sizeof(*http));
	int n;

	if (!http)
		return -ENOMEM;
	/* 1.0 and no TE: the body just follows, of a daemon that goes by the standard. */
	n = asprintf(&http->request,
		     "GET %s HTTP/1.0\r\nHost: localhost\r\nUser-Agent: conjoin\r\n"
		     "Accept: application/json\r\nConnection: close\r\n\r\n",
		     target);
	if (n < 0) {
		free(http);
		return -ENOMEM;
	}
	http->request_size = (size_t)n;
	*ret = http;
	return 0;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	free(http->request);
	free(http->data);
	free(http);
}

/* Appends; one byte more is kept for the NUL. */
static int append(struct http *http, const char *data, size_t size)
{
	size_t room = http->room ? http->room : 4096;
	char *grown;

	if (size == 0)
		return 0;
	while (room <= http->end + size)
		room *= 2;
	if (!http->data || room != http->room) {
		grown = realloc(http->data, room);
		if (!grown)
			return -ENOMEM;
		http->data = grown;
		http->room = room;
	}
	memcpy(http->data + http->end, data, size);
	http->end += size;
	return 0;
}

/* What is unread goes up to the body, so that the buffer never holds what was read. */
static void close_gap(struct http *http)
{
	size_t gap = http->at - http->body_size;

	if (gap == 0 || !http->data)
		return;
	memmove(http->data + http->body_size, http->data + http->at, http->end - http->at);
	http->at -= gap;
	http->end -= gap;
	http->seen = http->seen > gap ? http->seen - gap : 0;
}

/* 1: a line, NUL-ended and without its end; 0: it isn't whole. */
static int take_line(struct http *http, size_t max, char **ret)
{
	size_t from = http->seen > http->at ? http->seen : http->at;
	char *line = http->data + http->at;
	char *end = from < http->end ? memchr(http->data + from, '\n', http->end - from) : NULL;
	size_t length = end ? (size_t)(end - line) : http->end - http->at;

	if (length > max)
		return http->phase <= IN_HEAD ? -EFBIG : -EBADMSG;
	if (!end) {
		http->seen = http->end;
		return 0;
	}
	http->at += length + 1;
	if (length > 0 && line[length - 1] == '\r')
		length--;
	line[length] = '\0';
	if (strlen(line) != length)
		return -EBADMSG;
	*ret = line;
	return 1;
}

/* A line of a head or of trailers: bounded together. */
static int take_head_line(struct http *http, char **ret)
{
	size_t before = http->at;
	int r = take_line(http, HEAD_MAX - http->head, ret);

	if (r <= 0)
		return r;
	http->head += http->at - before;
	return http->head > HEAD_MAX ? -EFBIG : 1;
}

/* "HTTP/1.1 200 OK" */
static int read_status(struct http *http)
{
	char *line, digits[4];
	int r = take_head_line(http, &line);

	if (r <= 0)
		return r;
	if (strncmp(line, "HTTP/1.", 7) != 0 || !line[7] || !strchr("01", line[7]) ||
	    line[8] != ' ' || strlen(line) < 12 || (line[12] && line[12] != ' '))
		return -EBADMSG;
	(void)snprintf(digits, sizeof(digits), "%.3s", line + 9);
	r = parse_int(digits, 100, 599, &http->status);
	http->phase = IN_HEAD;
	return r < 0 ? -EBADMSG : 1;
}

static int read_length(struct http *http, const char *value)
{
	uint64_t length;

	if (parse_u64(value, 0, UINT64_MAX, &length) < 0 ||
	    (http->has_length && http->length != length))
		return -EBADMSG;
	http->has_length = true;
	http->length = length;
	return 1;
}

static int read_field(struct http *http, const char *name, const char *value)
{
	bool identity = strcasecmp(value, "identity") == 0;

	if (strcasecmp(name, "Content-Length") == 0)
		return read_length(http, value);
	if (strcasecmp(name, "Content-Encoding") == 0)
		return identity ? 1 : -EPROTONOSUPPORT;
	if (strcasecmp(name, "Transfer-Encoding") != 0 || identity)
		return 1;
	if (strcasecmp(value, "chunked") != 0 || http->chunked)
		return -EPROTONOSUPPORT;
	http->chunked = true;
	return 1;
}

/* After the empty line: what follows? RFC 9112, 6.3 */
static int begin_body(struct http *http)
{
	if (http->status < 200) {
		if (http->status == 101)
			return -EBADMSG; /* nobody has asked for another protocol */
		http->has_length = http->chunked = false;
		http->phase = IN_STATUS;
		return 1;
	}
	if (http->status == 204 || http->status == 304) {
		http->phase = IS_WHOLE;
		return 1;
	}
	if (http->chunked && http->has_length)
		return -EBADMSG; /* two truths: somebody is to be led astray */
	if (http->has_length && http->length > HTTP_BODY_MAX)
		return -EFBIG;
	http->left = http->length;
	http->phase = http->chunked ? IN_CHUNK_SIZE : http->has_length ? IN_LENGTH : IN_REST;
	return 1;
}

static int read_head(struct http *http)
{
	char *line, *value;
	int r = take_head_line(http, &line);
	size_t length;

	if (r <= 0)
		return r;
	if (!*line)
		return begin_body(http);
	value = strchr(line, ':');
	/* Neither a line that goes on from the one before nor a blank before the colon: RFC 9112, 5 */
	if (!value || value == line || strchr(" \t", line[0]) || strchr(" \t", value[-1]))
		return -EBADMSG;
	*value++ = '\0';
	value += strspn(value, " \t");
	for (length = strlen(value); length > 0 && strchr(" \t", value[length - 1]);)
		value[--length] = '\0';
	return read_field(http, line, value);
}

/* Moves up to `max` unread bytes to the body. */
static int take_body(struct http *http, uint64_t max)
{
	size_t n = http->end - http->at;

	if (n > max)
		n = (size_t)max;
	if (n == 0)
		return 0;
	if (n > HTTP_BODY_MAX - http->body_size)
		return -EFBIG;
	if (http->at != http->body_size)
		memmove(http->data + http->body_size, http->data + http->at, n);
	http->body_size += n;
	http->at += n;
	http->left -= http->phase == IN_REST ? 0 : n;
	return 1;
}

static int read_length_body(struct http *http)
{
	if (http->left > 0)
		return take_body(http, http->left);
	http->phase = IS_WHOLE;
	return 1;
}

static int read_rest(struct http *http)
{
	return take_body(http, UINT64_MAX);
}

/* "1f4" or "1f4;extension=…" */
static int read_chunk_size(struct http *http)
{
	char *line;
	int r = take_line(http, LINE_MAX_CHUNK, &line);
	size_t length;

	if (r <= 0)
		return r;
	line[strcspn(line, ";")] = '\0';
	for (length = strlen(line); length > 0 && strchr(" \t", line[length - 1]);)
		line[--length] = '\0';
	/* Digits only: parse_base() would take an "0x". */
	if (length == 0 || length > 16 || line[strspn(line, "0123456789abcdefABCDEF")] ||
	    parse_base(line, 16, &http->left) < 0)
		return -EBADMSG;
	if (http->left > HTTP_BODY_MAX - http->body_size)
		return -EFBIG;
	http->phase = http->left > 0 ? IN_CHUNK : IN_TRAILER;
	return 1;
}

static int read_chunk(struct http *http)
{
	int r = take_body(http, http->left);

	if (r > 0 && http->left == 0)
		http->phase = IN_CHUNK_END;
	return r;
}

static int read_chunk_end(struct http *http)
{
	char *line;
	int r = take_line(http, 1, &line);

	if (r <= 0)
		return r;
	http->phase = IN_CHUNK_SIZE;
	return *line ? -EBADMSG : 1;
}

static int read_trailer(struct http *http)
{
	char *line;
	int r = take_head_line(http, &line);

	if (r > 0 && !*line)
		http->phase = IS_WHOLE;
	return r;
}

/* Each: 1, it got on; 0, it needs more; -errno. */
static int (*const readers[])(struct http *http) = {
	[IN_STATUS] = read_status,	   [IN_HEAD] = read_head,
	[IN_LENGTH] = read_length_body,	   [IN_REST] = read_rest,
	[IN_CHUNK_SIZE] = read_chunk_size, [IN_CHUNK] = read_chunk,
	[IN_CHUNK_END] = read_chunk_end,   [IN_TRAILER] = read_trailer,
};

static int hand_over(struct http *http, struct http_answer *ret)
{
	if (!http->data)
		return -EBADMSG;
	http->data[http->body_size] = '\0';
	http->phase = IS_WHOLE;
	ret->status = http->status;
	ret->body.data = take_ptr(http->data);
	ret->body.size = http->body_size;
	http->room = http->end = http->at = http->seen = http->body_size = 0;
	return 1;
}

int http_feed(struct http *http, const char *data, size_t size, bool ended, struct http_answer *ret)
{
	int r = http->phase == IS_WHOLE ? -EINVAL : append(http, data, size);

	if (r < 0)
		return r;
	do
		r = http->data ? readers[http->phase](http) : 0;
	while (r > 0 && http->phase != IS_WHOLE);
	if (r < 0)
		return r;
	if (r > 0 || (ended && http->phase == IN_REST))
		return hand_over(http, ret);
	if (ended)
		return -EBADMSG;
	close_gap(http);
	return 0;
}

int http_parse(const char *data, size_t size, struct http_answer *ret)
{
	struct http http = {.phase = IN_STATUS};
	int r = http_feed(&http, data, size, true, ret);

	free(http.data);
	return r;
}

/* 1: all is sent. A daemon that has heard enough may have answered and gone. */
static int send_request(struct http *http, int fd)
{
	while (http->sent < http->request_size) {
		ssize_t n = send(fd, http->request + http->sent, http->request_size - http->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			http->sent = http->request_size;
		else if (n < 0)
			return -errno;
		else
			http->sent += (size_t)n;
	}
	return 1;
}

/* What a failure means, for people. */
static int explain(struct cj_error *err, int code)
{
	static const struct {
		int code;
		const char *text;
	} texts[] = {
		{EBADMSG, "what it answers isn't HTTP, or is cut off"},
		{EFBIG, "its answer is too big"},
		{EPROTONOSUPPORT, "its answer is encoded in a way that wasn't asked for"},
	};

	for (size_t i = 0; i < ELEMENTS(texts); i++)
		if (texts[i].code == code)
			return cj_fail(err, code, "%s", texts[i].text);
	return cj_fail(err, code, "read its answer");
}

static int read_answer(struct http *http, int fd, struct http_answer *ret)
{
	_cleanup_free_ char *buf = malloc(READ_SIZE);

	if (!buf)
		return -ENOMEM;
	for (size_t got = 0; got < TURN_MAX;) {
		ssize_t n = io_read(fd, buf, READ_SIZE);
		int r;

		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		r = http_feed(http, buf, (size_t)n, n == 0, ret);
		if (r != 0)
			return r;
		got += (size_t)n;
	}
	return 0;
}

int http_step(struct http *http, int fd, short *ret_events, struct http_answer *ret,
	      struct cj_error *err)
{
	int r = send_request(http, fd);

	if (r < 0)
		return cj_fail(err, -r, "send it a request");
	*ret_events = r == 0 ? POLLOUT : POLLIN;
	r = r == 0 ? 0 : read_answer(http, fd, ret);
	return r < 0 ? explain(err, -r) : r;
}

bool http_escape(char *buf, size_t size, const char *text)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789-._~";
	size_t n = 0;

	for (; *text; text++) {
		bool plain = strchr(unreserved, *text);

		if (n + (plain ? 1 : 3) >= size)
			return false;
		if (plain)
			buf[n++] = *text;
		else
			n += (size_t)snprintf(buf + n, size - n, "%%%02X", (unsigned char)*text);
	}
	if (size == 0)
		return false;
	buf[n] = '\0';
	return true;
}
