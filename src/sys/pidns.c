/* SPDX-License-Identifier: MIT */
#include "sys/pidns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/io.h"
#include "sys/namespace.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

/* 6.11; ioctl_nsfs(2). The argument is the number itself, and so is the result. */
#ifndef NS_GET_PID_FROM_PIDNS
#define NS_GET_PID_FROM_PIDNS _IOR(NSIO, 0x6, int)
#define NS_GET_TGID_FROM_PIDNS _IOR(NSIO, 0x7, int)
#define NS_GET_PID_IN_PIDNS _IOR(NSIO, 0x8, int)
#define NS_GET_TGID_IN_PIDNS _IOR(NSIO, 0x9, int)
#endif

/* Groups come before what we look for, and there may be 65536 of them. */
enum { STATUS_LIMIT = 1 << 20 };

/* status writes \n and \\ for a newline and a backslash: string_escape_mem() in fs/proc/array.c. */
static int parse_name(const char *value, struct pid_status *status)
{
	size_t n = 0;

	for (; *value && *value != '\n' && n + 1 < sizeof(status->name); value++) {
		char c = *value;

		if (c == '\\' && (value[1] == 'n' || value[1] == '\\')) {
			value++;
			c = *value == 'n' ? '\n' : '\\';
		}
		status->name[n++] = c;
	}
	status->name[n] = '\0';
	return 0;
}

static int parse_state(const char *value, struct pid_status *status)
{
	status->state = *value;
	return 0;
}

static int parse_number(const char *value, pid_t *ret)
{
	char *end;
	long n = strtol(value, &end, 10);

	if (end == value || n < 0 || n > INT32_MAX)
		return -EBADMSG;
	*ret = (pid_t)n;
	return 0;
}

static int parse_tgid(const char *value, struct pid_status *status)
{
	return parse_number(value, &status->tgid);
}

static int parse_parent(const char *value, struct pid_status *status)
{
	return parse_number(value, &status->parent);
}

static int parse_levels(const char *value, struct pid_status *status)
{
	while (*value && *value != '\n') {
		int r;

		if (status->n_levels == PIDNS_LEVELS)
			return -EBADMSG;
		r = parse_number(value, &status->levels[status->n_levels++]);
		if (r < 0)
			return r;
		value += strcspn(value, "\t\n");
		value += *value == '\t';
	}
	return 0;
}

static int parse_memory(const char *value, struct pid_status *status)
{
	(void)value;
	status->has_memory = true;
	return 0;
}

/* In the order in which the kernel writes them, so that one pass finds all. */
static const struct {
	const char *key;
	int (*parse)(const char *value, struct pid_status *status);
	bool required;
} fields[] = {
	{"Name:\t", parse_name, true},	  {"State:\t", parse_state, true},
	{"Tgid:\t", parse_tgid, true},	  {"PPid:\t", parse_parent, true},
	{"NSpid:\t", parse_levels, true}, {"VmPeak:\t", parse_memory, false},
};

int pid_status_parse(const char *text, struct pid_status *ret)
{
	struct pid_status status = {.n_levels = 0};

	for (size_t i = 0; i < ELEMENTS(fields); i++) {
		size_t length = strlen(fields[i].key);
		const char *at = text;
		int r;

		while (at && strncmp(at, fields[i].key, length) != 0) {
			at = strchr(at, '\n');
			at = at ? at + 1 : NULL;
		}
		if (!at && fields[i].required)
			return -EBADMSG;
		r = at ? fields[i].parse(at + length, &status) : 0;
		if (r < 0)
			return r;
		text = at ? at : text;
	}
	if (status.n_levels == 0)
		return -EBADMSG;
	*ret = status;
	return 0;
}

/* A process that is just being reaped has numbers of 0 for a moment. */
static bool has_numbers(const struct pid_status *status)
{
	for (size_t i = 0; i < status->n_levels; i++)
		if (status->levels[i] == 0)
			return false;
	return status->tgid != 0;
}

static int file_error(int r)
{
	return r == -ENOENT ? -ESRCH
			    : r; /* what is opened beneath a directory whose process is gone */
}

int pid_status_read(int proc, struct pid_status *ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	struct pid_status status;
	int r = proc_read(proc, "status", STATUS_LIMIT, &text);

	if (r == 0)
		r = pid_status_parse(text.data, &status);
	if (r < 0)
		return file_error(r);
	if (!has_numbers(&status))
		return -ESRCH;
	*ret = status;
	return 0;
}

