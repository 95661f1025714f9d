/* SPDX-License-Identifier: MIT */
#include "sys/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "sys/kin.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

enum { STOP_ROUNDS = 100, STATUS_LIMIT = 1 << 20 };

/* Who is meant: of `session`, and, if not 0, of `group`. */
struct members {
	pid_t session, group;
	bool running; /* those that are stopped aren't */
};

/* Its first thread may have ended before the others: then it's "Z" and lives. So that's asked of a pidfd. */
static bool is_member(pid_t pid, const struct members *who)
{
	_cleanup_fd_ int proc = -EBADF;
	struct kin kin;

	return proc_open(pid, &proc, NULL) == 0 && kin_read(proc, &kin) == 0 &&
	       kin.session == who->session && (!who->group || kin.group == who->group) &&
	       !(who->running && (kin.stopped || kin.ended));
}

static bool is_alive(int pidfd)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};

	return poll(&ended, 1, 0) == 0;
}

/* 1 if it's in there. Looked at between the opening and the signal, alive: so it's the one that was opened. */
static int signal_one(pid_t pid, const struct members *who, int signal)
{
	_cleanup_fd_ int pidfd = -EBADF;
	int r;

	if (!is_member(pid, who))
		return 0;
	pidfd = sys_pidfd_open(pid, 0);
	if (pidfd < 0)
		return pidfd == -ESRCH ? 0 : pidfd;
	if (!is_member(pid, who) || !is_alive(pidfd))
		return 0;
	r = signal ? sys_pidfd_send_signal(pidfd, signal) : 0;
	return r < 0 && r != -ESRCH ? r : 1;
}

/*
 * Has somebody else got the number since, or can't that be told? Session 0 is the kernel's, and of all from outside of our
 * pid namespace.
 */
static bool is_recycled(const struct session_leader *leader)
{
	uint64_t start;

	if (leader->pid <= 0 || leader->start == 0)
		return true;
	return proc_start_time_of(leader->pid, &start) == 0 && start != leader->start;
}

static int signal_members(const struct members *who, int signal)
{
	_cleanup_fd_ int proc = open(PROC_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char buf[4096] __attribute__((aligned(8)));
	int found = 0, failure = 0, n;

	if (proc < 0)
		return -errno;
	while ((n = sys_getdents(proc, buf, sizeof(buf))) > 0)
		for (int at = 0; at < n;) {
			const struct directory_entry *entry = (const void *)(buf + at);
			pid_t pid;
			int r;

			at += entry->length;
			if (parse_pid(entry->name, &pid) < 0)
				continue;
			r = signal_one(pid, who, signal);
			if (r < 0)
				failure = r;
			else
				found += r;
		}
	if (n < 0)
		return n;
	return found == 0 && failure < 0 ? failure : found;
}

int session_signal(const struct session_leader *leader, int signal)
{
	const struct members who = {.session = leader->pid};

	return is_recycled(leader) ? 0 : signal_members(&who, signal);
}

/* 1 if that was possible. Opened, then looked at, alive: so what is opened leads a group of the session. */
static int signal_by_leader(const struct members *who, int signal)
{
	_cleanup_fd_ int pidfd = sys_pidfd_open(who->group, 0);
	int r;

	if (pidfd < 0)
		return pidfd;
	if (!is_member(who->group, who) || !is_alive(pidfd))
		return -ESRCH;
	r = sys_pidfd_signal_group(pidfd, signal);
	return r < 0 ? r : 1;
}

int session_signal_group(const struct session_leader *leader, pid_t group, int signal)
{
	const struct members who = {.session = leader->pid, .group = group};
	int r;

	if (is_recycled(leader))
		return 0;
	r = signal_by_leader(&who, signal);
	return r > 0 ? r
		     : signal_members(&who, signal); /* the leader has ended, or the kernel can't */
}

void session_stop(const struct session_leader *leader)
{
	const struct members who = {.session = leader->pid, .running = true};

	if (is_recycled(leader))
		return;
	for (int i = 0; i < STOP_ROUNDS && signal_members(&who, SIGSTOP) > 0; i++)
		(void)poll(NULL, 0, i > 2); /* to have stopped */
}

/* "SigCgt:\t0000000000000002". proc(5) */
bool session_leader_handles(const struct session_leader *leader, int signal)
{
	static const char field[] = "\nSigCgt:\t";
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int proc = -EBADF;
	const char *at;

	if (proc_open(leader->pid, &proc, NULL) < 0 ||
	    proc_read(proc, "status", STATUS_LIMIT, &text) < 0)
		return false;
	at = strstr(text.data, field);
	return at && strtoull(at + strlen(field), NULL, 16) & SIGNAL_BIT(signal);
}

bool session_leader_is_stopped(const struct session_leader *leader)
{
	_cleanup_fd_ int proc = -EBADF;
	struct kin kin;

	return proc_open(leader->pid, &proc, NULL) == 0 && kin_read(proc, &kin) == 0 && kin.stopped;
}
