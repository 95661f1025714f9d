/* SPDX-License-Identifier: MIT */
#include "sys/nsholders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/parse.h"
#include "sys/mountinfo.h"
#include "sys/namespace.h"
#include "sys/pidref.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

enum { MOUNTINFO_LIMIT = 64 << 20 };

/* "net:[4026532186]": how links and mountinfo name a namespace. */
static int parse_name(const char *text, size_t length, int *ret_kind, uint64_t *ret_inode)
{
	for (int kind = 0; kind < NAMESPACE_KINDS; kind++) {
		size_t n = strlen(namespace_kinds[kind].name);
		char digits[24];

		if (length < n + 4 || memcmp(text, namespace_kinds[kind].name, n) != 0 ||
		    text[n] != ':' || text[n + 1] != '[' || text[length - 1] != ']' ||
		    length - n - 3 >= sizeof(digits))
			continue;
		memcpy(digits, text + n + 2, length - n - 3);
		digits[length - n - 3] = '\0';
		*ret_kind = kind;
		return parse_u64(digits, 1, UINT64_MAX, ret_inode);
	}
	return -EINVAL;
}

/* Of an open file of nsfs. NS_GET_NSTYPE, 4.11 */
static int ask_namespace(int fd, int *ret_kind, uint64_t *ret_inode)
{
	int flag = ioctl(fd, NS_GET_NSTYPE);
	struct stat st;

	if (flag < 0 || fstat(fd, &st) < 0)
		return -errno;
	for (int kind = 0; kind < NAMESPACE_KINDS; kind++)
		if (namespace_kinds[kind].flag == flag) {
			*ret_kind = kind;
			*ret_inode = st.st_ino;
			return 0;
		}
	return -EINVAL;
}

/*
 * A file whose link reads "/" may be one on a bind mount that was detached since (`ip netns delete`).
 * It's opened only if it lies on nsfs, and no file server is asked (AT_STATX_DONT_SYNC).
 */
static int ask_detached(int proc, int files, const char *name, int *ret_kind, uint64_t *ret_inode)
{
	_cleanup_fd_ int fd = -EBADF;
	struct statx file;
	struct stat ns;

	if (statx(files, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &file) < 0 ||
	    fstatat(proc, "ns/mnt", &ns, 0) < 0 ||
	    makedev(file.stx_dev_major, file.stx_dev_minor) != ns.st_dev)
		return -EINVAL;
	fd = openat(files, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : ask_namespace(fd, ret_kind, ret_inode);
}

/* pidfd_getfd(2), 5.6: wants the right to trace. */
static int get_fd(int pidfd, int number)
{
	return (int)sys_result(syscall(SYS_pidfd_getfd, pidfd, number, 0));
}

/* The net namespace of another process's socket. */
static int ask_socket(int pidfd, int number, uint64_t *ret_inode)
{
	_cleanup_fd_ int socket = get_fd(pidfd, number), fd = -EBADF;
	struct stat st;

	if (socket < 0)
		return socket;
	fd = ioctl(socket, SIOCGSKNS);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret_inode = st.st_ino;
	return 0;
}

struct search {
	const struct ns_holders *holders;
	int proc, files; /* directories */
	struct pidref ref;
	struct ns_holder holder;
};

/* The pidfd of the very process that the directory is about, opened for its first socket. */
static int pin(struct search *search)
{
	uint64_t a, b;
	int r;

	if (search->ref.fd >= 0)
		return 0;
	r = pidref_open(search->holder.pid, &search->ref, NULL);
	if (r == 0)
		r = proc_read_start_time(search->proc, &a);
	if (r == 0)
		r = proc_read_start_time(search->ref.proc, &b);
	if (r == 0 && a != b)
		r = -ESRCH;
	if (r < 0)
		pidref_done(&search->ref);
	return r;
}

static int look_at_socket(struct search *search, const char *link)
{
	char digits[24];
	uint64_t inode;

	if (sscanf(link, "socket:[%20[0-9]]", digits) != 1 ||
	    parse_u64(digits, 0, UINT64_MAX, &inode) < 0 ||
	    !search->holders->is_new_socket(search->holders->data, inode) || pin(search) < 0 ||
	    ask_socket(search->ref.fd, search->holder.fd, &search->holder.inode) < 0)
		return 0;
	search->holder.how = NS_HOLDER_SOCKET;
	search->holder.kind = NAMESPACE_NET;
	return search->holders->found(search->holders->data, &search->holder);
}

static int look_at_file(struct search *search, const char *name)
{
	struct ns_holder *holder = &search->holder;
	char link[64];
	ssize_t n;

	if (parse_int(name, 0, INT32_MAX, &holder->fd) < 0)
		return 0;
	n = proc_readlink(search->files, name, link, sizeof(link));
	if (n < 0)
		return 0; /* closed meanwhile */
	if (strncmp(link, "socket:", 7) == 0)
		return look_at_socket(search, link);
	if (parse_name(link, (size_t)n, &holder->kind, &holder->inode) < 0 &&
	    (strcmp(link, "/") != 0 ||
	     ask_detached(search->proc, search->files, name, &holder->kind, &holder->inode) < 0))
		return 0;
	holder->how = NS_HOLDER_FILE;
	return search->holders->found(search->holders->data, holder);
}

int ns_holders_of_files(int proc, pid_t pid, const struct ns_holders *holders)
{
	struct search search = {.holders = holders, .proc = proc, .ref = PIDREF_INIT};
	_cleanup_fd_ int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	search.files = take_fd(&fd);
	search.holder.pid = pid;
	while (r == 0 && (entry = readdir(dir)))
		r = look_at_file(&search, entry->d_name);
	pidref_done(&search.ref);
	return r;
}

/* Its root is the namespace's name: "net:[4026532186]". */
static int look_at_mount(const struct mount_line *line, pid_t pid, const struct ns_holders *holders)
{
	struct ns_holder holder = {.how = NS_HOLDER_MOUNT, .pid = pid, .fd = -1};
	_cleanup_free_ char *point = NULL;

	if (!mount_word_is(line->type, "nsfs") ||
	    parse_name(line->root.at, line->root.length, &holder.kind, &holder.inode) < 0)
		return 0;
	point = mount_word_text(line->point);
	if (!point)
		return -ENOMEM;
	holder.path = point;
	return holders->found(holders->data, &holder);
}

int ns_holders_of_mounts(int proc, pid_t pid, const struct ns_holders *holders)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	int r = proc_read(proc, "mountinfo", MOUNTINFO_LIMIT, &text);
	const char *at = text.data;
	struct mount_line line;

	while (r == 0 && at && mountinfo_next(&at, &line))
		r = look_at_mount(&line, pid, holders);
	return r;
}
