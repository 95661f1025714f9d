/* SPDX-License-Identifier: MIT */
#include "net/http.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

/* A callback that returns it ends the parsing. */
enum { STOP = -1 };

static int bad(struct http_reader *reader, int status, const char *why)
{
	if (reader->progress != HTTP_BAD) {
		reader->progress = HTTP_BAD;
		reader->status = status;
		reader->why = why;
	}
	return STOP;
}

static bool add(struct http_reader *reader, const char *data, size_t size)
{
	if (size >= sizeof(reader->head) - reader->used)
		return false;
	memcpy(reader->head + reader->used, data, size);
	reader->used += size;
	return true;
}

static struct http_reader *reader_of(http_parser *parser)
{
	return parser->data;
}

static int take_target(http_parser *parser, const char *data, size_t size)
{
	struct http_reader *reader = reader_of(parser);

	if (reader->used + size > HTTP_TARGET_MAX || !add(reader, data, size))
		return bad(reader, 414, "the target is too long");
	return 0;
}

/* token of RFC 9110, 5.6.2. The parser lets a blank pass, which others take for the name's end. */
static bool is_token(const char *data, size_t size)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)data[i]) &&
		    !memchr(others, data[i], sizeof(others) - 1))
			return false;
	return true;
}

static int take_name(http_parser *parser, const char *data, size_t size)
{
	struct http_reader *reader = reader_of(parser);

	if (!is_token(data, size))
		return bad(reader, 400, "a header's name isn't one");
	if (reader->in != HTTP_IN_NAME) {
		if (reader->n == ELEMENTS(reader->headers) || !add(reader, "", 1))
			return bad(reader, 431, "too many headers");
		reader->headers[reader->n++] = reader->used;
		reader->in = HTTP_IN_NAME;
	}
	return add(reader, data, size) ? 0 : bad(reader, 431, "the headers are too long");
}

static int take_value(http_parser *parser, const char *data, size_t size)
{
	struct http_reader *reader = reader_of(parser);

	if (reader->in == HTTP_IN_NAME) {
		if (!add(reader, "", 1))
			return bad(reader, 431, "the headers are too long");
		reader->in = HTTP_IN_VALUE;
	}
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)data[i] < ' ' && data[i] != '\t')
			return bad(reader, 400, "a control character in a header");
	return add(reader, data, size) ? 0 : bad(reader, 431, "the headers are too long");
}

/* What a body's length rests on must be beyond doubt: else two readers see two requests. RFC 9112, 11.2 */
static int check_length(struct http_reader *reader)
{
	size_t lengths, encodings;
	const char *encoding = http_header(reader, "transfer-encoding", &encodings);

	(void)http_header(reader, "content-length", &lengths);
	if (lengths > 1 || encodings > 1 || (lengths && encodings))
		return bad(reader, 400, "the body's length is told twice");
	if (encoding && strcasecmp(encoding, "chunked") != 0)
		return bad(reader, 501, "a transfer encoding other than chunked");
	if (lengths && reader->parser.content_length > reader->body_limit)
		return bad(reader, 413, "the body is too long");
	return 0;
}

static int take_head(http_parser *parser)
{
	struct http_reader *reader = reader_of(parser);
	const char *expect;
	size_t hosts;

	if (!add(reader, "", 1))
		return bad(reader, 431, "the headers are too long");
	if (parser->http_major != 1)
		return bad(reader, 505, "a version other than HTTP/1.0 and HTTP/1.1");
	(void)http_header(reader, "host", &hosts);
	if (hosts > 1 || (hosts == 0 && parser->http_minor > 0))
		return bad(reader, 400, "there has to be one Host");
	expect = http_header(reader, "expect", NULL);
	if (expect && strcasecmp(expect, "100-continue") != 0)
		return bad(reader, 417, "an expectation other than 100-continue");
	if (check_length(reader) < 0)
		return STOP;
	reader->progress = HTTP_HAS_HEAD;
	http_parser_pause(parser, 1);
	return 0;
}

static int take_body(http_parser *parser, const char *data, size_t size)
{
	struct http_reader *reader = reader_of(parser);

	if (size > reader->body_limit - reader->body.size)
		return bad(reader, 413, "the body is too long");
	buffer_add(&reader->body, data, size);
	return reader->body.code ? bad(reader, 503, "there is no memory for the body") : 0;
}

