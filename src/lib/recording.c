/* SPDX-License-Identifier: MIT */
#include "lib/recording.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/options.h"
#include "lib/session_state.h"

enum { LINE = 16384, END = 8, COLUMNS = 80, ROWS = 24 };

/* A character that isn't whole yet: the bytes so far, and what the next one has to be. */
struct character {
	char bytes[4];
	size_t n, missing;
	unsigned char low, high;
};

struct cj_recording {
	int fd;
	bool input;
	int failure;
	uint64_t written, limit; /* bytes of the file: until now, and at most */
	struct timespec begin;
	unsigned short columns, rows;
	struct character typed, shown; /* of both streams, between two reads */
	char kind;		       /* of the event in the line; 0: it's none */
	size_t n, head;		       /* bytes of the line, and before its text */
	char line[LINE];
};

struct cj_recording *recording_of(const struct cj_session_options *options)
{
	return SESSION_HAS(options, recording) ? options->recording : NULL;
}

/*
 * Whole lines or nothing: what is left of one that failed is taken back. Beyond the limit the kernel would send
 * SIGXFSZ as well, which a session passes on. setrlimit(2)
 */
static void write_line(struct cj_recording *recording)
{
	int r = recording->n > recording->limit - recording->written ? -EFBIG : 0;

	if (r == 0)
		r = io_write_all(recording->fd, recording->line, recording->n);
	if (r < 0) {
		recording->failure = -r;
		(void)ftruncate(recording->fd, (off_t)recording->written);
	} else {
		recording->written += recording->n;
	}
	recording->n = 0;
}

static void put(struct cj_recording *recording, const char *text, size_t size)
{
	memcpy(recording->line + recording->n, text, size);
	recording->n += size;
}

/* Of what fits: numbers and few words. */
__attribute__((format(printf, 2, 3))) static void put_text(struct cj_recording *recording,
							   const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(recording->line + recording->n, LINE - recording->n, format, args);
	va_end(args);
	recording->n += (size_t)n;
}

/* Microseconds since the beginning. */
static uint64_t now(const struct cj_recording *recording)
{
	struct timespec at;
	int64_t us;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	us = (int64_t)(at.tv_sec - recording->begin.tv_sec) * 1000000 +
	     (at.tv_nsec - recording->begin.tv_nsec) / 1000;
	return us > 0 ? (uint64_t)us : 0;
}

static void begin_event(struct cj_recording *recording, char kind)
{
	uint64_t us = now(recording);

	recording->n = 0;
	recording->kind = kind;
	put_text(recording, "[%llu.%06u, \"%c\", \"", (unsigned long long)(us / 1000000),
		 (unsigned int)(us % 1000000), kind);
	recording->head = recording->n;
}

static void end_event(struct cj_recording *recording)
{
	if (recording->n > recording->head) {
		put(recording, "\"]\n", 3);
		write_line(recording);
	}
	recording->n = 0;
	recording->kind = 0;
}

/* A line that is full ends, and another begins. */
static void make_room(struct cj_recording *recording)
{
	char kind = recording->kind;

	if (!kind || recording->n <= LINE - 2 * END)
		return;
	end_event(recording);
	begin_event(recording, kind);
}

/* One character, or what stands for one, as JSON has it in a string. RFC 8259, 7 */
static void put_character(struct cj_recording *recording, const char *bytes, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char byte = (unsigned char)bytes[0];

	if (byte == '"' || byte == '\\') {
		const char escaped[] = {'\\', bytes[0]};

		put(recording, escaped, sizeof(escaped));
	} else if (byte < 0x20) {
		const char escaped[] = {'\\', 'u', '0', '0', byte < 16 ? '0' : '1', hex[byte & 15]};

		put(recording, escaped, sizeof(escaped));
	} else {
		put(recording, bytes, n);
	}
	make_room(recording);
}

static void put_unknown(struct cj_recording *recording)
{
	put_character(recording, "\xef\xbf\xbd", 3); /* U+FFFD */
}

/* The first byte says how many follow, and within which bounds the second is. The Unicode Standard, table 3-7 */
static bool begin_character(struct character *c, unsigned char byte)
{
	if (byte < 0x80)
		c->missing = 0;
	else if (byte >= 0xc2 && byte <= 0xf4)
		c->missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
	else
		return false;
	c->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
	c->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
	c->bytes[0] = (char)byte;
	c->n = 1;
	return true;
}

/* What was begun will never be whole. */
static void give_up(struct cj_recording *recording, struct character *c)
{
	if (c->n > 0)
		put_unknown(recording);
	c->n = c->missing = 0;
}

static void put_byte(struct cj_recording *recording, struct character *c, unsigned char byte)
{
	if (c->n > 0 && byte >= c->low && byte <= c->high) {
		c->bytes[c->n++] = (char)byte;
		c->missing--;
		c->low = 0x80;
		c->high = 0xbf;
	} else {
		give_up(recording, c);
		if (!begin_character(c, byte)) {
			put_unknown(recording);
			return;
		}
	}
	if (c->missing == 0) {
		put_character(recording, c->bytes, c->n);
		c->n = 0;
	}
}

