/* SPDX-License-Identifier: MIT */
#include "net/base64.h"

#include <errno.h>
#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_add(struct buffer *out, const char *data, size_t size)
{
	const unsigned char *at = (const unsigned char *)data;

	for (; size > 0; at += 3) {
		size_t n = size < 3 ? size : 3;
		uint32_t bits = (uint32_t)at[0] << 16;

		if (n > 1)
			bits |= (uint32_t)at[1] << 8;
		if (n > 2)
			bits |= at[2];
		buffer_add(out,
			   (const char[]){digits[bits >> 18], digits[bits >> 12 & 63],
					  n > 1 ? digits[bits >> 6 & 63] : '=',
					  n > 2 ? digits[bits & 63] : '='},
			   4);
		size -= n;
	}
}

/* 64: none. */
static uint32_t digit_of(enum base64_alphabet alphabet, char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0' + 52);
	if (c == (alphabet == BASE64_URL ? '-' : '+'))
		return 62;
	return c == (alphabet == BASE64_URL ? '_' : '/') ? 63 : 64;
}

int base64_decode(enum base64_alphabet alphabet, const char *text, size_t size, char *buf,
		  size_t *ret_size)
{
	uint32_t bits = 0;
	size_t have = 0, n = 0;

	if (alphabet == BASE64_PLAIN) {
		if (size % 4 != 0)
			return -EINVAL;
		for (int i = 0; i < 2 && size > 0 && text[size - 1] == '='; i++)
			size--;
	}
	for (size_t i = 0; i < size; i++) {
		uint32_t digit = digit_of(alphabet, text[i]);

		if (digit == 64)
			return -EINVAL;
		bits = (bits << 6 | digit) & 0xffffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf[n++] = (char)(bits >> have & 0xff);
		}
	}
	/* A digit that gives no byte, or bits that nobody would have written: another text for the same bytes. */
	if (have >= 6 || (bits & ((1U << have) - 1)))
		return -EINVAL;
	*ret_size = n;
	return 0;
}
