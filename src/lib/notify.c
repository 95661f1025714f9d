/* SPDX-License-Identifier: MIT */
#include "lib/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/io.h"
#include "lib/child.h"
#include "lib/options.h"
#include "lib/plan.h"
#include "lib/session_state.h"
#include "lib/target.h"
#include "sys/cgroup.h"
#include "sys/kin.h"
#include "sys/proc.h"
#include "sys/spawn.h"

/* To make a socket; and, when the command has ended, for the last messages. */
enum { LISTEN_MS = 5000, FINISH_MS = 500 };

static const char before_name[] = "NOTIFY_SOCKET=@";

struct cj_notify {
	struct cj_notify_options options; /* without the address, which is the caller's */
	struct sockaddr_un address;	  /* of the service manager */
	socklen_t address_size;
	char variable[sizeof(before_name) + NOTIFY_NAME];
	int listener; /* pidfd */
	int control;  /* to it; -EBADF: it's gone, and nothing comes any more */
	int manager;  /* connected socket; -EBADF: not yet */
	char text[NOTIFY_TEXT];
	size_t n; /* bytes to be sent to the manager, who has no room yet */
	bool told_of_others, told_of_size, told_of_failure;
};

struct cj_notify *notify_of(const struct cj_session_options *options)
{
	return SESSION_HAS(options, notify) ? options->notify : NULL;
}

__attribute__((format(printf, 4, 5))) static void tell_once(const struct cj_notify *notify,
							    bool *told, enum cj_log_level level,
							    const char *format, ...)
{
	char text[512];
	va_list args;

	if (*told || !notify->options.log || level > notify->options.log_level)
		return;
	*told = true;
	va_start(args, format);
	(void)format_safe_v(text, sizeof(text), format, args);
	va_end(args);
	notify->options.log(notify->options.log_data, level, text);
}

/* "/run/systemd/notify" or "@name". sd_notify(3) */
static int read_address(struct cj_notify *notify, const char *text)
{
	struct sockaddr_un *address = &notify->address;
	size_t length = text ? strlen(text) : 0;

	if (length < 2 || length >= sizeof(address->sun_path) || (text[0] != '/' && text[0] != '@'))
		return -EINVAL;
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, text, length + 1);
	if (text[0] == '@')
		address->sun_path[0] = '\0';
	notify->address_size =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (text[0] == '/'));
	return 0;
}

static int choose_name(struct cj_notify *notify)
{
	uint64_t random[2];

	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		return errno ? -errno : -EAGAIN;
	(void)snprintf(notify->variable, sizeof(notify->variable),
		       "%sconjoin-notify-%016llx%016llx", before_name,
		       (unsigned long long)random[0], (unsigned long long)random[1]);
	return 0;
}

int cj_notify_new(const struct cj_notify_options *options, struct cj_notify **ret,
		  struct cj_error *err)
{
	struct cj_notify_options own = CJ_NOTIFY_OPTIONS_INIT;
	_cleanup_free_ struct cj_notify *notify = NULL;
	int r = options_take(options, &own, sizeof(own), "notify options", err);

	if (r < 0)
		return r;
	notify = calloc(1, sizeof(*notify));
	if (!notify)
		return cj_fail(err, ENOMEM, "pass on notifications");
	notify->listener = notify->control = notify->manager = -EBADF;
	r = read_address(notify, own.address);
	if (r < 0)
		return cj_fail(err, -r,
			       "notify \"%s\", which is neither a path nor an abstract name",
			       own.address ? own.address : "");
	own.address = NULL;
	notify->options = own;
	r = choose_name(notify);
	if (r < 0)
		return cj_fail(err, -r, "choose a name for a socket");
	*ret = take_ptr(notify);
	return 0;
}

const char *cj_notify_variable(const struct cj_notify *notify)
{
	return notify->variable;
}

void cj_notify_free(struct cj_notify *notify)
{
	if (!notify)
		return;
	process_end(&notify->listener);
	close_fd(&notify->control);
	close_fd(&notify->manager);
	free(notify);
}

/* The listener's word that there is a socket, or why not. */
static int await_listener(struct cj_notify *notify)
{
	struct pollfd ready = {.fd = notify->control, .events = POLLIN};
	int64_t end = clock_ms() + LISTEN_MS;
	struct notify_report report;
	ssize_t n;
	int r;

	do {
		int64_t left = end - clock_ms();

		r = poll(&ready, 1, left > 0 ? (int)left : 0);
	} while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r == 0 ? -ETIMEDOUT : -errno;
	n = io_read(notify->control, &report, sizeof(report));
	if (n < (ssize_t)offsetof(struct notify_report, text))
		return n < 0 ? (int)n : -ECHILD;
	return -report.code;
}

