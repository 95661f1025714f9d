/* SPDX-License-Identifier: MIT */
#include "lib/socket/maker.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "sys/namespace.h"
#include "sys/parcel.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"

/* For the helper to be gone, which may sit in FUSE for as long as its server likes. */
enum { KILLED_MS = 50 };

struct answer {
	struct cj_error err;
	struct unix_file file;
};

int socket_name_interface(int socket, const char *interface, struct sockaddr_storage *name)
{
	struct sockaddr_in6 *six = (void *)name;
	struct ifreq request = {.ifr_ifindex = 0};
	size_t length = strlen(interface);

	if (name->ss_family != AF_INET6 || length >= sizeof(request.ifr_name))
		return -ENODEV;
	memcpy(request.ifr_name, interface, length);
	if (ioctl(socket, SIOCGIFINDEX, &request) < 0)
		return -errno;
	six->sin6_scope_id = (uint32_t)request.ifr_ifindex;
	return 0;
}

void socket_order_unix(struct socket_order *order, const struct address *address)
{
	size_t length = strlen(address->path);

	if (address->kind != ADDRESS_ABSTRACT) {
		order->path = address->path;
		return;
	}
	order->name.ss_family = AF_UNIX;
	memcpy((char *)&order->name + sizeof(sa_family_t) + 1, address->path, length);
	order->length = (socklen_t)(sizeof(sa_family_t) + 1 + length);
}

/*
 * Files are made as the target's root user: one that isn't in the user namespace of their file system can't make any there
 * (EOVERFLOW). Leaving uid 0 takes what makes root see every directory; that's put back.
 */
static void take_file_ids(uid_t uid, gid_t gid)
{
	struct __user_cap_data_struct sets[2];

	if (sys_capget(sets) < 0)
		return;
	(void)setfsgid(gid);
	(void)setfsuid(uid);
	(void)sys_capset(sets);
}

/* In another namespace: nobody there may look into what is a copy of the caller. */
static int enter(const struct socket_place *place, const struct socket_order *order,
		 struct cj_error *err)
{
	int r = sys_prctl(PR_SET_DUMPABLE, 0, 0);

	if (r == 0 && place->pidfd >= 0)
		r = namespace_join_net(place->pidfd);
	if (r < 0)
		return cj_fail(err, -r, "join the net namespace");
	if (order->path && r > 0)
		take_file_ids(0, 0); /* in the user namespace that was joined with it */
	else if (order->path)
		take_file_ids(place->uid, place->gid);
	return 0;
}

/* To who waits for it, who may be killed, and perhaps was; it may sit in a file system that never answers. */
static void stay_bound(int out)
{
	struct pollfd caller = {.fd = out};

	(void)sys_prctl(PR_SET_DUMPABLE, 0, 0);
	(void)sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0);
	if (poll(&caller, 1, 0) > 0)
		_exit(1);
}

/* Bound, and listening. */
static int listen_on(int fd, const struct socket_place *place, struct socket_order *order,
		     struct answer *answer)
{
	int on = 1, r;

	if (order->path) {
		r = unix_bind_beneath(fd, place->root, order->path, order->mode, &answer->file);
	} else {
		if (order->domain != AF_UNIX)
			(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (order->domain == AF_INET6 &&
		    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &order->v6only, sizeof(int)) < 0)
			return cj_fail(&answer->err, errno, "set IPV6_V6ONLY");
		r = order->interface ? socket_name_interface(fd, order->interface, &order->name)
				     : 0;
		if (r < 0)
			return cj_fail(&answer->err, -r, "look for interface %s", order->interface);
		r = bind(fd, (const struct sockaddr *)&order->name, order->length) < 0 ? -errno : 0;
	}
	if (r < 0)
		return cj_fail(&answer->err, -r, "listen on %s", order->text);
	if (listen(fd, order->backlog) < 0)
		return cj_fail(&answer->err, errno, "listen on %s", order->text);
	/* Until then it looked abandoned: somebody else may have replaced it. */
	if (order->path && !unix_is_at(place->root, order->path, &answer->file))
		return cj_fail(&answer->err, EADDRINUSE, "listen on %s", order->text);
	return 0;
}

static int connect_to(int fd, const struct socket_place *place, const struct socket_order *order,
		      struct cj_error *err)
{
	int r;

	if (order->path)
		r = unix_connect_beneath(fd, place->root, order->path);
	else
		r = connect(fd, (const struct sockaddr *)&order->name, order->length) < 0 ? -errno
											  : 0;
	return r < 0 ? cj_fail(err, -r, "connect to %s", order->text) : 0;
}

