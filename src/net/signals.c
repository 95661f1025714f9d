/* SPDX-License-Identifier: MIT */
#include "net/signals.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

enum { PLAIN_SIGNALS = 31 };

int signal_of(const char *name, size_t length)
{
	char text[SIGNAL_NAME_SIZE];
	const char *at = text;
	int offset;

	if (length >= sizeof(text) || memchr(name, '\0', length))
		return -1;
	memcpy(text, name, length);
	text[length] = '\0';
	if (strncmp(at, "SIG", 3) == 0)
		at += 3;
	for (int i = 1; i <= PLAIN_SIGNALS; i++)
		if (sigabbrev_np(i) && strcmp(at, sigabbrev_np(i)) == 0)
			return i;
	if (strcmp(at, "RTMIN") == 0)
		return SIGRTMIN;
	if (strncmp(at, "RTMIN+", 6) == 0 &&
	    parse_int(at + 6, 0, SIGRTMAX - SIGRTMIN, &offset) == 0)
		return SIGRTMIN + offset;
	return -1;
}

const char *signal_to_text(int number, char *buf)
{
	if (number >= 1 && number <= PLAIN_SIGNALS && sigabbrev_np(number))
		(void)snprintf(buf, SIGNAL_NAME_SIZE, "%s", sigabbrev_np(number));
	else if (number >= SIGRTMIN && number <= SIGRTMAX)
		(void)snprintf(buf, SIGNAL_NAME_SIZE, "RTMIN+%d", number - SIGRTMIN);
	else /* 32 and 33 are the C library's own */
		(void)snprintf(buf, SIGNAL_NAME_SIZE, "%d", number);
	return buf;
}
