/* SPDX-License-Identifier: MIT */
#include "net/utf8.h"

enum { REPLACEMENT = 0xfffd };

/* What a first byte asks for: how many bytes, and within what the second has to be. Unicode 15, table 3-7. */
struct form {
	size_t length; /* 0: nothing begins so */
	unsigned char low, high;
};

static struct form form_of(unsigned char first)
{
	if (first < 0x80)
		return (struct form){1, 0, 0};
	if (first < 0xc2 || first > 0xf4)
		return (struct form){0, 0, 0};
	if (first < 0xe0)
		return (struct form){2, 0x80, 0xbf};
	if (first < 0xf0) /* neither overlong nor a surrogate */
		return (struct form){3, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf};
	return (struct form){4, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf};
}

/* How many bytes at `at` belong together; the character is whole if `*ret` says so. */
static size_t take(const unsigned char *at, size_t size, bool *ret_whole)
{
	struct form form = form_of(at[0]);
	size_t n = 1;

	for (; n < form.length && n < size; n++)
		if (at[n] < (n == 1 ? form.low : 0x80) || at[n] > (n == 1 ? form.high : 0xbf))
			break;
	*ret_whole = n == form.length;
	return n;
}

size_t utf8_decode(const char *at, size_t size, uint32_t *ret)
{
	const unsigned char *bytes = (const unsigned char *)at;
	bool whole;
	size_t n = take(bytes, size, &whole);
	uint32_t code = n == 1 ? bytes[0] : bytes[0] & (0xffU >> (n + 1));

	if (!whole)
		return 0;
	for (size_t i = 1; i < n; i++)
		code = code << 6 | (bytes[i] & 0x3f);
	*ret = code;
	return n;
}

bool utf8_is_valid(const char *data, size_t size)
{
	bool whole = true;

	for (size_t i = 0; i < size && whole;)
		i += take((const unsigned char *)data + i, size - i, &whole);
	return whole;
}

size_t utf8_cut(const char *data, size_t size, size_t limit)
{
	if (size <= limit)
		return size;
	/* A character has three bytes behind its first one at most; what isn't UTF-8 is cut anywhere. */
	for (size_t back = 0; back < 4 && back < limit; back++)
		if (((unsigned char)data[limit - back] & 0xc0) != 0x80)
			return limit - back;
	return limit;
}

static void add_escape(struct buffer *out, uint32_t code)
{
	static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";

	for (size_t i = 0; i + 1 < sizeof(shorts); i += 2)
		if (code == (unsigned char)shorts[i]) {
			buffer_add(out, (const char[]){'\\', shorts[i + 1]}, 2);
			return;
		}
	if (code >= 0x10000)
		buffer_print(out, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
			     0xdc00 + ((code - 0x10000) & 0x3ff));
	else
		buffer_print(out, "\\u%04x", code);
}

static bool is_plain(uint32_t code, enum json_charset charset)
{
	if (code < 0x20 || code == '"' || code == '\\' || code == 0x7f)
		return false;
	return code < 0x80 || charset == JSON_UTF8;
}

void json_add_string(struct buffer *out, const char *data, size_t size, enum json_charset charset)
{
	size_t plain = 0; /* from here on nothing was added yet */

	buffer_add_text(out, "\"");
	for (size_t i = 0; i < size;) {
		uint32_t code = REPLACEMENT;
		bool whole;
		size_t n = take((const unsigned char *)data + i, size - i, &whole);

		if (whole)
			(void)utf8_decode(data + i, n, &code);
		if (!whole || !is_plain(code, charset)) {
			buffer_add(out, data + plain, i - plain);
			if (!whole && charset == JSON_UTF8)
				buffer_add_text(out, "\xef\xbf\xbd");
			else
				add_escape(out, code);
			plain = i + n;
		}
		i += n;
	}
	if (plain < size) /* not even 0 may be added to NULL */
		buffer_add(out, data + plain, size - plain);
	buffer_add_text(out, "\"");
}
