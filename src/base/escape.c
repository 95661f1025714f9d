/* SPDX-License-Identifier: MIT */
#include "base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The length of the UTF-8 sequence at `at` and its code point; 0: not UTF-8. RFC 3629 */
static size_t decode(const unsigned char *at, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = at[0] < 0x80		 ? 1
			: (at[0] & 0xe0) == 0xc0 ? 2
			: (at[0] & 0xf0) == 0xe0 ? 3
			: (at[0] & 0xf8) == 0xf0 ? 4
						 : 0;
	uint32_t code;

	if (length == 0)
		return 0;
	code = length == 1 ? at[0] : at[0] & (0xffU >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80) /* the final NUL as well */
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret = code;
	return length;
}

static bool is_harmless(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		return false;
	/* U+2028 and U+2029 end lines; the others have Unicode's property Bidi_Control. */
	return !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069) &&
	       code != 0x061c && code != 0x200e && code != 0x200f;
}

size_t text_escape(char *buf, size_t size, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *at = (const unsigned char *)text;
	size_t n = 0;

	while (*at) {
		uint32_t code = 0;
		size_t length = decode(at, &code);
		bool plain = length > 0 && is_harmless(code);
		size_t bytes = length ? length : 1;

		if (n + (plain ? bytes : 4 * bytes) >= size)
			break;
		if (plain) {
			memcpy(buf + n, at, bytes);
			n += bytes;
		}
		for (size_t i = 0; i < bytes && !plain; i++) {
			buf[n++] = '\\';
			buf[n++] = 'x';
			buf[n++] = hex[at[i] >> 4];
			buf[n++] = hex[at[i] & 15];
		}
		at += bytes;
	}
	if (size)
		buf[n] = '\0';
	return n;
}
