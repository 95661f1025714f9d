/* SPDX-License-Identifier: MIT */
#include "lib/socket/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"

static const struct scheme {
	const char *prefix;
	enum address_kind kind;
	int family;
} schemes[] = {
	{"tcp:", ADDRESS_TCP, AF_UNSPEC}, {"tcp4:", ADDRESS_TCP, AF_INET},
	{"tcp6:", ADDRESS_TCP, AF_INET6}, {"unix:@", ADDRESS_ABSTRACT, AF_UNIX},
	{"unix:", ADDRESS_UNIX, AF_UNIX},
};

static int parse_path(const char *text, struct address *address, struct cj_error *err)
{
	/* The kernel takes 108 bytes, with the NUL that begins an abstract name. */
	size_t size = address->kind == ADDRESS_ABSTRACT ? 108 : sizeof(address->path);
	size_t length = strlen(text);

	if (address->kind == ADDRESS_UNIX && text[0] != '/')
		return cj_fail(err, EINVAL, "address unix:%s: the path isn't absolute", text);
	if (length == 0 || (address->kind == ADDRESS_UNIX && text[length - 1] == '/'))
		return cj_fail(err, EINVAL, "address unix:%s%s: a name is missing",
			       address->kind == ADDRESS_ABSTRACT ? "@" : "", text);
	if (length >= size)
		return cj_fail(err, EINVAL, "a UNIX socket's address is longer than %lu bytes",
			       (unsigned long)size - 1);
	memcpy(address->path, text, length + 1);
	return 0;
}

/* Takes "%eth0" off its end. */
static bool take_interface(struct address *address)
{
	char *mark = strchr(address->host, '%');
	size_t length = mark ? strlen(mark + 1) : 0;

	if (!mark)
		return true;
	if (length == 0 || length >= sizeof(address->interface))
		return false;
	memcpy(address->interface, mark + 1, length + 1);
	*mark = '\0';
	return true;
}

/* What stands before the port; the brackets are gone. */
static bool take_host(const char *at, size_t length, bool bracketed, struct address *address)
{
	struct in6_addr number;

	if (length == 0 || length >= sizeof(address->host) || memchr(at, '[', length))
		return false;
	memcpy(address->host, at, length);
	address->host[length] = '\0';
	if (!bracketed)
		return !strpbrk(address->host, "]:%/");
	return address->family != AF_INET && take_interface(address) &&
	       inet_pton(AF_INET6, address->host, &number) == 1;
}

/* "10.1" or "7" isn't a name, but perhaps meant as a number: so is any whose last label is one. RFC 1123, 2.1 */
static bool ends_in_number(const char *host)
{
	size_t end = strlen(host), begin;

	if (end > 0 && host[end - 1] == '.')
		end--;
	for (begin = end; begin > 0 && host[begin - 1] != '.'; begin--)
		if (host[begin - 1] < '0' || host[begin - 1] > '9')
			return false;
	return begin < end;
}

/* A label's characters, and no more: it's shown, and asked for. RFC 1123; "_" is met in practice. */
static bool is_name(const char *host)
{
	return host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789-_.")] == '\0' &&
	       host[0] != '-' && host[0] != '.' && !ends_in_number(host);
}

static int parse_port(const char *text, const char *port, enum address_use use,
		      struct address *address, struct cj_error *err)
{
	int number;

	if (parse_int(port, use == ADDRESS_TO_LISTEN ? 0 : 1, UINT16_MAX, &number) < 0)
		return cj_fail(err, EINVAL, "address %s: \"%s\" is no port", text, port);
	address->port = (uint16_t)number;
	return 0;
}

/* A number, or "*", or a name where there may be one. */
static int judge_host(const char *text, enum address_use use, struct address *address,
		      struct cj_error *err)
{
	struct sockaddr_storage name;

	if (strcmp(address->host, "*") == 0) {
		if (use == ADDRESS_TO_CONNECT)
			return cj_fail(err, EINVAL, "address %s: * is to listen on", text);
		address->any = true;
		return 0;
	}
	if (address_is_numeric(address, &name)) {
		const struct sockaddr_in6 *six = (const void *)&name;

		if (use == ADDRESS_TO_LISTEN && name.ss_family == AF_INET6 &&
		    IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
			return cj_fail(err, EINVAL, "address %s: that's an IPv4 address", text);
		address->any = use == ADDRESS_TO_LISTEN && address->family == AF_UNSPEC &&
			       name.ss_family == AF_INET6 &&
			       IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr);
		return 0;
	}
	if (use == ADDRESS_TO_LISTEN)
		return cj_fail(err, EINVAL, "address %s: \"%s\" is no number to listen on%s", text,
			       address->host,
			       address->family == AF_UNSPEC ? "" : " in that family");
	if (!is_name(address->host))
		return cj_fail(err, EINVAL, "address %s: \"%s\" is no name of a host", text,
			       address->host);
	return 0;
}

