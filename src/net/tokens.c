/* SPDX-License-Identifier: MIT */
#include "net/tokens.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "net/bearer.h"

struct token {
	char text[TOKEN_SIZE_MAX + 1]; /* zeros behind it: all of them are compared */
	uint32_t length;
	char name[TOKEN_NAME_MAX + 1];
};

void tokens_done(struct tokens *tokens)
{
	if (tokens->items)
		explicit_bzero(tokens->items, tokens->n * sizeof(tokens->items[0]));
	free(tokens->items);
	*tokens = (struct tokens)TOKENS_INIT;
}

const char *tokens_first(const struct tokens *tokens)
{
	return tokens->n ? tokens->items[0].text : NULL;
}

/* --- the file --- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next word of a line, whose end is `end`; "" at the end. */
static const char *next_word(const char **at, const char *end, size_t *ret_size)
{
	const char *start;

	while (*at < end && is_blank(**at))
		(*at)++;
	start = *at;
	while (*at < end && !is_blank(**at))
		(*at)++;
	*ret_size = (size_t)(*at - start);
	return start;
}

static bool is_name(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return size > 0 && size <= TOKEN_NAME_MAX;
}

/* One line, which holds a token: the error must not show it. */
static int parse_token(const char *line, const char *end, unsigned int number, struct token *ret,
		       struct cj_error *err)
{
	size_t name_size, size, rest;
	const char *name = next_word(&line, end, &name_size);
	const char *text = next_word(&line, end, &size);

	(void)next_word(&line, end, &rest);
	if (rest > 0)
		return cj_fail(err, EINVAL, "line %u: more than NAME and TOKEN", number);
	if (size == 0) {
		text = name;
		size = name_size;
		name_size = 0;
	} else if (!is_name(name, name_size)) {
		return cj_fail(err, EINVAL, "line %u: the name isn't 1 to %d printable characters",
			       number, TOKEN_NAME_MAX);
	}
	if (size > TOKEN_SIZE_MAX)
		return cj_fail(err, EINVAL, "line %u: the token has more than %d characters",
			       number, TOKEN_SIZE_MAX);
	if (!bearer_is_token(text, size))
		return cj_fail(err, EINVAL,
			       "line %u: a token consists of letters, digits and -._~+/ (and = at "
			       "its end)",
			       number);
	*ret = (struct token){.length = (uint32_t)size};
	memcpy(ret->text, text, size);
	memcpy(ret->name, name, name_size);
	return 0;
}

static int add_line(struct tokens *tokens, const char *line, const char *end, unsigned int number,
		    struct cj_error *err)
{
	struct token *one = &tokens->items[tokens->n];
	int r;

	if (end > line && end[-1] == '\r')
		end--;
	while (line < end && is_blank(*line))
		line++;
	if (line == end || *line == '#')
		return 0;
	if (tokens->n == TOKENS_MAX)
		return cj_fail(err, EINVAL, "line %u: more than %d tokens", number, TOKENS_MAX);
	r = parse_token(line, end, number, one, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < tokens->n; i++)
		if (strcmp(tokens->items[i].text, one->text) == 0)
			return cj_fail(err, EINVAL,
				       "line %u: the token is there already: whose is it", number);
	tokens->n++;
	return 0;
}

/* The array with just the room that's needed: realloc(3) would leave tokens behind in what it frees. */
static int shrink(struct tokens *tokens)
{
	size_t n = tokens->n;
	struct token *items;

	assert(n > 0);
	items = calloc(n, sizeof(*items));
	if (!items)
		return -ENOMEM;
	memcpy(items, tokens->items, n * sizeof(*items));
	tokens->n = TOKENS_MAX + 1; /* to be wiped */
	tokens_done(tokens);
	*tokens = (struct tokens){.items = items, .n = n};
	return 0;
}

