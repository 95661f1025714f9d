/* SPDX-License-Identifier: MIT */
#include "sys/pidref.h"

#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/format.h"
#include "base/parse.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

#define PIDFS_MAGIC 0x50494446 /* linux/magic.h of 6.9, PID_FS_MAGIC */

/*
 * What tells this process from a later one with the same PID. Until 6.9 all pidfds shared one
 * anonymous inode, so its number says nothing; the start time does, at a resolution of 10 ms.
 */
static int read_id(struct pidref *ref)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(ref->fd, &fs) == 0 && fs.f_type == PIDFS_MAGIC && fstat(ref->fd, &st) == 0) {
		ref->id = st.st_ino;
		ref->id_is_inode = true;
		return 0;
	}
	ref->id_is_inode = false;
	return proc_read_start_time(ref->proc, &ref->id);
}

int pidref_open(pid_t pid, struct pidref *ret, struct cj_error *err)
{
	_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;
	int r = proc_check_own(err);

	if (r < 0)
		return r;
	ref.pid = pid;
	ref.fd = sys_pidfd_open(pid, 0);
	if (ref.fd == -ENOENT) /* what a thread's number gets since 6.15; EINVAL before */
		ref.fd = -EINVAL;
	if (ref.fd < 0)
		return cj_fail(err, -ref.fd, "open process %d%s", pid,
			       ref.fd == -EINVAL ? ", which is a thread of another" : "");
	r = proc_open(pid, &ref.proc, err);
	if (r < 0)
		return r;
	/*
	 * Both were opened by number. While the one behind the pidfd lives the number can't be
	 * anyone else's, so the directory is about the same process; a zombie holds it as well.
	 */
	r = read_id(&ref);
	if (r < 0)
		return cj_fail(err, -r, "read the start time of process %d", pid);

	*ret = ref;
	ref = (struct pidref)PIDREF_INIT;
	return 0;
}

int handle_parse(const char *text, struct handle *ret)
{
	struct handle handle;
	char pid[16];
	const char *colon = strchr(text, ':');
	int r;

	if (!colon || (size_t)(colon - text) >= sizeof(pid))
		return -EINVAL;
	memcpy(pid, text, (size_t)(colon - text));
	pid[colon - text] = '\0';
	r = parse_pid(pid, &handle.pid);
	if (r < 0)
		return r;
	handle.id_is_inode = colon[1] != 's';
	r = parse_u64(colon + 1 + !handle.id_is_inode, 0, UINT64_MAX, &handle.id);
	if (r < 0)
		return r;
	*ret = handle;
	return 0;
}

int pidref_open_handle(const struct handle *handle, struct pidref *ret, struct cj_error *err)
{
	_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;
	int r = pidref_open(handle->pid, &ref, err);

	if (r < 0)
		return r;
	if (ref.id_is_inode && !handle->id_is_inode) {
		/* A handle from before a kernel upgrade, or from another machine's tool. */
		ref.id_is_inode = false;
		r = proc_read_start_time(ref.proc, &ref.id);
		if (r < 0)
			return cj_fail(err, -r, "read the start time of process %d", ref.pid);
	}
	if (ref.id != handle->id || ref.id_is_inode != handle->id_is_inode)
		return cj_fail(err, ESRCH, "open process %d, whose number is another's now",
			       handle->pid);

	*ret = ref;
	ref = (struct pidref)PIDREF_INIT;
	return 0;
}

int pidref_verify(const struct pidref *ref)
{
	struct pollfd p = {.fd = ref->fd, .events = POLLIN}; /* readable: ended */

	return poll(&p, 1, 0) == 0 ? 0 : -ESRCH;
}

size_t pidref_format(const struct pidref *ref, char *buf, size_t size)
{
	return format_safe(buf, size, "%d:%s%llu", ref->pid, ref->id_is_inode ? "" : "s",
			   (unsigned long long)ref->id);
}

void pidref_done(struct pidref *ref)
{
	close_fd(&ref->fd);
	close_fd(&ref->proc);
	*ref = (struct pidref)PIDREF_INIT;
}
