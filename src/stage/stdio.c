/* SPDX-License-Identifier: MIT
 *
 * What becomes 0, 1 and 2 of the command, put there by the stage when it has the target's root and ids.
 * Not here: which files those are (lib/launch_prepare.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "stage/stage.h"

enum { NULL_DEVICE = 1 << 8 | 3 }; /* makedev(1, 3), null(4) */

/*
 * The target's own null device instead of ours: who has a file open can change its mode and its owner,
 * and root inside may be root here. The target's /dev may hold anything; what isn't that device is left
 * alone, and ours stays.
 */
static void use_own_null(int number)
{
	_cleanup_fd_ int fd =
		open("/dev/null", O_RDWR | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != NULL_DEVICE)
		return;
	(void)fcntl(fd, F_SETFL, O_RDWR);
	(void)dup2(fd, number);
}

int arrange_stdio(const struct orders *orders, struct cj_error *err)
{
	for (int i = 0; i < 3; i++) {
		int r = orders->stdio[i] == i ? fcntl(i, F_SETFD, 0) : dup2(orders->stdio[i], i);

		if (r < 0)
			return cj_fail(err, errno, "set up fd %d", i);
	}
	for (int i = 0; i < 3; i++)
		if (orders->null[i])
			use_own_null(i);
	return STEP_NOTHING;
}
