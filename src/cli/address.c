/* SPDX-License-Identifier: MIT */
#include "cli/address.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static bool has_scheme(const char *text)
{
	static const char *const schemes[] = {"tcp:", "tcp4:", "tcp6:", "unix:"};

	for (size_t i = 0; i < ELEMENTS(schemes); i++)
		if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

bool address_complete(const char *text, char ret[CJ_ADDRESS_SIZE])
{
	const char *scheme = has_scheme(text)			? ""
			     : text[0] == '/' || text[0] == '@' ? "unix:"
								: "tcp:";
	int n = snprintf(ret, CJ_ADDRESS_SIZE, "%s%s", scheme, text);

	return n >= 0 && n < CJ_ADDRESS_SIZE;
}
