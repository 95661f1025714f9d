/* SPDX-License-Identifier: MIT */
#include <conjoin/error.h>

#include <stdarg.h>

#include "base/format.h"

int cj_fail(struct cj_error *err, int code, const char *format, ...)
{
	va_list args;

	if (err && err->code == 0) {
		err->code = code;
		va_start(args, format);
		(void)format_safe_v(err->text, sizeof(err->text), format, args);
		va_end(args);
	}
	return -code;
}

void cj_hint(struct cj_error *err, const char *format, ...)
{
	va_list args;

	if (!err || err->hint[0])
		return;
	va_start(args, format);
	(void)format_safe_v(err->hint, sizeof(err->hint), format, args);
	va_end(args);
}
