/* SPDX-License-Identifier: MIT
 *
 * Networks from which somebody may come: 10.0.0.0/8, fd00::/8, or an address alone.
 * Not here: addresses to listen on and connect to (conjoin/socket.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include <conjoin/error.h>

enum { NETWORKS_MAX = 1024 };

struct network;

/* Owned: networks_done(). */
struct networks {
	struct network *items;
	size_t n, room;
};

#define NETWORKS_INIT {.items = NULL}

/*
 * Adds one. An IPv4 address that is written as an IPv6 one (::ffff:10.0.0.0/104) is an IPv4 one.
 *
 *	EINVAL	not an address; the prefix isn't a number within its length; bits behind the prefix are set
 *	E2BIG	more than NETWORKS_MAX
 */
int networks_add(struct networks *networks, const char *text, struct cj_error *err);

/*
 * Is `address` in one of them? One of a socket that takes both families (::ffff:10.0.0.1) is an IPv4 one: ::/0 doesn't
 * hold it, 0.0.0.0/0 does. What is no IP address (AF_UNIX) is in none; nor is anything when there are none: what an empty
 * list means is the caller's to say.
 */
bool networks_match(const struct networks *networks, const struct sockaddr *address,
		    socklen_t length);

void networks_done(struct networks *networks);

/*
 * The address' bytes, IPv4 if it's mapped: 4 or 16 of them in `buf`, which has 16. 0: it's neither.
 */
size_t network_address(const struct sockaddr *address, socklen_t length, unsigned char *buf);
