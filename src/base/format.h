/* SPDX-License-Identifier: MIT
 *
 * snprintf's little brother for the time between clone and execve: no malloc, no locale, no locks.
 * Not here: anything with floats, widths or precision.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/*
 * Formats into `buf`, always NUL-ended when `size` is not 0. Knows %s %d %u %x %c %% and the
 * lengths l, ll and z for numbers; copies anything else as it stands. Returns the length written,
 * without the NUL; a text that doesn't fit is cut.
 */
size_t format_safe_v(char *buf, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
size_t format_safe(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
