/* SPDX-License-Identifier: MIT */
#include "lib/socket/resolv_conf.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/parse.h"

/* The limits of resolv.conf(5). */
enum { NDOTS_MAX = 15, TIMEOUT_MAX = 30, ATTEMPTS_MAX = 5, TIMEOUT = 5, ATTEMPTS = 2 };

/* The next word of the line; what is too long for one is left out. False: there is none. */
static bool next_word(const char **at, char ret[RESOLV_WORD])
{
	for (;;) {
		size_t length;

		*at += strspn(*at, " \t\r");
		length = strcspn(*at, " \t\r\n");
		if (length == 0)
			return false;
		if (length < RESOLV_WORD) {
			memcpy(ret, *at, length);
			ret[length] = '\0';
			*at += length;
			return true;
		}
		*at += length;
	}
}

/* "10.0.0.2", "fd00::2". One with an interface, "fe80::1%eth0", isn't taken: c-ares refuses any list that holds one. */
static bool is_number(const char *word)
{
	unsigned char number[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, word, number) == 1 || inet_pton(AF_INET6, word, number) == 1;
}

static void take_server(const char *at, struct resolv_conf *conf)
{
	char word[RESOLV_WORD];

	if (conf->n_servers < RESOLV_SERVERS && next_word(&at, word) && is_number(word))
		memcpy(conf->servers[conf->n_servers++], word, sizeof(word));
}

static void take_domains(const char *at, struct resolv_conf *conf)
{
	char word[RESOLV_WORD];

	conf->n_domains = 0;
	while (conf->n_domains < RESOLV_DOMAINS && next_word(&at, word))
		if (strcmp(word, ".") != 0)
			memcpy(conf->domains[conf->n_domains++], word, sizeof(word));
}

static bool take_number(const char *word, const char *name, int max, int *ret)
{
	size_t length = strlen(name);
	int number;

	if (strncmp(word, name, length) != 0 || parse_int(word + length, 0, 1 << 20, &number) < 0)
		return false;
	*ret = number > max ? max : number;
	return true;
}

static void take_options(const char *at, struct resolv_conf *conf)
{
	char word[RESOLV_WORD];

	while (next_word(&at, word)) {
		(void)take_number(word, "ndots:", NDOTS_MAX, &conf->ndots);
		if (take_number(word, "timeout:", TIMEOUT_MAX, &conf->timeout) &&
		    conf->timeout == 0)
			conf->timeout = 1;
		if (take_number(word, "attempts:", ATTEMPTS_MAX, &conf->attempts) &&
		    conf->attempts == 0)
			conf->attempts = 1;
		conf->rotate |= strcmp(word, "rotate") == 0;
		conf->use_tcp |= strcmp(word, "use-vc") == 0;
	}
}

static void take_line(const char *line, struct resolv_conf *conf)
{
	char word[RESOLV_WORD];

	if (line[0] == '#' || line[0] == ';' || !next_word(&line, word))
		return;
	if (strcmp(word, "nameserver") == 0)
		take_server(line, conf);
	else if (strcmp(word, "search") == 0 || strcmp(word, "domain") == 0)
		take_domains(line, conf);
	else if (strcmp(word, "options") == 0)
		take_options(line, conf);
}

void resolv_conf_parse(const char *text, struct resolv_conf *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->ndots = 1;
	ret->timeout = TIMEOUT;
	ret->attempts = ATTEMPTS;
	for (const char *line = text; line;) {
		const char *end = strchr(line, '\n');

		take_line(line, ret);
		line = end ? end + 1 : NULL;
	}
	if (ret->n_servers == 0)
		memcpy(ret->servers[ret->n_servers++], "127.0.0.1", sizeof("127.0.0.1"));
}