/* Most of what terminals show: written as it is. */
static size_t plain_length(const char *data, size_t size)
{
	size_t n = 0;

	while (n < size && data[n] >= 0x20 && data[n] < 0x7f && data[n] != '"' && data[n] != '\\')
		n++;
	return n;
}

static void put_bytes(struct cj_recording *recording, struct character *c, const char *data,
		      size_t size)
{
	for (size_t i = 0; i < size && !recording->failure;) {
		size_t plain = c->n == 0 ? plain_length(data + i, size - i) : 0;
		size_t room = LINE - END - recording->n;

		if (plain > 0 && room > 0) {
			plain = plain < room ? plain : room;
			put(recording, data + i, plain);
			make_room(recording);
			i += plain;
		} else {
			put_byte(recording, c, (unsigned char)data[i++]);
		}
	}
}

static void put_event(struct cj_recording *recording, char kind, struct character *c,
		      const char *data, size_t size)
{
	begin_event(recording, kind);
	put_bytes(recording, c, data, size);
	end_event(recording);
}

void recording_output(struct cj_recording *recording, const char *data, size_t size)
{
	if (recording && !recording->failure)
		put_event(recording, 'o', &recording->shown, data, size);
}

void recording_input(struct cj_recording *recording, const char *data, size_t size)
{
	if (recording && !recording->failure && recording->input)
		put_event(recording, 'i', &recording->typed, data, size);
}

void recording_resize(struct cj_recording *recording, unsigned short columns, unsigned short rows)
{
	if (!recording || recording->failure || !columns || !rows ||
	    (columns == recording->columns && rows == recording->rows))
		return;
	recording->columns = columns;
	recording->rows = rows;
	begin_event(recording, 'r');
	put_text(recording, "%ux%u", columns, rows);
	end_event(recording);
}

static void put_string(struct cj_recording *recording, const char *text, size_t size)
{
	struct character c = {.n = 0};

	put(recording, "\"", 1);
	/* The environment is the caller's: one that doesn't fit is cut. */
	put_bytes(recording, &c, text, size < LINE / 64 ? size : LINE / 64);
	give_up(recording, &c);
	put(recording, "\"", 1);
}

static void put_env(struct cj_recording *recording, const char *const *env)
{
	static const char first[] = ", \"env\": {";
	const char *before = first;

	for (const char *const *at = env; at && *at && recording->n < LINE / 2; at++) {
		const char *equals = strchr(*at, '=');

		if (!equals)
			continue;
		put(recording, before, strlen(before));
		put_string(recording, *at, (size_t)(equals - *at));
		put(recording, ": ", 2);
		put_string(recording, equals + 1, strlen(equals + 1));
		before = ", ";
	}
	if (before != first)
		put(recording, "}", 1);
}

static void put_header(struct cj_recording *recording, const struct cj_recording_options *options)
{
	recording->columns = options->columns ?: COLUMNS;
	recording->rows = options->rows ?: ROWS;
	put_text(recording, "{\"version\": 2, \"width\": %u, \"height\": %u, \"timestamp\": %llu",
		 recording->columns, recording->rows, (unsigned long long)time(NULL));
	put_env(recording, options->env);
	put(recording, "}\n", 2);
	write_line(recording);
}

static int prepare(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

int cj_recording_new(const struct cj_recording_options *options, struct cj_recording **ret,
		     struct cj_error *err)
{
	struct cj_recording_options own = CJ_RECORDING_OPTIONS_INIT;
	struct cj_recording *recording;
	struct rlimit limit;
	int r = options_take(options, &own, sizeof(own), "recording options", err);

	if (r < 0)
		return r;
	r = prepare(own.fd);
	if (r < 0)
		return cj_fail(err, -r, "begin a recording");
	recording = calloc(1, sizeof(*recording));
	if (!recording)
		return cj_fail(err, ENOMEM, "begin a recording");
	recording->fd = own.fd;
	recording->input = own.input;
	recording->limit = getrlimit(RLIMIT_FSIZE, &limit) < 0 ? RLIM_INFINITY : limit.rlim_cur;
	(void)clock_gettime(CLOCK_MONOTONIC, &recording->begin);
	put_header(recording, &own);
	r = recording->failure;
	if (r) {
		free(recording);
		return cj_fail(err, r, "begin a recording");
	}
	*ret = recording;
	return 0;
}

int cj_recording_failure(const struct cj_recording *recording)
{
	return recording->failure;
}

/* The rest of a character that never came. */
static void end_stream(struct cj_recording *recording, char kind, struct character *c)
{
	if (c->n == 0 || recording->failure)
		return;
	begin_event(recording, kind);
	give_up(recording, c);
	end_event(recording);
}

void cj_recording_free(struct cj_recording *recording)
{
	if (!recording)
		return;
	end_stream(recording, 'i', &recording->typed);
	end_stream(recording, 'o', &recording->shown);
	close_fd(&recording->fd);
	free(recording);
}
