/* SPDX-License-Identifier: MIT
 *
 * Numbers and small grammars, strict: the whole text or nothing. "123abc" is not 123, " 1" and "+1"
 * aren't numbers, and nothing wraps.
 * Not here: what a number means.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Decimal. EINVAL: not a number. ERANGE: not within [min, max]. */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret);
int parse_int(const char *text, int min, int max, int *ret);

/* Octal or hexadecimal digits without a prefix; an "0x" is taken in base 16. */
int parse_base(const char *text, unsigned int base, uint64_t *ret);

/* 1 … PID_MAX_LIMIT (4194304). EINVAL or ERANGE. */
int parse_pid(const char *text, pid_t *ret);

/* "512", "64k", "1.5G": bytes, with a binary suffix (k m g t, either case, a "b" or "ib" behind). */
int parse_size(const char *text, uint64_t *ret);

/* "10", "1.5s", "500ms", "2m", "1h", "1d": milliseconds, rounded down, but not to 0; seconds without a suffix. */
int parse_duration(const char *text, uint64_t *ret_ms);

/* "0.5", "2": thousandths, rounded down. */
int parse_decimal(const char *text, uint64_t *ret_thousandths);
