/* SPDX-License-Identifier: MIT
 *
 * The terminal of a command: in the devpts of the view that it'll have, so that `tty` works there.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <conjoin/child.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/plan.h"
#include "sys/pty.h"

/* The uid that will own the command, in our numbers: what it opens again must be its own. */
static int give_to_command(const struct cj_plan *plan, int slave)
{
	uint32_t uid = plan->uid[1];

	if (plan_crosses_users(plan) &&
	    !idmap_to_outside(&plan->facts.target.uid_map, plan->uid[1], &uid))
		return -EINVAL;
	return fchown(slave, uid, (gid_t)-1) < 0 ? -errno : 0;
}

enum { OPEN_MS = 2000 };

static int time_for(const struct cj_plan *plan)
{
	int64_t left = plan->facts.deadline ? plan->facts.deadline - clock_ms() : OPEN_MS;

	return left < 0 ? 0 : left < OPEN_MS ? (int)left : OPEN_MS;
}

static bool in_target_view(const struct cj_plan *plan)
{
	return plan->view.kind != VIEW_HOST && plan->join[NAMESPACE_MNT] &&
	       plan->facts.root_fd >= 0;
}

int cj_pty_open(struct cj_plan *plan, unsigned short rows, unsigned short columns, int *ret_master,
		int *ret_slave, struct cj_error *err)
{
	struct winsize size = {.ws_row = rows, .ws_col = columns};
	_cleanup_fd_ int master = -EBADF, slave = -EBADF;
	bool inside = in_target_view(plan), found = false;
	int r = -ENOENT;

	if (inside)
		r = pty_open_beneath(plan->facts.root_fd, "dev/pts/ptmx", time_for(plan), &master,
				     &slave);
	if (r == -ETIMEDOUT)
		return cj_fail(err, ETIMEDOUT, "open a pty in the target's devpts");
	found = r == 0;
	if (r < 0) /* a container without devpts, or a fake one */
		r = pty_open_own(&master, &slave);
	if (r < 0)
		return cj_fail(err, -r, "open a pty");
	/* Not ours to give away without privileges; then it stays ours, and we are that user. */
	r = give_to_command(plan, slave);
	if (r < 0 && r != -EPERM && r != -EINVAL)
		return cj_fail(err, -r, "give the pty to uid %u", plan->uid[1]);
	if (rows && ioctl(master, TIOCSWINSZ, &size) < 0)
		return cj_fail(err, errno, "set the size of the pty");
	*ret_master = take_fd(&master);
	*ret_slave = take_fd(&slave);
	return inside && !found;
}