ssize_t pid_command_read(int proc, char *buf, size_t size)
{
	_cleanup_fd_ int fd = openat(proc, "cmdline", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? file_error(-errno) : io_read(fd, buf, size);
}

int pid_parent_read(pid_t pid, pid_t *ret)
{
	char path[32], buf[512];
	const char *at;
	int fd;
	ssize_t n;

	(void)format_safe(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return file_error(-errno);
	/* Only the beginning is wanted: PID (NAME) STATE PARENT, the name having at most 64 bytes. */
	n = io_read(fd, buf, sizeof(buf) - 1);
	close_fd(&fd);
	if (n < 0)
		return (int)n;
	buf[n] = '\0';
	at = strrchr(buf, ')'); /* the name may hold any byte, numbers behind it none */
	if (!at || strlen(at) < 4)
		return -EBADMSG;
	return parse_number(at + 4, ret);
}

/* How many namespaces deeper than ours: as many as the process has numbers more than one. */
static int read_depth(int proc, size_t *ret)
{
	struct pid_status status;
	int r = pid_status_read(proc, &status);

	if (r == 0)
		*ret = status.n_levels - 1;
	return r;
}

/* Does the kernel know these calls? Asked about the process that the namespace was found by. */
static bool can_ask(int fd, pid_t pid)
{
	return ioctl(fd, NS_GET_PID_IN_PIDNS, pid) > 0;
}

int pidns_open(pid_t pid, int proc, struct pidns *ret, struct cj_error *err)
{
	_cleanup_(pidns_done) struct pidns ns = PIDNS_INIT;
	struct stat st;
	int r = read_depth(proc, &ns.depth);

	if (r < 0)
		return cj_fail(err, -r, "read the numbers of process %d", pid);
	if (ns.depth > 0) {
		ns.fd = namespace_open(proc, NAMESPACE_PID);
		if (ns.fd < 0) {
			if (ns.fd == -EACCES)
				cj_hint(err, "run as root, or as the user whose process it is");
			return cj_fail(err, -file_error(ns.fd),
				       "open the pid namespace of process %d", pid);
		}
		if (fstat(ns.fd, &st) < 0)
			return cj_fail(err, errno, "look at the pid namespace of process %d", pid);
		ns.device = st.st_dev;
		ns.inode = st.st_ino;
		ns.asks = can_ask(ns.fd, pid);
	}
	*ret = ns;
	ns = (struct pidns)PIDNS_INIT;
	return 0;
}

void pidns_done(struct pidns *ns)
{
	close_fd(&ns->fd);
	*ns = (struct pidns)PIDNS_INIT;
}

/*
 * Where the kernel doesn't answer: a process is in the namespace, or in a child of it, or a grandchild…
 * The number of an inode alone wouldn't do for those between, which may end meanwhile and leave it to
 * another; each is held by an fd while it's looked at.
 */
static int is_beneath(const struct pidns *ns, int proc)
{
	_cleanup_fd_ int fd = namespace_open(proc, NAMESPACE_PID);

	for (int level = 0; fd >= 0 && level < PIDNS_LEVELS; level++) {
		struct stat st;
		int parent;

		if (fstat(fd, &st) < 0)
			return -errno;
		if (st.st_dev == ns->device && st.st_ino == ns->inode)
			return 1;
		parent = ioctl(fd, NS_GET_PARENT);
		if (parent < 0) /* EPERM: ours was the last that we may see */
			return errno == EPERM ? 0 : -errno;
		close_fd(&fd);
		fd = parent;
	}
	return fd < 0 ? file_error(fd) : 0;
}

int pidns_holds(const struct pidns *ns, pid_t pid, int proc)
{
	if (ns->fd < 0)
		return 1;
	if (!ns->asks)
		return proc < 0 ? 1 : is_beneath(ns, proc);
	if (ioctl(ns->fd, NS_GET_PID_IN_PIDNS, pid) > 0)
		return 1;
	return errno == ESRCH ? 0 : -errno;
}

/* The number of a thread is its process's only for the main one. */
static int ask(const struct pidns *ns, unsigned long number, unsigned long process, pid_t pid,
	       pid_t *ret)
{
	int found;

	if (ns->fd < 0 || !ns->asks)
		return -EOPNOTSUPP;
	found = ioctl(ns->fd, number, pid);
	if (found < 0)
		return -errno;
	if (ioctl(ns->fd, process, pid) != found)
		return -ESRCH;
	*ret = found;
	return 0;
}

int pidns_to_host(const struct pidns *ns, pid_t inside, pid_t *ret)
{
	return ask(ns, NS_GET_PID_FROM_PIDNS, NS_GET_TGID_FROM_PIDNS, inside, ret);
}

int pidns_to_inside(const struct pidns *ns, pid_t host, pid_t *ret)
{
	return ask(ns, NS_GET_PID_IN_PIDNS, NS_GET_TGID_IN_PIDNS, host, ret);
}

bool pidns_can_mount_proc(int fd)
{
	_cleanup_fd_ int fs = sys_fsopen("proc");

	return fs >= 0 && sys_fsconfig_fd(fs, "pidns", fd) == 0;
}
