/* SPDX-License-Identifier: MIT */
#include "cli/inetd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/io.h"

/* After accept(2) or fork(2) had nothing to give. */
enum { PAUSE_MS = 100 };

size_t inetd_wanted(const struct inetd *inetd, const struct listeners *listeners,
		    const struct workers *workers, struct pollfd *fds, size_t room)
{
	size_t n = 0;

	if (workers->n >= inetd->max || inetd_timeout(inetd) > 0)
		return 0;
	while (n < listeners->n && n < room) {
		fds[n] = (struct pollfd){.fd = listeners->list[n].fd, .events = POLLIN};
		n++;
	}
	return n;
}

int inetd_timeout(const struct inetd *inetd)
{
	int64_t left = inetd->pause - clock_ms();

	return inetd->pause == 0 || left <= 0 ? -1 : (int)left;
}

/* The address without the port: "10.0.0.1"; of a UNIX socket the uid, as we see it. An IPv4 address in disguise is told as what it is. */
static void describe(int fd, const struct sockaddr_storage *name, char source[WORKER_SOURCE],
		     unsigned int *ret_port)
{
	const struct sockaddr_in *four = (const void *)name;
	const struct sockaddr_in6 *six = (const void *)name;
	struct ucred peer = {.uid = 0};
	socklen_t size = sizeof(peer);

	*ret_port = 0;
	source[0] = '\0';
	if (name->ss_family == AF_INET) {
		(void)inet_ntop(AF_INET, &four->sin_addr, source, WORKER_SOURCE);
		*ret_port = ntohs(four->sin_port);
	} else if (name->ss_family == AF_INET6) {
		if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
			(void)inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], source,
					WORKER_SOURCE);
		else
			(void)inet_ntop(AF_INET6, &six->sin6_addr, source, WORKER_SOURCE);
		*ret_port = ntohs(six->sin6_port);
	} else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
		(void)snprintf(source, WORKER_SOURCE, "uid %u", peer.uid);
	}
}

static void start(struct cli *cli, struct inetd *inetd, int fd, const struct sockaddr_storage *name,
		  struct workers *workers)
{
	char source[WORKER_SOURCE], address[WORKER_SOURCE + 64], port[32];
	const char *const environment[] = {address, port};
	struct cj_error err = CJ_ERROR_INIT;
	unsigned int number;
	struct worker_start how = {
		.argv = inetd->argv,
		.fds = &fd,
		.n_fds = 1,
		.inetd = true,
		.leads = true,
		.environment = environment,
		.mask = inetd->mask,
		.ignores_pipe = inetd->ignores_pipe,
		.source = source,
	};

	describe(fd, name, source, &number);
	if (workers_of(workers, source) >= inetd->max_per_source) {
		(void)snprintf(address, sizeof(address), "too many connections from %s: refused",
			       source);
		cli_log_sparingly(cli, &inetd->refusals, CJ_LOG_WARNING, address);
		return;
	}
	/* As systemd has it for Accept=yes; of a UNIX socket's peer only the kernel knows. systemd.socket(5) */
	(void)snprintf(address, sizeof(address), "REMOTE_ADDR=%s", number ? source : "");
	(void)snprintf(port, sizeof(port), "REMOTE_PORT=%u", number);
	how.n_environment = number ? 2 : 0;
	if (workers_start(workers, &how, &err) == 0)
		return;
	(void)cli_error(cli, &err);
	inetd->pause = clock_ms() + PAUSE_MS;
}

/* Of a connection that is gone already, or of its network: accept(2), "Error handling". */
static bool is_transient(int error)
{
	switch (error) {
	case ECONNABORTED:
	case EINTR:
	case ENETDOWN:
	case EPROTO:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
	case EPERM:
		return true;
	default:
		return false;
	}
}

void inetd_accept(struct cli *cli, struct inetd *inetd, int listening, struct workers *workers)
{
	/* One at a time: between two of them signals are looked at, however many come. */
	if (workers->n < inetd->max && inetd_timeout(inetd) <= 0) {
		struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
		socklen_t length = sizeof(name);
		struct cj_error err = CJ_ERROR_INIT;
		_cleanup_fd_ int fd =
			accept4(listening, (struct sockaddr *)&name, &length, SOCK_CLOEXEC);

		if (fd >= 0) {
			start(cli, inetd, fd, &name, workers);
		} else if (errno == EAGAIN) {
			return;
		} else if (!is_transient(errno)) {
			inetd->lost = errno == EINVAL; /* it doesn't listen any more */
			(void)cj_fail(&err, errno, "accept a connection");
			(void)cli_error(cli, &err);
			inetd->pause = clock_ms() + PAUSE_MS;
		}
	}
}
