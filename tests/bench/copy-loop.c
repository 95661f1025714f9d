/* SPDX-License-Identifier: MIT
 *
 * What a forwarding loop is at its simplest: one connection, one buffer of a page, read(2) and write(2). What conjoin's throughput is
 * compared with.
 *
 *	copy-loop PORT	(of 127.0.0.1) prints its own port, and serves connections one after the other
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listen_somewhere(void)
{
	struct sockaddr_in name = loopback(0);
	socklen_t length = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, length) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&name, &length) < 0)
		err(1, "listen");
	(void)printf("%d\n", ntohs(name.sin_port));
	(void)fflush(stdout);
	return fd;
}

/* False: there won't be any more. */
static bool copy(int from, int to)
{
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf));

	for (ssize_t done = 0, written; done < n; done += written) {
		written = write(to, buf + done, (size_t)(n - done));
		if (written < 0)
			err(1, "write");
	}
	if (n <= 0)
		(void)shutdown(to, SHUT_WR);
	return n > 0;
}

static void serve(int client, int other)
{
	struct pollfd ends[] = {{.fd = client, .events = POLLIN}, {.fd = other, .events = POLLIN}};

	while (ends[0].fd >= 0 || ends[1].fd >= 0) {
		if (poll(ends, 2, -1) < 0)
			err(1, "poll");
		if (ends[0].fd >= 0 && ends[0].revents && !copy(client, other))
			ends[0].fd = -1;
		if (ends[1].fd >= 0 && ends[1].revents && !copy(other, client))
			ends[1].fd = -1;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in name;
	int listening, port, on = 1;

	port = argc == 2 ? (int)strtol(argv[1], NULL, 10) : 0;
	if (port < 1 || port > UINT16_MAX)
		errx(2, "usage: copy-loop PORT");
	listening = listen_somewhere();
	name = loopback(port);
	for (;;) {
		int client = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
		int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (client < 0 || other < 0 ||
		    connect(other, (struct sockaddr *)&name, sizeof(name)) < 0)
			err(1, "connect");
		(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		(void)setsockopt(other, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		serve(client, other);
		(void)close(client);
		(void)close(other);
	}
}
