/* SPDX-License-Identifier: MIT */
#include "cli/signals.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/parse.h"

enum { PLAIN_SIGNALS = 31 };

/* Other names that kill(1) knows. signal(7) */
static const struct {
	const char *name;
	int number;
} synonyms[] = {{"CLD", SIGCHLD}, {"IOT", SIGABRT}, {"POLL", SIGIO}, {"UNUSED", SIGSYS}};

/* "RTMIN+3", "RTMAX-2", from `base` on. -1: it isn't that. */
static int parse_realtime(const char *text, const char *name, int base, char sign)
{
	size_t length = strlen(name);
	int offset;

	if (strncasecmp(text, name, length) != 0)
		return -1;
	if (!text[length])
		return base;
	if (text[length] != sign ||
	    parse_int(text + length + 1, 0, SIGRTMAX - SIGRTMIN, &offset) < 0)
		return -1;
	return sign == '+' ? base + offset : base - offset;
}

int signal_parse(const char *text)
{
	int number;

	if (isdigit((unsigned char)text[0]))
		return parse_int(text, 0, SIGRTMAX, &number) < 0 ? -1 : number;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int i = 1; i <= PLAIN_SIGNALS; i++)
		if (sigabbrev_np(i) && strcasecmp(text, sigabbrev_np(i)) == 0)
			return i;
	for (size_t i = 0; i < ELEMENTS(synonyms); i++)
		if (strcasecmp(text, synonyms[i].name) == 0)
			return synonyms[i].number;
	number = parse_realtime(text, "RTMIN", SIGRTMIN, '+');
	return number < 0 ? parse_realtime(text, "RTMAX", SIGRTMAX, '-') : number;
}

void signal_name(int number, char *buf, size_t size)
{
	if (number <= PLAIN_SIGNALS && sigabbrev_np(number))
		(void)snprintf(buf, size, "%s", sigabbrev_np(number));
	else
		(void)snprintf(buf, size, "RTMIN+%d", number - SIGRTMIN);
}

int signals_list(const struct cli *cli)
{
	for (int i = 1; i <= PLAIN_SIGNALS; i++)
		if (sigabbrev_np(i))
			(void)printf("%2d %s\n", i, sigabbrev_np(i));
	for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
		(void)printf("%2d RTMIN+%d\n", i, i - SIGRTMIN);
	return cli_finish(cli, 0);
}
