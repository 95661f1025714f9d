/* SPDX-License-Identifier: MIT */
#include "lib/socket/hosts.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "lib/socket/address.h"

static const char blanks[] = " \t\r\f\v";

/* The next word of a line, which ends at a comment. False: there is none. */
static bool next_word(const char **at, const char **ret, size_t *ret_length)
{
	*at += strspn(*at, blanks);
	*ret = *at;
	*ret_length = strcspn(*at, " \t\r\f\v#\n");
	*at += *ret_length;
	return *ret_length > 0;
}

static bool is_named(const char *line, const char *host)
{
	const char *word;
	size_t length;

	while (next_word(&line, &word, &length))
		if (length == strlen(host) && strncasecmp(word, host, length) == 0)
			return true;
	return false;
}

/* Where the line begins that `at` is in. */
static const char *line_of(const char *text, const char *at)
{
	while (at > text && at[-1] != '\n')
		at--;
	return at;
}

/* The file may be long, and this is done for each connection: only lines are looked at in which the name occurs at all. */
size_t hosts_find(const char *text, const char *host, int family, uint16_t port,
		  struct sockaddr_storage *ret, size_t max)
{
	size_t n = 0;

	while (text && host[0] && n < max) {
		struct address address = {.family = family, .port = port};
		const char *hit = strcasestr(text, host), *at, *word, *end;
		size_t length;

		if (!hit)
			break;
		at = line_of(text, hit);
		end = strchr(hit, '\n');
		if (next_word(&at, &word, &length) && length < sizeof(address.host) &&
		    is_named(at, host)) {
			memcpy(address.host, word, length);
			if (address_is_numeric(&address, &ret[n]))
				n++;
		}
		text = end ? end + 1 : NULL;
	}
	return n;
}
