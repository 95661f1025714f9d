/* SPDX-License-Identifier: MIT */
#include <conjoin/process.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/wait.h>

#include "base/io.h"
#include "lib/target.h"
#include "sys/pidfd_info.h"
#include "sys/syscalls.h"

/* How long a parent may take to wait for it. It need not ever. */
enum { REAP_MS = 5000 };

int cj_target_signal(const struct cj_target *target, int signal)
{
	return sys_pidfd_send_signal(target->ref.fd, signal);
}

static int64_t deadline_after(int timeout_ms)
{
	return timeout_ms < 0 ? INT64_MAX : clock_ms() + timeout_ms;
}

/* Returns 1 when one of `events` came (POLLHUP always counts), 0 at the deadline. */
static int wait_for(int pidfd, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd p = {.fd = pidfd, .events = events};
		int64_t left = deadline == INT64_MAX ? -1 : deadline - clock_ms();
		int ready;

		if (deadline != INT64_MAX && left < 0)
			left = 0;
		ready = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
		if (ready > 0)
			return 1;
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready == 0 && deadline <= clock_ms())
			return 0;
	}
}

static void take_status(int status, struct cj_exit *ret)
{
	*ret = (struct cj_exit){
		.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.signal = WIFEXITED(status) ? 0 : WTERMSIG(status),
		.core = !WIFEXITED(status) && WCOREDUMP(status),
	};
}

int cj_target_wait(const struct cj_target *target, int timeout_ms, struct cj_exit *ret,
		   struct cj_error *err)
{
	const struct pidref *ref = &target->ref;
	int status, r = target_check_kind(target, err);

	if (r < 0)
		return r;
	r = wait_for(ref->fd, POLLIN, deadline_after(timeout_ms));
	if (r == 0)
		return cj_fail(err, ETIMEDOUT, "wait for process %d", ref->pid);
	if (r > 0)
		r = pidfd_exit_status(ref->fd, ref->proc, &status);
	if (r == -EAGAIN) { /* who may not see a zombie's sees it when that has been reaped */
		r = wait_for(ref->fd, 0, deadline_after(REAP_MS));
		if (r >= 0)
			r = pidfd_exit_status(ref->fd, ref->proc, &status);
	}
	if (r == -EAGAIN || r == -ENODATA)
		return cj_fail(err, ENODATA, "learn how process %d ended, which it has", ref->pid);
	if (r < 0)
		return cj_fail(err, -r, "wait for process %d", ref->pid);
	take_status(status, ret);
	return 0;
}
