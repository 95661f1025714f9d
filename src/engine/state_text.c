/* SPDX-License-Identifier: MIT */
#include "engine/state_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "engine/json.h"

/* libcontainer keeps what it doesn't need in labels, "bundle=/path" among them. */
static const char bundle_key[] = "bundle=";

/* --- as it's always written --- */

enum { MAX_DEPTH = 64 }; /* bits of `kinds` in skip_nested() */

/* RFC 8259; what isn't of use is skipped by its brackets and quotes. `at` never gets beyond `end`. */
struct scan {
	const char *at, *end;
	bool has_pid, has_start;
	struct state_text *found;
};

/* Between two quotes, as it stands there. */
struct word {
	const char *at;
	size_t length;
	bool escaped; /* there's a backslash in it */
};

static void skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
		scan->at++;
}

/* Is that the next character, after blanks? Then it's taken. */
static bool take(struct scan *scan, char c)
{
	skip_blanks(scan);
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

/* Behind the quote that begins a text: to behind the one that ends it. */
static bool take_rest_of_string(struct scan *scan, struct word *ret)
{
	const char *at = scan->at, *end = scan->end;

	*ret = (struct word){.at = at};
	for (; at < end && *at != '"'; at++) {
		if ((unsigned char)*at < ' ')
			return false;
		if (*at == '\\') {
			ret->escaped = true;
			if (++at == end)
				return false;
		}
	}
	if (at >= end)
		return false;
	ret->length = (size_t)(at - scan->at);
	scan->at = at + 1;
	return true;
}

static bool take_string(struct scan *scan, struct word *ret)
{
	return take(scan, '"') && take_rest_of_string(scan, ret);
}

static bool word_is(const struct word *word, const char *text)
{
	return !word->escaped && word->length == strlen(text) &&
	       memcmp(word->at, text, word->length) == 0;
}

/* A whole number, and the end of it. */
static bool take_number(struct scan *scan, uint64_t *ret)
{
	uint64_t value = 0;
	const char *begin;

	skip_blanks(scan);
	begin = scan->at;
	for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9'; scan->at++)
		if (__builtin_mul_overflow(value, 10U, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*scan->at - '0'), &value))
			return false;
	if (scan->at == begin || (*begin == '0' && scan->at - begin > 1))
		return false;
	skip_blanks(scan);
	if (scan->at == scan->end || (*scan->at != ',' && *scan->at != '}'))
		return false;
	*ret = value;
	return true;
}

/* Takes the value of a member, or an item; `key` is NULL for that. */
typedef bool (*take_fn)(struct scan *scan, const struct word *key);

/* "{…}" or "[…]" */
static bool take_all(struct scan *scan, char open, take_fn fn)
{
	char close = open == '{' ? '}' : ']';
	struct word key;

	if (!take(scan, open))
		return false;
	if (take(scan, close))
		return true;
	do {
		if (open == '{' && (!take_string(scan, &key) || !take(scan, ':')))
			return false;
		if (!fn(scan, open == '{' ? &key : NULL))
			return false;
	} while (take(scan, ','));
	return take(scan, close);
}

/* An object or a list, whatever is in it. */
static bool skip_nested(struct scan *scan)
{
	unsigned int depth = 0;
	uint64_t kinds = 0; /* of the brackets that are open: 1 is an object */
	struct word word;

	while (scan->at < scan->end) {
		char c = *scan->at++;

		if (c == '"') {
			if (!take_rest_of_string(scan, &word))
				return false;
		} else if (c == '{' || c == '[') {
			if (++depth > MAX_DEPTH)
				return false;
			kinds = kinds << 1 | (c == '{');
		} else if (c == '}' || c == ']') {
			if ((kinds & 1) != (c == '}'))
				return false;
			kinds >>= 1;
			if (--depth == 0)
				return true;
		}
	}
	return false;
}

/* A number of any kind, true, false, null: which one is of no use here. */
static bool skip_plain(struct scan *scan)
{
	const char *begin = scan->at;

	while (scan->at < scan->end && *scan->at && strchr("0123456789+-.eEtrufalsn", *scan->at))
		scan->at++;
	return scan->at > begin;
}

static bool skip_value(struct scan *scan)
{
	struct word word;

	skip_blanks(scan);
	if (scan->at == scan->end)
		return false;
	if (*scan->at == '"')
		return take_string(scan, &word);
	return *scan->at == '{' || *scan->at == '[' ? skip_nested(scan) : skip_plain(scan);
}

static bool take_label(struct scan *scan, const struct word *key)
{
	size_t length = strlen(bundle_key), same = 0;
	char *bundle = scan->found->bundle;
	struct word word;

	(void)key;
	if (!take_string(scan, &word))
		return false;
	while (same < length && same < word.length && word.at[same] == bundle_key[same])
		same++;
	if (*bundle || (same < length && (same == word.length || word.at[same] != '\\')))
		return true;
	/* An escape within it is for the parser. */
	if (word.escaped || word.length - length >= PATH_MAX)
		return false;
	memcpy(bundle, word.at + length, word.length - length);
	bundle[word.length - length] = '\0';
	return true;
}

static bool take_config(struct scan *scan, const struct word *key)
{
	if (key->escaped)
		return false;
	return word_is(key, "labels") ? take_all(scan, '[', take_label) : skip_value(scan);
}

static bool take_member(struct scan *scan, const struct word *key)
{
	if (key->escaped)
		return false; /* it may spell one of ours, for the parser */
	if (word_is(key, "init_process_pid"))
		return scan->has_pid = take_number(scan, &scan->found->pid);
	if (word_is(key, "init_process_start"))
		return scan->has_start = take_number(scan, &scan->found->start);
	return word_is(key, "config") ? take_all(scan, '{', take_config) : skip_value(scan);
}

int state_text_scan(const char *text, size_t size, struct state_text *ret)
{
	struct state_text found = {.bundle = ""};
	struct scan scan = {text, text + size, .found = &found};

	if (!take_all(&scan, '{', take_member))
		return -EINVAL;
	skip_blanks(&scan);
	if (scan.at != scan.end || !scan.has_pid || !scan.has_start)
		return -EINVAL;
	*ret = found;
	return 0;
}

/* --- any other way --- */

static const char *find_bundle(const json_t *json)
{
	const json_t *labels = json_object_get(json_object_get(json, "config"), "labels");

	for (size_t i = 0; i < json_array_size(labels); i++) {
		const char *label = json_string_value(json_array_get(labels, i));

		if (label && strncmp(label, bundle_key, strlen(bundle_key)) == 0)
			return label + strlen(bundle_key);
	}
	return "";
}

static int parse(const char *text, size_t size, struct state_text *ret)
{
	_cleanup_json_ json_t *json = NULL;
	struct state_text found;
	const char *bundle;
	int r = json_parse(text, size, &json, NULL);

	if (r < 0)
		return r;
	bundle = find_bundle(json);
	if (json_u64(json_object_get(json, "init_process_pid"), &found.pid) < 0 ||
	    json_u64(json_object_get(json, "init_process_start"), &found.start) < 0 ||
	    snprintf(found.bundle, sizeof(found.bundle), "%s", bundle) >= (int)sizeof(found.bundle))
		return -EINVAL;
	*ret = found;
	return 0;
}

int state_text_read(const char *text, size_t size, struct state_text *ret)
{
	int r = state_text_scan(text, size, ret);

	return r < 0 ? parse(text, size, ret) : 0;
}
