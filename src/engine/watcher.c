/* SPDX-License-Identifier: MIT */
#include "engine/watcher.h"

#include <errno.h>
#include <linux/capability.h>

#include "base/cleanup.h"
#include "sys/namespace.h"
#include "sys/proc.h"

int watcher_place_read(struct watcher_place *ret)
{
	_cleanup_fd_ int self = -EBADF;
	struct watcher_place place;
	int r = proc_open(0, &self, NULL);

	if (r == 0)
		r = namespace_read(self, NAMESPACE_PID, &place.pid);
	if (r == 0)
		r = namespace_read(self, NAMESPACE_USER, &place.user);
	if (r == 0)
		*ret = place;
	return r;
}

bool watcher_is_roots(int proc, const struct watcher_place *ours)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	uint64_t ns;

	if (proc_read_status(proc, &status) < 0)
		return false;
	for (int i = 0; i < 4; i++)
		if (status.uid[i] != 0)
			return false;
	return status.effective >> CAP_SYS_ADMIN & 1 &&
	       namespace_read(proc, NAMESPACE_PID, &ns) == 0 && ns == ours->pid &&
	       namespace_read(proc, NAMESPACE_USER, &ns) == 0 && ns == ours->user;
}
