/* SPDX-License-Identifier: MIT */
#include "lib/options.h"

#include <errno.h>
#include <string.h>

int options_take(const void *options, void *ret, size_t size, const char *what,
		 struct cj_error *err)
{
	const char *bytes = options;
	size_t theirs = *(const size_t *)options;

	for (size_t i = size; i < theirs; i++)
		if (bytes[i])
			return cj_fail(err, EINVAL, "%s that this library doesn't know", what);
	memcpy(ret, options, theirs < size ? theirs : size);
	return 0;
}
