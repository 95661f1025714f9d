/* SPDX-License-Identifier: MIT */
#include "lib/socket/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "lib/socket/maker.h"
#include "lib/socket/resolv_conf.h"
#include "sys/container_file.h"

enum { HOSTS_LIMIT = 1 << 20, RESOLV_CONF_LIMIT = 64 << 10 };

struct answers {
	struct sockaddr_storage list[HOSTS_MAX];
	size_t n;
	int status; /* of c-ares */
};

struct resolver {
	const struct socket_place *place;
	char host[HOST_SIZE];
	uint16_t port;
	ares_channel channel; /* NULL: nothing is asked */
	int epoll;
	int waiting; /* for so many answers */
	int no_socket; /* -errno: none could be made, which c-ares takes for a server that doesn't answer */
	struct answers six, four, all;
};

void names_done(struct names *names)
{
	bytes_done(&names->hosts);
	bytes_done(&names->resolv_conf);
}

/* What can't be read is a failure only when something of it is wanted. */
static int read_one(const struct socket_place *place, const char *path, size_t limit,
		    int64_t deadline, struct bytes *ret)
{
	struct cj_error own = CJ_ERROR_INIT;
	int r = container_file_read(place->root, path, limit, deadline, ret, &own);

	return r == -ENOENT ? 0 : r;
}

int names_read(const struct socket_place *place, int64_t deadline, struct names *ret,
	       struct cj_error *err)
{
	struct names names = NAMES_INIT;

	if (place->root < 0)
		return cj_fail(err, place->root_error, "open the target's root");
	names.hosts_error = read_one(place, "/etc/hosts", HOSTS_LIMIT, deadline, &names.hosts);
	/* A file system that didn't answer isn't asked once more. */
	names.resolv_error = names.hosts_error == -ETIMEDOUT
				     ? -ETIMEDOUT
				     : read_one(place, "/etc/resolv.conf", RESOLV_CONF_LIMIT,
						deadline, &names.resolv_conf);
	*ret = names;
	return 0;
}

/* --- what c-ares does with sockets --- */

static ares_socket_t make_socket(int domain, int type, int protocol, void *data)
{
	struct resolver *resolver = data;
	struct socket_order order = {.act = SOCKET_MAKE,
				     .domain = domain,
				     .type = type | SOCK_NONBLOCK,
				     .protocol = protocol,
				     .count = 1};
	int fd = -EBADF;
	int r = sockets_make(resolver->place, &order, MAKER_MS, &fd, 1, NULL, NULL);

	if (r == 1)
		return fd;
	resolver->no_socket = r;
	errno = -r;
	return ARES_SOCKET_BAD;
}

static int close_socket(ares_socket_t fd, void *data)
{
	(void)data;
	return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *name, ares_socklen_t length,
			  void *data)
{
	(void)data;
	return connect(fd, name, length);
}

static ares_ssize_t receive(ares_socket_t fd, void *buf, size_t size, int flags,
			    struct sockaddr *name, ares_socklen_t *length, void *data)
{
	(void)data;
	return recvfrom(fd, buf, size, flags, name, length);
}

static ares_ssize_t send_all(ares_socket_t fd, const struct iovec *parts, int n, void *data)
{
	struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
				 .msg_iovlen = (size_t)n};

	(void)data;
	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
	.asocket = make_socket,
	.aclose = close_socket,
	.aconnect = connect_socket,
	.arecvfrom = receive,
	.asendv = send_all,
};

static void watch(void *data, ares_socket_t fd, int readable, int writable)
{
	const struct resolver *resolver = data;
	struct epoll_event event = {.events = (readable ? EPOLLIN : 0U) |
					      (writable ? EPOLLOUT : 0U),
				    .data.fd = fd};

	if (!readable && !writable)
		(void)epoll_ctl(resolver->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(resolver->epoll, EPOLL_CTL_MOD, fd, &event) < 0)
		(void)epoll_ctl(resolver->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* --- answers --- */

static void add(struct answers *answers, int family, const void *number, size_t size, uint16_t port)
{
	struct sockaddr_storage *name = &answers->list[answers->n];

	if (answers->n == ELEMENTS(answers->list))
		return;
	address_any(family, port, name);
	memcpy(family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)(void *)name)->sin6_addr
				  : (void *)&((struct sockaddr_in *)(void *)name)->sin_addr,
	       number, size);
	answers->n++;
}

