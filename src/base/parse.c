/* SPDX-License-Identifier: MIT */
#include "base/parse.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"

#define PID_LIMIT 4194304 /* include/linux/threads.h, PID_MAX_LIMIT on 64 bits */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* Takes the digits at `*at`, at least one. */
static int take_digits(const char **at, unsigned int base, uint64_t *ret)
{
	uint64_t n = 0;
	const char *start = *at;

	for (; digit_of(**at) < (int)base; (*at)++)
		if (__builtin_mul_overflow(n, (uint64_t)base, &n) ||
		    __builtin_add_overflow(n, (uint64_t)digit_of(**at), &n))
			return -ERANGE;
	if (*at == start)
		return -EINVAL;
	*ret = n;
	return 0;
}

int parse_base(const char *text, unsigned int base, uint64_t *ret)
{
	uint64_t n;
	int r;

	if (base == 16 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	r = take_digits(&text, base, &n);
	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	*ret = n;
	return 0;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t n;
	int r = parse_base(text, 10, &n);

	if (r < 0)
		return r;
	if (n < min || n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = text[0] == '-';
	uint64_t n;
	int64_t value;
	int r = parse_base(text + negative, 10, &n);

	if (r < 0)
		return r;
	if (n > (uint64_t)INT64_MAX)
		return -ERANGE;
	value = negative ? -(int64_t)n : (int64_t)n;
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_int(const char *text, int min, int max, int *ret)
{
	int64_t n;
	int r = parse_i64(text, min, max, &n);

	if (r < 0)
		return r;
	*ret = (int)n;
	return 0;
}

int parse_pid(const char *text, pid_t *ret)
{
	return parse_int(text, 1, PID_LIMIT, ret);
}

/* Digits, and more behind a point, of which three count; what is left comes back in `*at`. */
static int take_thousandths(const char **at, uint64_t *ret)
{
	uint64_t whole, part = 0;
	int r = take_digits(at, 10, &whole);

	if (r < 0)
		return r;
	if (**at == '.') {
		unsigned int weight = 100;

		if (digit_of(*++*at) >= 10)
			return -EINVAL;
		for (; digit_of(**at) < 10; (*at)++, weight /= 10)
			part += weight * (unsigned int)digit_of(**at);
	}
	if (whole > UINT64_MAX / 1000 - 1)
		return -ERANGE;
	*ret = whole * 1000 + part;
	return 0;
}

int parse_decimal(const char *text, uint64_t *ret_thousandths)
{
	uint64_t n;
	int r = take_thousandths(&text, &n);

	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	*ret_thousandths = n;
	return 0;
}

int parse_size(const char *text, uint64_t *ret)
{
	static const char suffixes[] = "kmgt";
	const char *at;
	uint64_t n;
	unsigned int shift = 0;
	int r = take_thousandths(&text, &n);

	if (r < 0)
		return r;
	at = *text ? strchr(suffixes, *text | 0x20) : NULL;
	if (at) {
		shift = 10 * (unsigned int)(at - suffixes + 1);
		text++;
		if ((*text | 0x20) == 'i' && (text[1] | 0x20) == 'b')
			text++;
	}
	if ((*text | 0x20) == 'b')
		text++;
	if (*text)
		return -EINVAL;
	unsigned __int128 bytes = ((unsigned __int128)n << shift) / 1000;
	if (bytes > INT64_MAX)
		return -ERANGE;
	*ret = (uint64_t)bytes;
	return 0;
}

int parse_duration(const char *text, uint64_t *ret_ms)
{
	static const struct {
		const char *suffix;
		uint64_t times, by;
	} units[] = {
		{"", 1, 1},   {"s", 1, 1},    {"ms", 1, 1000},
		{"m", 60, 1}, {"h", 3600, 1}, {"d", 86400, 1},
	};
	const char *whole = text;
	uint64_t n;
	int r = take_thousandths(&text, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ELEMENTS(units); i++) {
		unsigned __int128 ms = (unsigned __int128)n * units[i].times / units[i].by;

		if (strcmp(text, units[i].suffix) != 0)
			continue;
		if (ms > INT64_MAX / 2)
			return -ERANGE;
		/* Nothing at all isn't what a little of it means. */
		*ret_ms = ms || !strpbrk(whole, "123456789") ? (uint64_t)ms : 1;
		return 0;
	}
	return -EINVAL;
}
