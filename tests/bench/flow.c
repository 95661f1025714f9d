/* SPDX-License-Identifier: MIT
 *
 * Bytes for a forwarder to move: one end that swallows them, one that sends them over many connections at a time and takes the time.
 * Not here: what is in between.
 *
 *	flow sink			prints its port of 127.0.0.1; counts what comes over each connection, to its end, and answers how much it was
 *	flow source PORT N BYTES	connects N times, prints a line, waits for one, sends BYTES over each, all at once, and prints how many ns it
 *					took until all answers were there, and right
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, BUFFER = 128 << 10, ROUNDS = 8 };

static char buf[BUFFER];
static int epoll;

struct stream {
	int fd;
	bool listens, connected;
	uint64_t n; /* of the sink: bytes that came; of the source: that are to be sent yet */
};

/* 0: not such a number */
static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	return *end == '\0' && n <= max ? n : 0;
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static struct stream *watch(int fd, uint32_t events)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	struct epoll_event event = {.events = events, .data.ptr = stream};

	if (!stream || fd < 0)
		err(1, "a connection");
	stream->fd = fd;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "watch a connection");
	return stream;
}

static uint64_t now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* --- the sink --- */

static void swallow(struct stream *stream)
{
	ssize_t n = 1;

	/* What is there, but others have something, too. */
	for (int i = 0; i < ROUNDS && n > 0; i++) {
		n = recv(stream->fd, buf, sizeof(buf), MSG_DONTWAIT);
		stream->n += n > 0 ? (uint64_t)n : 0;
	}
	if (n > 0 || (n < 0 && errno == EAGAIN))
		return;
	if (n == 0 && send(stream->fd, &stream->n, sizeof(stream->n), MSG_NOSIGNAL) < 0)
		warn("answer");
	(void)close(stream->fd);
	free(stream);
}

static _Noreturn void sink(void)
{
	struct sockaddr_in name = loopback(0);
	socklen_t length = sizeof(name);
	struct epoll_event events[EVENTS];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, length) < 0 || listen(fd, INT16_MAX) < 0 ||
	    getsockname(fd, (struct sockaddr *)&name, &length) < 0)
		err(1, "listen");
	watch(fd, EPOLLIN)->listens = true;
	(void)printf("%d\n", ntohs(name.sin_port));
	(void)fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct stream *stream = events[i].data.ptr;

			if (stream->listens)
				(void)watch(accept(fd, NULL, NULL), EPOLLIN);
			else
				swallow(stream);
		}
	}
}

/* --- the source --- */

/* True: all is sent, and the answer is there. */
static bool send_more(struct stream *stream, uint64_t bytes)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = stream};
	uint64_t answer;
	ssize_t n = 1;

	if (stream->n == 0) {
		if (recv(stream->fd, &answer, sizeof(answer), MSG_WAITALL) != sizeof(answer))
			err(1, "no answer");
		if (answer != bytes)
			errx(1, "%llu bytes of %llu have arrived", (unsigned long long)answer,
			     (unsigned long long)bytes);
		(void)close(stream->fd);
		return true;
	}
	for (int i = 0; i < ROUNDS && n > 0 && stream->n > 0; i++) {
		n = send(stream->fd, buf, stream->n < BUFFER ? stream->n : BUFFER,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		stream->n -= n > 0 ? (uint64_t)n : 0;
	}
	if (n < 0 && errno != EAGAIN)
		err(1, "send");
	if (stream->n == 0 && (shutdown(stream->fd, SHUT_WR) < 0 ||
			       epoll_ctl(epoll, EPOLL_CTL_MOD, stream->fd, &event) < 0))
		err(1, "end of a connection");
	return false;
}

static int source(int port, int connections, uint64_t bytes)
{
	struct sockaddr_in name = loopback(port);
	struct epoll_event events[EVENTS];
	uint64_t begin;

	for (int i = 0; i < connections; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
			err(1, "connect");
		watch(fd, EPOLLOUT)->n = bytes;
	}
	(void)printf("connected\n");
	(void)fflush(stdout);
	if (read(STDIN_FILENO, buf, 1) < 0)
		err(1, "read");
	begin = now();
	for (int left = connections; left > 0;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++)
			if (send_more(events[i].data.ptr, bytes))
				left--;
	}
	(void)printf("%llu\n", (unsigned long long)(now() - begin));
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	uint64_t bytes;
	int port, n;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	epoll = epoll_create1(0);
	if (epoll < 0)
		err(1, "epoll");
	if (argc == 2 && strcmp(argv[1], "sink") == 0)
		sink();
	if (argc == 5 && strcmp(argv[1], "source") == 0) {
		port = (int)number(argv[2], UINT16_MAX);
		n = (int)number(argv[3], 100000);
		bytes = number(argv[4], 1ULL << 50);
		if (port && n && bytes)
			return source(port, n, bytes);
	}
	errx(2, "usage: flow sink, or flow source PORT N BYTES");
}