static void take_six(void *data, int status, int timeouts, unsigned char *reply, int length)
{
	struct ares_addr6ttl list[HOSTS_MAX];
	struct resolver *resolver = data;
	int n = ELEMENTS(list);

	(void)timeouts;
	if (status == ARES_SUCCESS)
		status = ares_parse_aaaa_reply(reply, length, NULL, list, &n);
	for (int i = 0; status == ARES_SUCCESS && i < n; i++)
		add(&resolver->six, AF_INET6, &list[i].ip6addr, sizeof(list[i].ip6addr),
		    resolver->port);
	resolver->six.status = status;
	resolver->waiting--;
}

static void take_four(void *data, int status, int timeouts, unsigned char *reply, int length)
{
	struct ares_addrttl list[HOSTS_MAX];
	struct resolver *resolver = data;
	int n = ELEMENTS(list);

	(void)timeouts;
	if (status == ARES_SUCCESS)
		status = ares_parse_a_reply(reply, length, NULL, list, &n);
	for (int i = 0; status == ARES_SUCCESS && i < n; i++)
		add(&resolver->four, AF_INET, &list[i].ipaddr, sizeof(list[i].ipaddr),
		    resolver->port);
	resolver->four.status = status;
	resolver->waiting--;
}

/*
 * All that c-ares would look for elsewhere is given: our own resolv.conf, the name of our host, whose domain is none of the target's business,
 * and our environment (LOCALDOMAIN, RES_OPTIONS, HOSTALIASES). ares_init_options(3)
 */
static int open_channel(struct resolver *resolver, const struct resolv_conf *conf)
{
	char nowhere[] = "/dev/null", lookups[] = "b"; /* no file: hosts(5) was read */
	char *domains[RESOLV_DOMAINS], servers[RESOLV_SERVERS * (RESOLV_WORD + 2)];
	struct ares_options options = {
		.flags = ARES_FLAG_NOALIASES | (conf->use_tcp ? ARES_FLAG_USEVC : 0),
		.timeout = conf->timeout * 1000,
		.tries = conf->attempts,
		.ndots = conf->ndots,
		.domains = domains,
		.ndomains = (int)conf->n_domains,
		.lookups = lookups,
		.sock_state_cb = watch,
		.sock_state_cb_data = resolver,
		.resolvconf_path = nowhere,
	};
	size_t n = 0;
	int r;

	for (size_t i = 0; i < conf->n_domains; i++)
		domains[i] = (char *)(uintptr_t)conf->domains[i];
	for (size_t i = 0; i < conf->n_servers; i++)
		n += format_safe(servers + n, sizeof(servers) - n, "%s%s", i ? "," : "",
				 conf->servers[i]);
	r = ares_init_options(&resolver->channel, &options,
			      ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
				      ARES_OPT_NDOTS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
				      ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF |
				      (conf->rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE));
	if (r == ARES_SUCCESS)
		r = ares_set_servers_csv(resolver->channel, servers);
	if (r != ARES_SUCCESS)
		return r == ARES_ENOMEM ? -ENOMEM : -EINVAL;
	ares_set_socket_functions(resolver->channel, &socket_functions, resolver);
	return 0;
}

static int ask(struct resolver *resolver, const struct names *names, int family)
{
	struct resolv_conf conf;
	int r;

	resolv_conf_parse(names->resolv_conf.data, &conf);
	resolver->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (resolver->epoll < 0)
		return -errno;
	r = open_channel(resolver, &conf);
	if (r < 0)
		return r;
	resolver->waiting = family == AF_UNSPEC ? 2 : 1;
	if (family != AF_INET)
		ares_search(resolver->channel, resolver->host, ns_c_in, ns_t_aaaa, take_six,
			    resolver);
	if (family != AF_INET6)
		ares_search(resolver->channel, resolver->host, ns_c_in, ns_t_a, take_four,
			    resolver);
	return 0;
}

/* RFC 6761: never asked for. */
static bool is_localhost(const char *host)
{
	static const char name[] = "localhost";
	size_t length = strlen(host), own = sizeof(name) - 1;

	return length >= own && strcasecmp(host + length - own, name) == 0 &&
	       (length == own || host[length - own - 1] == '.');
}

