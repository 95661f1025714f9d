/* SPDX-License-Identifier: MIT
 *
 * What hosts(5) says about a name. The file is a container's, and so is what stands in it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Of a name; more than that aren't tried. */
enum { HOSTS_MAX = 16 };

/*
 * Writes up to `max` addresses of `host` in one family (AF_UNSPEC: both) with `port`, in the order of the file, and returns how many.
 * Names are compared as DNS does, without regard to case. `text` may hold anything.
 */
size_t hosts_find(const char *text, const char *host, int family, uint16_t port,
		  struct sockaddr_storage *ret, size_t max);