static int take_end(http_parser *parser)
{
	reader_of(parser)->progress = HTTP_WHOLE;
	http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_url = take_target,
	.on_header_field = take_name,
	.on_header_value = take_value,
	.on_headers_complete = take_head,
	.on_body = take_body,
	.on_message_complete = take_end,
};

void http_reader_init(struct http_reader *reader, size_t body_limit)
{
	reader->body = (struct buffer)BUFFER_INIT;
	reader->body_limit = body_limit;
	reader->body.limit = body_limit + 1;
	http_reader_reset(reader);
}

void http_reader_reset(struct http_reader *reader)
{
	http_parser_init(&reader->parser, HTTP_REQUEST);
	reader->parser.data = reader;
	reader->progress = HTTP_MORE;
	reader->status = 0;
	reader->why = NULL;
	reader->used = 0;
	reader->n = 0;
	reader->in = HTTP_IN_TARGET;
	reader->last = '\0';
	reader->in_body = false;
	buffer_reset(&reader->body);
}

void http_reader_done(struct http_reader *reader)
{
	buffer_done(&reader->body);
}

/* A line that goes on in the next one: the parser takes it, and others read it otherwise. RFC 9112, 5.2 */
static bool is_folded(struct http_reader *reader, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (reader->last == '\n' && (data[i] == ' ' || data[i] == '\t'))
			return true;
		reader->last = data[i];
	}
	return false;
}

size_t http_read(struct http_reader *reader, const char *data, size_t size)
{
	size_t taken;
	enum http_errno error;

	if (reader->progress != HTTP_MORE || size == 0)
		return 0;
	taken = http_parser_execute(&reader->parser, &settings, data, size);
	error = HTTP_PARSER_ERRNO(&reader->parser);
	if (!reader->in_body && is_folded(reader, data, taken))
		(void)bad(reader, 400, "a header that goes on in the next line");
	else if (error == HPE_HEADER_OVERFLOW)
		(void)bad(reader, 431, "the headers are too long");
	else if (error != HPE_OK && error != HPE_PAUSED)
		(void)bad(reader, 400, http_errno_description(error));
	return taken;
}

void http_read_body(struct http_reader *reader)
{
	reader->progress = HTTP_MORE;
	reader->in_body = true;
	http_parser_pause(&reader->parser, 0);
}

const char *http_target(const struct http_reader *reader)
{
	return reader->head;
}

enum http_method http_method_of(const struct http_reader *reader)
{
	return (enum http_method)reader->parser.method;
}

static const char *value_of(const char *name)
{
	return name + strlen(name) + 1;
}

const char *http_header(const struct http_reader *reader, const char *name, size_t *ret_n)
{
	const char *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < reader->n; i++) {
		const char *at = reader->head + reader->headers[i];

		if (strcasecmp(at, name) != 0)
			continue;
		if (n++ == 0)
			found = value_of(at);
	}
	if (ret_n)
		*ret_n = n;
	return found;
}

static bool has_word(const char *value, const char *word)
{
	size_t length = strlen(word);

	for (;;) {
		size_t own;

		value += strspn(value, " \t,");
		own = strcspn(value, " \t,;");
		if (own == 0)
			return false;
		if (own == length && strncasecmp(value, word, length) == 0)
			return true;
		value += strcspn(value, ",");
	}
}

bool http_header_has(const struct http_reader *reader, const char *name, const char *word)
{
	for (size_t i = 0; i < reader->n; i++) {
		const char *at = reader->head + reader->headers[i];

		if (strcasecmp(at, name) == 0 && has_word(value_of(at), word))
			return true;
	}
	return false;
}

bool http_keeps_alive(const struct http_reader *reader)
{
	if (reader->progress != HTTP_WHOLE || http_header_has(reader, "connection", "close"))
		return false;
	return reader->parser.http_minor > 0 || http_header_has(reader, "connection", "keep-alive");
}

void http_add_status(struct buffer *out, int status)
{
	buffer_print(out, "HTTP/1.1 %d %s\r\n", status, http_status_str((enum http_status)status));
}
