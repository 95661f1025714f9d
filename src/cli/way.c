/* SPDX-License-Identifier: MIT */
#include "cli/way.h"

#include <stdio.h>
#include <string.h>

#include "cli/address.h"

/* Up to the next colon that isn't in brackets. */
static size_t piece_length(const char *text)
{
	size_t brackets = text[0] == '[' ? strcspn(text, "]") : 0;

	return brackets + strcspn(text + brackets, ":");
}

static bool is_port(const char *text, size_t length)
{
	return length > 0 && strspn(text, "0123456789") >= length;
}

/* PORT, HOST:PORT, a path or a name: how long the one is that `text` begins with. 0: none. */
static size_t end_length(const char *text)
{
	size_t first = piece_length(text), second;

	if (is_port(text, first) || (first > 1 && (text[0] == '/' || text[0] == '@')))
		return first;
	if (first == 0 || text[first] != ':')
		return 0;
	second = piece_length(text + first + 1);
	return is_port(text + first + 1, second) ? first + 1 + second : 0;
}

static bool complete(const char *text, size_t length, char ret[CJ_ADDRESS_SIZE])
{
	char own[CJ_ADDRESS_SIZE];

	if (length >= sizeof(own))
		return false;
	memcpy(own, text, length);
	own[length] = '\0';
	return address_complete(own, ret);
}

bool way_parse(const char *text, struct way *ret)
{
	size_t first = end_length(text), second;
	const char *port;

	if (first == 0)
		return false;
	if (text[first] == ':') {
		second = end_length(text + first + 1);
		return second > 0 && !text[first + 1 + second] &&
		       complete(text, first, ret->listen) &&
		       complete(text + first + 1, second, ret->connect);
	}
	port = strrchr(text, ':');
	port = port ? port + 1 : text;
	return !text[first] && text[0] != '/' && text[0] != '@' &&
	       complete(text, first, ret->connect) && complete(port, strlen(port), ret->listen);
}
