/* SPDX-License-Identifier: MIT
 *
 * Sockets of a target's net namespace, used from here. A socket belongs to the namespace in which it was made,
 * whoever uses it later: one that was made there listens there and connects from there. network_namespaces(7)
 * Not here: what goes over them (forward.h).
 *
 * Where the target's net namespace isn't the caller's own a short-lived process joins it and passes the socket
 * back; no thread of the caller changes namespaces. `target` may be NULL in all of them: then it's the caller's own place.
 * All sockets are close-on-exec. May be called from any thread.
 *
 *	ESRCH		the target has ended
 *	EPERM, EACCES	no right to join its net namespace, or to see its files
 *	ETIMEDOUT	it took too long
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <conjoin/error.h>
#include <conjoin/target.h>

#ifdef __cplusplus
extern "C" {
#endif

/* socket(2) in the target's net namespace. Returns it, or -errno. */
int cj_socket(const struct cj_target *target, int domain, int type, int protocol,
	      struct cj_error *err);

/*
 * Addresses, of stream sockets all:
 *
 *	tcp:PORT		the loopback, IPv4 and IPv6
 *	tcp:HOST:PORT		HOST is 10.0.0.1, [fd00::1], [fe80::1%eth0] or, to connect to, a name
 *	tcp:[::]:PORT, tcp:*:PORT	to listen on: all addresses, of IPv4 and IPv6
 *	tcp4:…, tcp6:…		the same of one family only
 *	unix:/PATH		beneath the target's root, whatever links lie in the way
 *	unix:@NAME		abstract: of the net namespace. unix(7)
 *
 * Ports are numbers; 0 listens on any that is free.
 */
enum { CJ_ADDRESS_SIZE = 4160 };

/* 0 if `text` is an address that can be listened on, or without `listening` connected to; else EINVAL, and what is wrong with it. */
int cj_address_check(const char *text, int listening, struct cj_error *err);

struct cj_listen_options {
	size_t size;
	int backlog;	   /* listen(2); 0: as much as the kernel allows */
	unsigned int mode; /* permissions of a UNIX socket's file; 0: 0666 */
};

#define CJ_LISTEN_OPTIONS_INIT {.size = sizeof(struct cj_listen_options)}

/* Owns the socket; see cj_listener_done(). */
struct cj_listener {
	int fd;
	char address[CJ_ADDRESS_SIZE]; /* where it listens: with the port that it got */
	uint64_t device, inode;	       /* of a UNIX socket's file; 0 where there is none */
};

#define CJ_LISTENER_INIT {.fd = -1}

/* A loopback has two of them. */
enum { CJ_LISTENERS_MAX = 2 };

/*
 * Listens there. Returns how many sockets were written to `ret`: two for a loopback of both families, on the same port.
 * The file of a UNIX socket is made with the rights of the target's root user and belongs to that one; one that is left of somebody who doesn't
 * listen any more is replaced. As the kernel has it, getsockname(2) there tells its last component only.
 *
 *	EINVAL		not an address that can be listened on
 *	EADDRINUSE	somebody listens there
 *	EADDRNOTAVAIL	the namespace has no such address (an interface that is down?)
 *	ENAMETOOLONG	of a UNIX path the last component: 107 bytes, unix(7)
 *	others		of bind(2), openat2(2)
 */
int cj_listen(const struct cj_target *target, const char *address,
	      const struct cj_listen_options *options, struct cj_listener ret[CJ_LISTENERS_MAX],
	      struct cj_error *err);

/* Closes it, and removes the file of a UNIX socket if it's still the same one. `target` as for cj_listen(). Takes CJ_LISTENER_INIT. */
void cj_listener_done(const struct cj_target *target, struct cj_listener *listener);

/* Whose resolv.conf and hosts tell what a name means. */
enum cj_resolve {
	CJ_RESOLVE_TARGET, /* the target's, and its name servers are asked from its net namespace */
	CJ_RESOLVE_HERE,   /* the caller's, from here */
};

struct cj_connect_options {
	size_t size;
	int64_t timeout; /* milliseconds for all of it, the name included; 0: 30 s */
	enum cj_resolve resolve;
};

#define CJ_CONNECT_OPTIONS_INIT {.size = sizeof(struct cj_connect_options)}

/*
 * Connects from there. A name may have several addresses: they are tried one after the other. Names are found by resolv.conf(5) and
 * hosts(5) alone, by c-ares and never by NSS. Returns the socket, which blocks, or -errno.
 *
 *	EINVAL		not an address that can be connected to
 *	ENOENT		the name has no address
 *	EHOSTUNREACH	no name server answers
 *	ENOTSOCK	a UNIX path that is no socket
 *	others		of connect(2)
 */
int cj_connect(const struct cj_target *target, const char *address,
	       const struct cj_connect_options *options, struct cj_error *err);

#ifdef __cplusplus
}
#endif
