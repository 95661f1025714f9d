/* SPDX-License-Identifier: MIT */
#include "sys/pidfd_info.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "sys/proc.h"

/* struct pidfd_info of linux/pidfd.h (6.13) in its first size, which the kernel goes on to take. */
struct exit_info {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t pids[3];
	uint32_t ids[8];
	int32_t status;
};

_Static_assert(sizeof(struct exit_info) == 64, "PIDFD_INFO_SIZE_VER0");

enum { REAPED_TRIES = 3 };

#define GET_INFO _IOWR(0xFF, 11, struct exit_info)
#define INFO_EXIT (UINT64_C(1) << 3) /* 6.15 */

/* Returns 1 when it's known, 0 not yet, -errno where the kernel doesn't have the call. */
static int reaped_status(int pidfd, int *ret)
{
	struct exit_info info;
	int r;

	/* ESRCH: it was reaped between two looks of the kernel's; then it's known the next time. */
	for (int i = 0; i < REAPED_TRIES; i++) {
		info = (struct exit_info){.mask = INFO_EXIT};
		r = ioctl(pidfd, GET_INFO, &info) < 0 ? -errno : 0;
		if (r != -ESRCH)
			break;
	}
	if (r < 0)
		return r;
	if (!(info.mask & INFO_EXIT))
		return 0;
	*ret = info.status;
	return 1;
}

/* Field 52 of stat. The name, field 2, may hold anything, also blanks and brackets. */
static int parse_exit_code(const char *stat, int *ret)
{
	const char *at = strrchr(stat, ')');
	long status;
	char *end;

	for (int field = 2; at && field < 52; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -EBADMSG;
	status = strtol(at + 1, &end, 10);
	if (end == at + 1 || status < 0 || status > 0xffff)
		return -EBADMSG;
	*ret = (int)status;
	return 0;
}

/*
 * Who may not trace it reads 0, which is a status as well. Whether we may tells the link `exe`, which
 * points nowhere in a zombie, after the same check. A process that is gone has no such link either,
 * so it's asked for first, and stat must be there afterwards. proc(5)
 */
static int zombie_status(int proc, int *ret)
{
	char link[8], stat[2048];
	bool may_see = proc_readlink(proc, "exe", link, sizeof(link)) == -ENOENT;
	ssize_t n = proc_read_small(proc, "stat", stat, sizeof(stat));
	int r = n < 0 ? (int)n : parse_exit_code(stat, ret);

	return r == 0 && !may_see ? -EACCES : r;
}

int pidfd_exit_status(int pidfd, int proc, int *ret_status)
{
	int reaped = reaped_status(pidfd, ret_status);
	int status;

	if (reaped == 1)
		return 0;
	/* Kernels without the call may say what the main thread ended with, which is 0. */
	if (zombie_status(proc, &status) == 0 && (status != 0 || reaped == 0)) {
		*ret_status = status;
		return 0;
	}
	/* It may have been reaped while we looked there. */
	reaped = reaped == 0 ? reaped_status(pidfd, ret_status) : reaped;
	if (reaped == 1)
		return 0;
	return reaped == 0 ? -EAGAIN : -ENODATA;
}
