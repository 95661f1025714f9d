/* SPDX-License-Identifier: MIT
 *
 * The grammar of addresses (conjoin/socket.h), and what the kernel calls them.
 * Not here: what a name means (resolve.h), where a path lies (maker.h).
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <conjoin/socket.h>

enum address_kind { ADDRESS_TCP, ADDRESS_UNIX, ADDRESS_ABSTRACT };

/* HOST_SIZE: of a name, 253 at most, or of an IPv6 address with an interface behind it. */
enum { HOST_SIZE = 256, INTERFACE_SIZE = 16 };

/* What a text says, bounded and without pointers. */
struct address {
	enum address_kind kind;
	int family;	      /* AF_INET, AF_INET6; AF_UNSPEC: either; of ADDRESS_TCP only */
	bool any;	      /* all addresses of `family`: "*", or with AF_UNSPEC "[::]" */
	char host[HOST_SIZE]; /* as written, without brackets and interface; empty: the loopback */
	char interface[INTERFACE_SIZE]; /* "eth0" of "fe80::1%eth0"; empty: none */
	uint16_t port;
	char path[PATH_MAX]; /* of a UNIX socket; abstract: without "@" */
};

enum address_use { ADDRESS_TO_LISTEN, ADDRESS_TO_CONNECT };

/* EINVAL, with what is wrong in the text of the error. */
int address_parse(const char *text, enum address_use use, struct address *ret,
		  struct cj_error *err);

/* Is the host a number, in one of the families that are meant? Writes it, with the port, but without the interface's index. */
bool address_is_numeric(const struct address *address, struct sockaddr_storage *ret);

/* The loopback of one family, with the port. */
void address_loopback(int family, uint16_t port, struct sockaddr_storage *ret);

/* Any address of one family. */
void address_any(int family, uint16_t port, struct sockaddr_storage *ret);

/* The length that the kernel wants. */
socklen_t address_length(const struct sockaddr_storage *name);
uint16_t address_port(const struct sockaddr_storage *name);

/* "tcp:127.0.0.1:80", "tcp:[fe80::1%eth0]:80" with an `interface` ("": none); of other families nothing. False: it doesn't fit. */
bool address_format(const struct sockaddr_storage *name, const char *interface, char *buf,
		    size_t size);
