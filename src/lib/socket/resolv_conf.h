/* SPDX-License-Identifier: MIT
 *
 * What resolv.conf(5) says. The file is a container's, and so is what stands in it.
 * Not here: asking (resolve.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	RESOLV_SERVERS = 3, /* as many as the C library takes: MAXNS */
	RESOLV_DOMAINS = 32,
	RESOLV_WORD = 256, /* bytes of a word, its NUL included */
};

struct resolv_conf {
	char servers[RESOLV_SERVERS][RESOLV_WORD]; /* numbers; those with an interface are left out */
	size_t n_servers;
	char domains[RESOLV_DOMAINS][RESOLV_WORD]; /* of the last `search` or `domain` */
	size_t n_domains;
	int ndots, timeout, attempts; /* seconds; the C library's own limits and defaults */
	bool rotate, use_tcp;
};

/* `text` may hold anything, and be NULL: then a server on the loopback is asked, and no domain is added. What isn't understood is left out. */
void resolv_conf_parse(const char *text, struct resolv_conf *ret);
