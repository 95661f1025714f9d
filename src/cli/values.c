/* SPDX-License-Identifier: MIT */
#include "cli/values.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

int value_duration(struct cli *cli, const char *option, const char *text, int64_t *ret_ms)
{
	uint64_t ms;

	if (!text)
		return 0;
	if (parse_duration(text, &ms) < 0 || ms == 0)
		return cli_usage(cli, "%s \"%s\" (a number above 0, with ms, s, m, h or d)", option,
				 text);
	*ret_ms = (int64_t)ms;
	return 0;
}

int value_number(struct cli *cli, const char *option, const char *text, size_t *ret)
{
	uint64_t number;

	if (!text)
		return 0;
	if (parse_u64(text, 1, INT_MAX, &number) < 0)
		return cli_usage(cli, "%s \"%s\" (a number above 0)", option, text);
	*ret = (size_t)number;
	return 0;
}

int value_mode(struct cli *cli, const char *text, unsigned int *ret)
{
	uint64_t mode;

	if (!text)
		return 0;
	if (parse_base(text, 8, &mode) < 0 || mode > 0777 || mode == 0)
		return cli_usage(cli, "--mode \"%s\" (octal, 1 to 777)", text);
	*ret = (unsigned int)mode;
	return 0;
}

int value_resolve(struct cli *cli, const char *text, enum cj_resolve *ret)
{
	(void)unsetenv("LOCALDOMAIN");
	(void)unsetenv("RES_OPTIONS");
	if (!text)
		return 0;
	if (strcmp(text, "target") != 0 && strcmp(text, "here") != 0)
		return cli_usage(cli, "--resolve \"%s\" (target or here)", text);
	*ret = strcmp(text, "here") == 0 ? CJ_RESOLVE_HERE : CJ_RESOLVE_TARGET;
	return 0;
}