static int parse_tcp(const char *text, const char *rest, enum address_use use,
		     struct address *address, struct cj_error *err)
{
	const char *colon = strrchr(rest, ':');
	bool bracketed = rest[0] == '[';
	size_t length;
	int r = parse_port(text, colon ? colon + 1 : rest, use, address, err);

	if (r < 0 || !colon)
		return r;
	length = (size_t)(colon - rest);
	if (bracketed && (length < 2 || rest[length - 1] != ']'))
		length = 0;
	else if (bracketed)
		length -= 2;
	if (!take_host(rest + bracketed, length, bracketed, address))
		return cj_fail(err, EINVAL,
			       "address %s: HOST is %s10.0.0.1, [fd00::1] or [fe80::1%%eth0]", text,
			       use == ADDRESS_TO_LISTEN ? "*, " : "a name, ");
	return judge_host(text, use, address, err);
}

int address_parse(const char *text, enum address_use use, struct address *ret, struct cj_error *err)
{
	const struct scheme *scheme = NULL;
	struct address address = {.family = AF_UNSPEC};
	const char *rest;
	int r;

	for (size_t i = 0; !scheme && i < ELEMENTS(schemes); i++)
		if (strncmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
			scheme = &schemes[i];
	if (!scheme)
		return cj_fail(err, EINVAL,
			       "address %s begins with none of tcp:, tcp4:, tcp6:, unix:", text);
	address.kind = scheme->kind;
	address.family = scheme->family;
	rest = text + strlen(scheme->prefix);
	r = address.kind == ADDRESS_TCP ? parse_tcp(text, rest, use, &address, err)
					: parse_path(rest, &address, err);
	if (r == 0)
		*ret = address;
	return r;
}

bool address_is_numeric(const struct address *address, struct sockaddr_storage *ret)
{
	struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
	struct sockaddr_in *four = (void *)&name;
	struct sockaddr_in6 *six = (void *)&name;

	if (address->family != AF_INET6 &&
	    inet_pton(AF_INET, address->host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(address->port);
	} else if (address->family != AF_INET &&
		   inet_pton(AF_INET6, address->host, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(address->port);
	} else {
		return false;
	}
	*ret = name;
	return true;
}

static void fill(int family, uint16_t port, const struct in6_addr *six_address,
		 uint32_t four_address, struct sockaddr_storage *ret)
{
	struct sockaddr_in *four = (void *)ret;
	struct sockaddr_in6 *six = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET6) {
		six->sin6_addr = *six_address;
		six->sin6_port = htons(port);
	} else {
		four->sin_addr.s_addr = htonl(four_address);
		four->sin_port = htons(port);
	}
}

void address_loopback(int family, uint16_t port, struct sockaddr_storage *ret)
{
	fill(family, port, &in6addr_loopback, INADDR_LOOPBACK, ret);
}

void address_any(int family, uint16_t port, struct sockaddr_storage *ret)
{
	fill(family, port, &in6addr_any, INADDR_ANY, ret);
}

socklen_t address_length(const struct sockaddr_storage *name)
{
	return name->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					   : sizeof(struct sockaddr_in);
}

uint16_t address_port(const struct sockaddr_storage *name)
{
	const struct sockaddr_in *four = (const void *)name;
	const struct sockaddr_in6 *six = (const void *)name;

	return ntohs(name->ss_family == AF_INET6 ? six->sin6_port : four->sin_port);
}

bool address_format(const struct sockaddr_storage *name, const char *interface, char *buf,
		    size_t size)
{
	const struct sockaddr_in *four = (const void *)name;
	const struct sockaddr_in6 *six = (const void *)name;
	bool is_six = name->ss_family == AF_INET6;
	char host[INET6_ADDRSTRLEN];
	int n;

	if (!is_six && name->ss_family != AF_INET)
		return false;
	if (!inet_ntop(name->ss_family,
		       is_six ? (const void *)&six->sin6_addr : (const void *)&four->sin_addr, host,
		       sizeof(host)))
		return false;
	n = snprintf(buf, size, is_six ? "tcp:[%s%s%s]:%u" : "tcp:%s%s%s:%u", host,
		     interface[0] ? "%" : "", interface, (unsigned int)address_port(name));
	return n >= 0 && (size_t)n < size;
}

int cj_address_check(const char *text, int listening, struct cj_error *err)
{
	struct address address;

	return address_parse(text, listening ? ADDRESS_TO_LISTEN : ADDRESS_TO_CONNECT, &address,
			     err);
}
