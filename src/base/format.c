/* SPDX-License-Identifier: MIT */
#include "base/format.h"

#include <stdbool.h>
#include <stdint.h>

struct out {
	char *at;
	char *end; /* where the final NUL has to fit */
};

static void put(struct out *out, char c)
{
	if (out->at < out->end)
		*out->at++ = c;
}

static void put_text(struct out *out, const char *s)
{
	for (s = s ? s : "(null)"; *s; s++)
		put(out, *s);
}

static void put_number(struct out *out, uintmax_t n, unsigned int base)
{
	char digits[3 * sizeof(n)];
	size_t i = 0;

	do
		digits[i++] = "0123456789abcdef"[n % base];
	while ((n /= base));
	while (i > 0)
		put(out, digits[--i]);
}

static void put_signed(struct out *out, intmax_t n)
{
	if (n < 0)
		put(out, '-');
	put_number(out, n < 0 ? -(uintmax_t)n : (uintmax_t)n, 10);
}

/* How many `l` (z counts as one: size_t is as wide as long on every Linux). */
static int take_length(const char **f)
{
	int longs = 0;

	for (; **f == 'l' || **f == 'z'; (*f)++)
		longs++;
	return longs;
}

size_t format_safe_v(char *buf, size_t size, const char *format, va_list args)
{
	struct out out = {buf, buf + (size ? size - 1 : 0)};

	for (const char *f = format; *f; f++) {
		if (*f != '%') {
			put(&out, *f);
			continue;
		}
		const char *start = f++;
		int longs = take_length(&f);

		if (*f == 's')
			put_text(&out, va_arg(args, const char *));
		else if (*f == 'c')
			put(&out, (char)va_arg(args, int));
		else if (*f == 'd')
			put_signed(&out, longs > 1    ? va_arg(args, long long)
					 : longs == 1 ? va_arg(args, long)
						      : va_arg(args, int));
		else if (*f == 'u' || *f == 'x')
			put_number(&out,
				   longs > 1	? va_arg(args, unsigned long long)
				   : longs == 1 ? va_arg(args, unsigned long)
						: va_arg(args, unsigned int),
				   *f == 'x' ? 16 : 10);
		else if (*f == '%')
			put(&out, '%');
		else {
			put_text(&out, start);
			break;
		}
	}
	if (size)
		*out.at = '\0';
	return (size_t)(out.at - buf);
}

size_t format_safe(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	size_t n;

	va_start(args, format);
	n = format_safe_v(buf, size, format, args);
	va_end(args);
	return n;
}
