/* SPDX-License-Identifier: MIT */
#include "engine/json.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

/* By itself jansson would open /dev/urandom. All but the first seed of a process are without effect. */
static void seed(void)
{
	size_t value;

	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) == sizeof(value) && value)
		json_object_seed(value);
}

/* The digits at `at`, if they are a whole number within (INT64_MAX, UINT64_MAX]; else 0. */
static size_t big_number(const char *at, const char *end, uint64_t *ret)
{
	uint64_t value = 0;
	size_t n = 0;

	for (; at + n < end && isdigit((unsigned char)at[n]); n++)
		if (__builtin_mul_overflow(value, 10U, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(at[n] - '0'), &value))
			return 0;
	if (n == 0 || value <= INT64_MAX || (at + n < end && strchr(".eE", at[n])))
		return 0;
	*ret = value;
	return n;
}

/*
 * Copies the text with such numbers as negative ones of the same bits. A number has 19 digits at
 * least, and grows by one character at most.
 */
static char *wrap_big_numbers(const char *text, size_t size, size_t *ret_size)
{
	size_t room = size + size / 19 + 32, used = 0;
	char *copy = malloc(room);
	const char *end = text + size;
	bool quoted = false;
	char before = ' ';

	if (!copy)
		return NULL;
	while (text < end) {
		uint64_t value;
		size_t n = 0;

		if (!quoted && !isdigit((unsigned char)before) && !strchr("+-.eE", before))
			n = big_number(text, end, &value);
		if (n > 0) {
			used += (size_t)snprintf(copy + used, room - used, "%" PRId64,
						 (int64_t)value);
			text += n;
			before = '0';
			continue;
		}
		if (*text == '"' && !(quoted && before == '\\'))
			quoted = !quoted;
		/* A backslash that is itself escaped doesn't escape what follows. */
		before = quoted && before == '\\' ? ' ' : *text;
		copy[used++] = *text++;
	}
	*ret_size = used;
	return copy;
}

static int parse(const char *text, size_t size, size_t flags, json_t **ret, struct cj_error *err)
{
	_cleanup_free_ char *copy = NULL;
	_cleanup_json_ json_t *json = NULL;
	json_error_t error;

	if (size > JSON_TEXT_MAX)
		return cj_fail(err, EFBIG, "parse JSON of %zu bytes", size);
	seed();
	json = json_loadb(text, size, flags, &error);
	if (!json && json_error_code(&error) == json_error_numeric_overflow) {
		copy = wrap_big_numbers(text, size, &size);
		if (!copy)
			return cj_fail(err, ENOMEM, "parse JSON");
		json = json_loadb(copy, size, flags, &error);
	}
	if (!json)
		return cj_fail(err, EINVAL, "parse JSON, line %d: %s", error.line, error.text);
	if (!json_is_object(json))
		return cj_fail(err, EINVAL, "parse JSON: not an object");
	*ret = take_ptr(json);
	return 0;
}

int json_parse(const char *text, size_t size, json_t **ret, struct cj_error *err)
{
	return parse(text, size, 0, ret, err);
}

int json_parse_lenient(const char *text, size_t size, json_t **ret, struct cj_error *err)
{
	return parse(text, size, JSON_ALLOW_NUL, ret, err);
}

/* The blanks of JSON at `at`. */
static size_t skip_blanks(const char *text, size_t size, size_t at)
{
	while (at < size && text[at] && strchr(" \t\r\n", text[at]))
		at++;
	return at;
}

/* The object at `at`, and where it ends. */
static int visit_next(const char *text, size_t size, size_t *at, json_visit *visit, void *data,
		      struct cj_error *err)
{
	_cleanup_json_ json_t *json = NULL;
	size_t left = size - *at;
	json_error_t error;

	if (left > JSON_TEXT_MAX)
		left = JSON_TEXT_MAX;
	json = json_loadb(text + *at, left, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error);
	if (!json && left < size - *at &&
	    json_error_code(&error) == json_error_premature_end_of_input)
		return cj_fail(err, EFBIG, "parse JSON of more than %d bytes in one",
			       JSON_TEXT_MAX);
	if (!json)
		return cj_fail(err, EINVAL, "parse JSON, byte %zu: %s", *at, error.text);
	if (!json_is_object(json))
		return cj_fail(err, EINVAL, "parse JSON, byte %zu: not an object", *at);
	*at = skip_blanks(text, size, *at + (size_t)error.position);
	return visit(json, data);
}

int json_parse_list(const char *text, size_t size, json_visit *visit, void *data,
		    struct cj_error *err)
{
	size_t at = skip_blanks(text, size, 0);
	bool more;

	if (at == size || text[at] != '[')
		return cj_fail(err, EINVAL, "parse JSON: not a list");
	seed();
	at = skip_blanks(text, size, at + 1);
	more = at == size || text[at] != ']';
	while (more) {
		int r = visit_next(text, size, &at, visit, data, err);

		if (r != 0)
			return r;
		more = at < size && text[at] == ',';
		if (more)
			at = skip_blanks(text, size, at + 1);
	}
	if (at == size || text[at] != ']' || skip_blanks(text, size, at + 1) != size)
		return cj_fail(err, EINVAL, "parse JSON, byte %zu: no end of the list", at);
	return 0;
}

int json_u64(const json_t *value, uint64_t *ret)
{
	if (!json_is_integer(value))
		return -EINVAL;
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}
