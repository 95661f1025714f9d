/* SPDX-License-Identifier: MIT
 *
 * comm:nginx, the only process with that name (pgrep -x): the first 15 bytes count, as the kernel
 * keeps no more.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "sys/proc.h"

enum { COMM_LENGTH = 15 };

static bool is_named(pid_t pid, const char *name)
{
	_cleanup_fd_ int proc = -EBADF;
	char comm[64];
	ssize_t n;

	if (proc_open(pid, &proc, NULL) < 0)
		return false; /* it has ended, or is hidden */
	n = proc_read_small(proc, "comm", comm, sizeof(comm));
	if (n <= 0)
		return false;
	comm[n - 1] = '\0'; /* the newline that the kernel adds; others are the name's own */
	return strncmp(comm, name, COMM_LENGTH) == 0 && strlen(comm) <= strlen(name);
}

static int find(const char *name, struct pidref *ret, struct cj_error *err)
{
	struct matches matches = {.n = 0};
	struct proc_list *list;
	int r;

	if (!name[0])
		return cj_fail(err, EINVAL, "find a process without a name");
	r = proc_list_new(&list, err);
	if (r < 0)
		return r;
	for (pid_t pid; (pid = proc_list_next(list));)
		if (pid != getpid() && is_named(pid, name))
			matches_add(&matches, pid);
	proc_list_free(list);
	return matches_open(&matches, "process named", name, ret, err);
}

const struct engine engine_comm = {.scheme = "comm", .find = find};