int tokens_parse(struct tokens *tokens, const char *text, size_t size, struct cj_error *err)
{
	_cleanup_(tokens_done) struct tokens read = TOKENS_INIT;
	const char *end = text + size;
	int r = 0;

	read.items = calloc(TOKENS_MAX + 1, sizeof(struct token)); /* and one that is refused */
	if (!read.items)
		return cj_fail(err, ENOMEM, "keep tokens");
	for (unsigned int number = 1; r == 0 && text < end; number++) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		r = add_line(&read, text, stop ? stop : end, number, err);
		text = stop ? stop + 1 : end;
	}
	if (r == 0 && read.n == 0)
		r = cj_fail(err, ENODATA, "there is no token in it");
	if (r == 0 && shrink(&read) < 0)
		r = cj_fail(err, ENOMEM, "keep tokens");
	if (r < 0) {
		read.n = read.items ? TOKENS_MAX + 1 : 0;
		return r;
	}
	tokens_done(tokens);
	*tokens = read;
	read = (struct tokens)TOKENS_INIT;
	return 0;
}

/* As io_read_all(), but nothing is left behind in memory that was outgrown. */
static ssize_t read_whole(int fd, char *buf, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = io_read(fd, buf + got, size - got);

		if (n <= 0)
			return n < 0 ? n : (ssize_t)got;
		got += (size_t)n;
	}
	return -EFBIG;
}

int tokens_load(struct tokens *tokens, const char *path, bool *ret_exposed, struct cj_error *err)
{
	const size_t room = TOKENS_FILE_MAX + 1;
	/* A FIFO would wait for a writer, a terminal could become ours. */
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *text = NULL;
	struct cj_error why = CJ_ERROR_INIT;
	struct stat st;
	ssize_t n;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return cj_fail(err, errno, "open token file %s", path);
	if (!S_ISREG(st.st_mode))
		return cj_fail(err, EINVAL, "token file %s: not a regular file", path);
	text = malloc(room);
	if (!text)
		return cj_fail(err, ENOMEM, "read token file %s", path);
	n = read_whole(fd, text, room);
	r = n < 0 ? (int)n : tokens_parse(tokens, text, (size_t)n, &why);
	if (text) /* it is; a sanitizing gcc doesn't see that */
		explicit_bzero(text, room);
	if (n < 0)
		return cj_fail(err, -r, "read token file %s", path);
	if (r < 0)
		return cj_fail(err, -r, "token file %s: %s", path, why.text);
	*ret_exposed = (st.st_mode & 077) != 0;
	return 0;
}

/* --- the comparison --- */

/*
 * All ones if both are the same, else zero. Every byte of the room is looked at, whatever the lengths are, and nothing
 * branches on what is found: neither how much of it is right nor how long the right one is shows in the time.
 */
static uint32_t same(const struct token *one, const char *candidate, size_t length)
{
	uint32_t differs = one->length ^ (uint32_t)length;
	uint32_t high = (uint32_t)((uint64_t)length >> 32);

	differs |= high;
	for (size_t i = 0; i < TOKEN_SIZE_MAX; i++)
		differs |= (unsigned char)one->text[i] ^ (unsigned char)candidate[i];
	/* The compiler mustn't know that this is nothing but a question. */
	__asm__("" : "+r"(differs));
	return (uint32_t)(((uint64_t)differs - 1) >> 32);
}

const char *tokens_check(const struct tokens *tokens, const char *candidate, size_t length)
{
	char padded[TOKEN_SIZE_MAX] = "";
	uintptr_t found = 0;

	memcpy(padded, candidate, length < sizeof(padded) ? length : sizeof(padded));
	for (size_t i = 0; i < tokens->n;
	     i++) { /* all of them: which one it was doesn't show either */
		const struct token *one = &tokens->items[i];
		uintptr_t mask = (uintptr_t)(intptr_t)(int32_t)same(one, padded, length);

		found |= mask & (uintptr_t)one->name;
	}
	explicit_bzero(padded, sizeof(padded));
	return (const char *)found;
}