int cj_notify_listen(struct cj_notify *notify, const struct cj_plan *plan, struct cj_error *err)
{
	struct notify_place place = {
		.target = plan->join[NAMESPACE_NET] ? plan->target->ref.fd : -EBADF,
		.dies_with_caller = !notify->options.threaded,
		.caller = getpid(),
		.name = notify->variable + strlen(before_name),
	};
	_cleanup_fd_ int theirs = -EBADF;
	int fds[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return cj_fail(err, errno, "make a pair of sockets");
	notify->control = fds[0];
	place.control = theirs = fds[1];
	pid = process_spawn(-1, &notify->listener);
	if (pid == 0)
		notify_listener(&place);
	if (pid < 0)
		return cj_fail(err, -pid, "make the process that listens for notifications");
	close_fd(&theirs);
	r = await_listener(notify);
	if (r == 0)
		return 0;
	(void)cj_fail(err, -r, "make a notify socket%s",
		      place.target >= 0 ? " in the target's net namespace" : "");
	return target_explain(plan->target, r, err);
}

static int connect_manager(struct cj_notify *notify)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	close_fd(&notify->manager);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&notify->address, notify->address_size) < 0)
		return -errno;
	notify->manager = take_fd(&fd);
	return 0;
}

static int send_once(struct cj_notify *notify)
{
	int r = notify->manager < 0 ? connect_manager(notify) : 0;

	if (r == 0 && send(notify->manager, notify->text, notify->n, MSG_NOSIGNAL) < 0)
		r = -errno;
	return r;
}

/* Tells the listener that it may go on, when nothing waits for the manager any more. */
static void send_text(struct cj_notify *notify)
{
	int r = notify->n > 0 ? send_once(notify) : 0;

	if (r < 0 && r != -EAGAIN) {
		close_fd(
			&notify->manager); /* a manager that was started again has another socket there */
		r = send_once(notify);
	}
	if (r == -EAGAIN)
		return;
	if (r < 0)
		tell_once(notify, &notify->told_of_failure, CJ_LOG_WARNING,
			  "a notification of the command was lost: %s", strerror(-r));
	notify->n = 0;
	(void)send(notify->control, &(char){NOTIFY_NEXT}, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* "/a/NAME", "/a/NAME/b" */
static bool has_component(const char *path, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = path; (at = strstr(at, name)); at += length)
		if (at > path && at[-1] == '/' && (at[length] == '/' || at[length] == '\0'))
			return true;
	return false;
}

static bool in_own_cgroup(const struct own_cgroups *own, int proc)
{
	_cleanup_(cgroup_list_done) struct cgroup_list list = CGROUP_LIST_INIT;

	if (own->n == 0 || cgroup_list_read(proc, &list) < 0)
		return false;
	for (size_t i = 0; i < own->n; i++)
		for (size_t j = 0; j < list.n && own->list[i].name; j++)
			if (has_component(list.entries[j].path, own->list[i].name))
				return true;
	return false;
}

/*
 * Is the sender a process of the command's? The kernel has said who it was. Who has ended since and was waited for
 * can't be told from anybody else, but for the command itself.
 */
static bool is_ours(const struct cj_child *child, pid_t pid)
{
	_cleanup_fd_ int proc = -EBADF;
	struct kin kin;

	if (pid == child->pid)
		return true;
	if (proc_open(pid, &proc, NULL) < 0)
		return false;
	return (kin_read(proc, &kin) == 0 && kin.session == child->pid) ||
	       in_own_cgroup(&child->own, proc);
}

static void take_message(struct cj_notify *notify, const struct cj_child *child,
			 const struct notify_report *report, size_t size)
{
	ssize_t n = report->code ? -report->code
				 : notify_filter(report->text, size, getpid(), notify->text);

	if (n == 0) /* a barrier, for one, whose sender has had its answer and may be gone */
		return;
	if (!is_ours(child, report->pid)) {
		tell_once(
			notify, &notify->told_of_others, CJ_LOG_WARNING,
			"a notification of process %d, which isn't one of the command's, was dropped",
			report->pid);
		return;
	}
	if (n < 0)
		tell_once(notify, &notify->told_of_size, CJ_LOG_STEP,
			  "a notification of the command was dropped: it's too long");
	else
		notify->n = (size_t)n;
}

/* Takes the next report. False: there is none, now or ever. */
static bool take_report(struct cj_notify *notify, const struct cj_child *child)
{
	struct notify_report report;
	ssize_t n = recv(notify->control, &report, sizeof(report), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < (ssize_t)offsetof(struct notify_report, text) || report.pid == 0) {
		close_fd(&notify->control); /* killed by somebody, or done */
		return false;
	}
	take_message(notify, child, &report, (size_t)n - offsetof(struct notify_report, text));
	return true;
}

struct pollfd notify_wants(const struct cj_notify *notify)
{
	if (!notify || notify->control < 0)
		return (struct pollfd){.fd = -1};
	if (notify->n > 0)
		return (struct pollfd){.fd = notify->manager, .events = POLLOUT};
	return (struct pollfd){.fd = notify->control, .events = POLLIN};
}

void notify_step(struct cj_notify *notify, const struct cj_child *child)
{
	if (notify->n > 0 || take_report(notify, child))
		send_text(notify);
}

void notify_finish(struct cj_notify *notify, const struct cj_child *child)
{
	int64_t end = clock_ms() + FINISH_MS, left;

	if (!notify || notify->control < 0)
		return;
	(void)send(notify->control, &(char){NOTIFY_LAST}, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (notify->control >= 0 && (left = end - clock_ms()) > 0) {
		struct pollfd fd = notify_wants(notify);

		if (poll(&fd, 1, (int)left) > 0)
			notify_step(notify, child);
	}
	close_fd(&notify->control);
}
