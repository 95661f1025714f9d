/* SPDX-License-Identifier: MIT
 *
 * The process that holds the command's NOTIFY_SOCKET. A copy of the caller, perhaps of one with threads, so
 * async-signal-safe calls only. It decides nothing: what it receives goes to the session as it is.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/notify.h"
#include "sys/namespace.h"
#include "sys/syscalls.h"

/* No more than so many messages in such a time: anybody in that net namespace can send some. */
enum { BURST = 100, BURST_MS = 100 };

struct listener {
	int control, socket;
	bool last; /* ends when there is no more */
	int64_t burst_end;
	int burst;
};

static int open_socket(const char *name)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(name);
	int on = 1;

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path + 1, name, length);
	/* Before there is a name to send to: so every message tells its sender. unix(7) */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)) < 0)
		return -errno;
	return take_fd(&fd);
}

/*
 * In another namespace we're nobody: a copy of the caller, but no process inside sees it (it's in our pid
 * namespace), and none may look into it where that's the same one.
 */
static int prepare(const struct notify_place *place, int *ret)
{
	static const struct __user_cap_data_struct none[2];
	int keep[] = {place->control, place->target};
	int r;

	(void)setsid(); /* the caller's job control isn't about us */
	(void)sys_prctl(PR_SET_NAME, (unsigned long)"conjoin-notify", 0);
	if (place->dies_with_caller)
		(void)sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0);
	if (getppid() != place->caller)
		return -ECHILD;
	sys_close_all_but_these(keep, ELEMENTS(keep));
	r = sys_prctl(PR_SET_DUMPABLE, 0, 0);
	if (r == 0)
		r = place->target < 0 ? 0 : namespace_join_net(place->target);
	if (r >= 0)
		r = sys_prctl(PR_SET_DUMPABLE, 0, 0); /* as credentials(7) change it may, too */
	if (r == 0)
		r = open_socket(place->name);
	if (r < 0)
		return r;
	*ret = r;
	if (place->target >= 0)
		(void)close(place->target);
	return sys_capset(none);
}

static void tell(const struct listener *l, const struct notify_report *report, size_t text)
{
	if (send(l->control, report, offsetof(struct notify_report, text) + text, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void listen_to_caller(struct listener *l)
{
	char word;

	if (io_read(l->control, &word, 1) != 1)
		_exit(0);
	l->last |= word == NOTIFY_LAST;
}

/* The session is done with it, or gone. It may tell us to end meanwhile. */
static void await_next(struct listener *l)
{
	char word;

	do {
		if (io_read(l->control, &word, 1) != 1)
			_exit(0);
		l->last |= word == NOTIFY_LAST;
	} while (word != NOTIFY_NEXT);
}

/*
 * There is room for the sender and nothing else: then the kernel makes no descriptors of files that come along, and drops them
 * before this returns.
 */
static ssize_t receive(int fd, struct notify_report *ret)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec text = {.iov_base = ret->text, .iov_len = sizeof(ret->text)};
	struct msghdr message = {.msg_iov = &text,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *head = n < 0 ? NULL : CMSG_FIRSTHDR(&message);
	struct ucred sender = {.pid = 0};

	if (n < 0)
		return -errno;
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_CREDENTIALS)
		memcpy(&sender, CMSG_DATA(head), sizeof(sender));
	ret->pid = sender.pid;
	ret->code = message.msg_flags & MSG_TRUNC ? EMSGSIZE : 0;
	return ret->code ? 0 : n;
}

static void slow_down(struct listener *l)
{
	int64_t now = clock_ms();

	if (now >= l->burst_end) {
		l->burst_end = now + BURST_MS;
		l->burst = 0;
	} else if (++l->burst >= BURST && !l->last) {
		(void)poll(NULL, 0, (int)(l->burst_end - now));
	}
}

static void pass_on(struct listener *l)
{
	struct notify_report report = {.pid = 0};
	ssize_t n = receive(l->socket, &report);

	if (n == -EAGAIN && l->last) {
		tell(l, &report, 0);
		_exit(0);
	}
	if (n < 0)
		return;
	if (report.pid > 0) { /* else the sender is out of our sight, and none of the command's */
		tell(l, &report, (size_t)n);
		await_next(l);
	}
	slow_down(l);
}

_Noreturn void notify_listener(const struct notify_place *place)
{
	struct listener l = {.control = place->control};
	struct notify_report report = {.pid = 0};

	report.code = -prepare(place, &l.socket);
	tell(&l, &report, 0);
	if (report.code)
		_exit(0);
	for (;;) {
		struct pollfd fds[2] = {{.fd = l.control, .events = POLLIN},
					{.fd = l.socket, .events = POLLIN}};

		if (poll(fds, 2, l.last ? 0 : -1) < 0)
			continue; /* EINTR, after a stop */
		if (fds[0].revents)
			listen_to_caller(&l);
		pass_on(&l);
	}
}
