/* SPDX-License-Identifier: MIT
 *
 * Names of hosts, by hosts(5) and resolv.conf(5) of a place and the name servers that it reaches; never by NSS, whose libraries would be
 * the container's. By c-ares.
 * Not here: connecting (dial.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <conjoin/error.h>

#include "base/io.h"
#include "lib/socket/address.h"
#include "lib/socket/hosts.h"
#include "lib/socket/place.h"

/* The two files; empty where there are none. Owned. */
struct names {
	struct bytes hosts, resolv_conf;
	int hosts_error, resolv_error; /* -errno: they are there, and can't be read */
};

#define NAMES_INIT {.hosts = BYTES_INIT}

/* Reads them beneath the place's root, by a process that can be killed; `deadline` as for container_file_read(). */
int names_read(const struct socket_place *place, int64_t deadline, struct names *ret,
	       struct cj_error *err);
void names_done(struct names *names);

/* A search under way. */
struct resolver;

/*
 * Begins to look for what `address` names. `place` has to live as long: its name servers are asked from there. `*ret` may be done at
 * once, see resolver_step(). Free it with resolver_free().
 */
int resolver_start(const struct socket_place *place, const struct names *names,
		   const struct address *address, struct resolver **ret, struct cj_error *err);

/* Readable when resolver_step() has something to do; the resolver's own. */
int resolver_fd(const struct resolver *resolver);
/* Milliseconds until it has in any case; -1: none. */
int resolver_timeout(const struct resolver *resolver);

/*
 * Goes on. Returns 1 when it's done, and there are addresses; 0: not yet.
 *
 *	ENOENT		there is no such name, or it has no address of that family
 *	EHOSTUNREACH	no name server answers
 */
int resolver_step(struct resolver *resolver, struct cj_error *err);

/* What was found: at least one. Lives as long as the resolver. */
const struct sockaddr_storage *resolver_found(const struct resolver *resolver, size_t *ret_n);
void resolver_free(struct resolver *resolver);
