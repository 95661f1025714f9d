/* SPDX-License-Identifier: MIT */
#include "net/networks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/grow.h"
#include "base/parse.h"

struct network {
	unsigned char address[16];
	size_t size; /* 4 or 16 */
	unsigned int prefix;
};

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* The first `bits` bits are the same. */
static bool prefix_matches(const unsigned char *a, const unsigned char *b, unsigned int bits)
{
	size_t whole = bits / 8;
	unsigned char mask = (unsigned char)(0xff00 >> bits % 8);

	if (memcmp(a, b, whole) != 0)
		return false;
	return bits % 8 == 0 || ((a[whole] ^ b[whole]) & mask) == 0;
}

static void clear_behind(unsigned char *address, size_t size, unsigned int prefix)
{
	for (size_t i = 0; i < size; i++) {
		unsigned int kept = prefix > i * 8 ? prefix - (unsigned int)i * 8 : 0;

		if (kept < 8)
			address[i] &= (unsigned char)(0xff00 >> kept);
	}
}

static void unmap(struct network *network)
{
	if (network->size != 16 || memcmp(network->address, mapped, sizeof(mapped)) != 0 ||
	    network->prefix < 96)
		return;
	memmove(network->address, network->address + sizeof(mapped), 4);
	network->size = 4;
	network->prefix -= 96;
}

static int parse_prefix(const char *text, int max, unsigned int *ret)
{
	int prefix;

	if (!text) {
		*ret = (unsigned int)max;
		return 0;
	}
	/* "/08" may have been meant as octal. */
	if ((text[0] == '0' && text[1]) || parse_int(text, 0, max, &prefix) < 0)
		return -EINVAL;
	*ret = (unsigned int)prefix;
	return 0;
}

static int refuse_host_bits(const struct network *network, const char *text, struct cj_error *err)
{
	unsigned char meant[16];
	char shown[INET6_ADDRSTRLEN] = "";

	memcpy(meant, network->address, sizeof(meant));
	clear_behind(meant, network->size, network->prefix);
	(void)inet_ntop(network->size == 4 ? AF_INET : AF_INET6, meant, shown, sizeof(shown));
	return cj_fail(err, EINVAL,
		       "network %s: bits behind the prefix are set; did you mean %s/%u", text,
		       shown, network->prefix);
}

static int parse_network(const char *text, struct network *ret, struct cj_error *err)
{
	struct network network = {.size = 0};
	char copy[INET6_ADDRSTRLEN + 5], shown[128];
	char *slash;

	(void)text_escape(shown, sizeof(shown), text);
	if (strlen(text) >= sizeof(copy))
		return cj_fail(err, EINVAL, "network %s: not an address", shown);
	(void)snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (slash)
		*slash++ = '\0';
	if (inet_pton(AF_INET, copy, network.address) == 1)
		network.size = 4;
	else if (inet_pton(AF_INET6, copy, network.address) == 1)
		network.size = 16;
	else
		return cj_fail(err, EINVAL, "network %s: not an address", shown);
	if (parse_prefix(slash, (int)network.size * 8, &network.prefix) < 0)
		return cj_fail(err, EINVAL, "network %s: the prefix isn't a number up to %d", shown,
			       (int)network.size * 8);
	unmap(&network);
	*ret = network;
	clear_behind(network.address, network.size, network.prefix);
	if (memcmp(network.address, ret->address, network.size) != 0)
		return refuse_host_bits(ret, shown, err);
	return 0;
}

int networks_add(struct networks *networks, const char *text, struct cj_error *err)
{
	struct network network;
	void *items = networks->items;
	int r = parse_network(text, &network, err);

	if (r < 0)
		return r;
	if (networks->n == NETWORKS_MAX)
		return cj_fail(err, E2BIG, "more than %d networks", NETWORKS_MAX);
	if (!array_grow(&items, sizeof(network), &networks->room, networks->n + 1))
		return cj_fail(err, ENOMEM, "keep network %s", text);
	networks->items = items;
	networks->items[networks->n++] = network;
	return 0;
}

size_t network_address(const struct sockaddr *address, socklen_t length, unsigned char *buf)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	/* By copy: what a caller has may be a sockaddr_storage, or bytes. */
	if (length >= sizeof(v4) && address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		memcpy(buf, &v4.sin_addr, 4);
		return 4;
	}
	if (length < sizeof(v6) || address->sa_family != AF_INET6)
		return 0;
	memcpy(&v6, address, sizeof(v6));
	if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
		memcpy(buf, v6.sin6_addr.s6_addr + sizeof(mapped), 4);
		return 4;
	}
	memcpy(buf, &v6.sin6_addr, 16);
	return 16;
}

bool networks_match(const struct networks *networks, const struct sockaddr *address,
		    socklen_t length)
{
	unsigned char bytes[16];
	size_t size = network_address(address, length, bytes);

	for (size_t i = 0; size > 0 && i < networks->n; i++)
		if (networks->items[i].size == size &&
		    prefix_matches(networks->items[i].address, bytes, networks->items[i].prefix))
			return true;
	return false;
}

void networks_done(struct networks *networks)
{
	free(networks->items);
	*networks = (struct networks)NETWORKS_INIT;
}