static void find_here(struct resolver *resolver, const struct names *names, int family)
{
	struct answers *all = &resolver->all;

	all->n = hosts_find(names->hosts.data, resolver->host, family, resolver->port, all->list,
			    ELEMENTS(all->list));
	if (all->n > 0 || !is_localhost(resolver->host))
		return;
	if (family != AF_INET6)
		address_loopback(AF_INET, resolver->port, &all->list[all->n++]);
	if (family != AF_INET)
		address_loopback(AF_INET6, resolver->port, &all->list[all->n++]);
}

int resolver_start(const struct socket_place *place, const struct names *names,
		   const struct address *address, struct resolver **ret, struct cj_error *err)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	int r = 0;

	if (!resolver)
		return cj_fail(err, ENOMEM, "look for %s", address->host);
	resolver->place = place;
	resolver->port = address->port;
	resolver->epoll = -EBADF;
	memcpy(resolver->host, address->host, sizeof(resolver->host));
	find_here(resolver, names, address->family);
	if (resolver->all.n == 0 && names->hosts_error < 0)
		r = cj_fail(err, -names->hosts_error, "read /etc/hosts");
	if (resolver->all.n == 0 && names->resolv_error < 0)
		r = cj_fail(err, -names->resolv_error, "read /etc/resolv.conf");
	if (resolver->all.n == 0 && r == 0)
		r = ask(resolver, names, address->family);
	if (r < 0) {
		resolver_free(resolver);
		return cj_fail(err, -r, "look for %s", address->host);
	}
	*ret = resolver;
	return 0;
}

void resolver_free(struct resolver *resolver)
{
	if (!resolver)
		return;
	if (resolver->channel)
		ares_destroy(resolver->channel);
	close_fd(&resolver->epoll);
	free(resolver);
}

int resolver_fd(const struct resolver *resolver)
{
	return resolver->epoll;
}

int resolver_timeout(const struct resolver *resolver)
{
	struct timeval left;

	if (resolver->waiting == 0)
		return 0;
	if (!ares_timeout(resolver->channel, NULL, &left))
		return -1;
	return (int)(left.tv_sec * 1000 + left.tv_usec / 1000) + 1;
}

static void take_events(struct resolver *resolver)
{
	struct epoll_event events[8];
	int n = epoll_wait(resolver->epoll, events, ELEMENTS(events), 0);

	for (int i = 0; i < n; i++) {
		bool in = events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP);

		ares_process_fd(resolver->channel, in ? events[i].data.fd : ARES_SOCKET_BAD,
				events[i].events & EPOLLOUT ? events[i].data.fd : ARES_SOCKET_BAD);
	}
	if (n <= 0)
		ares_process_fd(resolver->channel, ARES_SOCKET_BAD,
				ARES_SOCKET_BAD); /* who is late */
}

static bool nobody_answers(int status)
{
	return status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED || status == ARES_ESERVFAIL;
}

/* By turns, so that many of one family don't keep the other from being tried. RFC 8305, 4 */
static void join(struct answers *all, const struct answers *one, const struct answers *other)
{
	for (size_t i = 0; i < HOSTS_MAX; i++) {
		if (i < one->n && all->n < ELEMENTS(all->list))
			all->list[all->n++] = one->list[i];
		if (i < other->n && all->n < ELEMENTS(all->list))
			all->list[all->n++] = other->list[i];
	}
}

int resolver_step(struct resolver *resolver, struct cj_error *err)
{
	int status;

	if (resolver->all.n > 0)
		return 1;
	take_events(resolver);
	if (resolver->waiting > 0)
		return 0;
	join(&resolver->all, &resolver->six, &resolver->four);
	if (resolver->all.n > 0)
		return 1;
	if (resolver->no_socket)
		return cj_fail(err, -resolver->no_socket, "look for %s", resolver->host);
	status = nobody_answers(resolver->six.status) ? resolver->six.status
						      : resolver->four.status;
	if (nobody_answers(status))
		return cj_fail(err, EHOSTUNREACH, "look for %s: %s", resolver->host,
			       ares_strerror(status));
	return cj_fail(err, ENOENT, "look for %s", resolver->host);
}

const struct sockaddr_storage *resolver_found(const struct resolver *resolver, size_t *ret_n)
{
	*ret_n = resolver->all.n;
	return resolver->all.list;
}