/* Returns how many sockets there are. */
static int do_order(const struct socket_place *place, struct socket_order *order,
		    struct answer *answer, int *sockets)
{
	int n = 0, r = 0;

	if (order->act == SOCKET_UNLINK) {
		r = unix_unlink_beneath(place->root, order->path, &order->file);
		return r < 0 ? cj_fail(&answer->err, -r, "remove the socket's file") : 0;
	}
	do {
		sockets[n] = socket(order->domain, order->type | SOCK_CLOEXEC, order->protocol);
		if (sockets[n] < 0)
			return cj_fail(&answer->err, errno, "make a socket");
	} while (++n < (int)order->count);
	if (order->act == SOCKET_LISTEN)
		r = listen_on(sockets[0], place, order, answer);
	else if (order->act == SOCKET_CONNECT)
		r = connect_to(sockets[0], place, order, &answer->err);
	return r < 0 ? r : n;
}

/* A copy of a caller with perhaps many threads: async-signal-safe calls only. */
static _Noreturn void run(const struct socket_place *place, const struct socket_order *order,
			  int out)
{
	int keep[] = {place->pidfd, place->root, out}, sockets[PARCEL_FILES_MAX], n;
	struct answer answer = {.err = CJ_ERROR_INIT};
	struct socket_order own = *order;

	(void)sys_prctl(PR_SET_NAME, (unsigned long)"conjoin-socket", 0);
	sys_close_all_but_these(keep,
				ELEMENTS(keep)); /* the caller's pipes mustn't stay open for it */
	n = enter(place, order, &answer.err);
	if (n == 0)
		stay_bound(out); /* after that: changed credentials undo both */
	if (n == 0)
		n = do_order(place, &own, &answer, sockets);
	(void)parcel_send(out, &answer, sizeof(answer), sockets, n > 0 ? (size_t)n : 0);
	_exit(0);
}

void maker_done(struct maker *maker)
{
	close_fd(&maker->answer);
	process_end_within(&maker->helper, KILLED_MS);
	*maker = (struct maker)MAKER_INIT;
}

int maker_start(const struct socket_place *place, const struct socket_order *order,
		struct maker *ret, struct cj_error *err)
{
	_cleanup_fd_ int in = -EBADF, out = -EBADF;
	int helper = -EBADF, r;
	pid_t pid;

	if (order->path && place->root < 0)
		return cj_fail(err, place->root_error, "open the target's root");
	r = parcel_pair(&in, &out);
	if (r < 0)
		return cj_fail(err, -r, "make a socket pair");
	pid = process_spawn(-1, &helper);
	if (pid == 0)
		run(place, order, out);
	if (pid < 0)
		return cj_fail(err, -pid, "make a process for the socket");
	ret->helper = helper;
	ret->answer = take_fd(&in);
	return 0;
}

/* What it tells is believed: it's a copy of us that executes nothing, and nobody inside can write to it. */
int maker_finish(struct maker *maker, int ms, int *ret_sockets, size_t max,
		 struct unix_file *ret_file, struct cj_error *err)
{
	struct answer answer;
	int n = parcel_receive(maker->answer, ms, &answer, sizeof(answer), ret_sockets, max);

	maker_done(maker);
	if (n == -ETIMEDOUT)
		return cj_fail(err, ETIMEDOUT, "wait for the process that makes the socket");
	if (n < 0)
		return cj_fail(err, -n, "take the socket from the process that makes it");
	if (answer.err.code) {
		if (err && !err->code)
			*err = answer.err;
		return -answer.err.code;
	}
	if (ret_file)
		*ret_file = answer.file;
	return n;
}

int sockets_make(const struct socket_place *place, const struct socket_order *order, int ms,
		 int *ret_sockets, size_t max, struct unix_file *ret_file, struct cj_error *err)
{
	_cleanup_(maker_done) struct maker maker = MAKER_INIT;
	int r;

	if (place->pidfd < 0 && order->act == SOCKET_MAKE &&
	    order->count == 1) { /* no namespace to join */
		r = socket(order->domain, order->type | SOCK_CLOEXEC, order->protocol);
		if (r < 0)
			return cj_fail(err, errno, "make a socket");
		ret_sockets[0] = r;
		return 1;
	}
	r = maker_start(place, order, &maker, err);
	return r < 0 ? r : maker_finish(&maker, ms, ret_sockets, max, ret_file, err);
}
