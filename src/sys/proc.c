/* SPDX-License-Identifier: MIT */
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/parse.h"

#define KERNEL_THREAD 0x00200000 /* include/linux/sched.h, PF_KTHREAD */
#define EXITING 0x00000004	 /* PF_EXITING */

int proc_open(pid_t pid, int *ret_fd, struct cj_error *err)
{
	_cleanup_fd_ int fd = -EBADF;
	char path[32] = "/proc/thread-self";
	struct statfs fs;

	if (pid != 0)
		(void)format_safe(path, sizeof(path), "/proc/%d", pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cj_fail(err, errno == ENOENT ? ESRCH : errno, "open %s", path);
	/* We may run where somebody mounted what they like. */
	if (fstatfs(fd, &fs) < 0)
		return cj_fail(err, errno, "look at %s", path);
	if (fs.f_type != PROC_SUPER_MAGIC)
		return cj_fail(err, ENOTSUP, "look at %s, which isn't procfs", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

int proc_check_own(struct cj_error *err)
{
	char text[32];
	struct statfs fs;
	ssize_t n = readlink("/proc/self", text, sizeof(text) - 1);
	pid_t pid;

	text[n < 0 ? 0 : n] = '\0';
	if (n > 0 && parse_pid(text, &pid) == 0 && pid == getpid())
		return 0;
	if (statfs("/proc", &fs) < 0)
		return cj_fail(err, errno, "look at /proc");
	if (fs.f_type == PROC_SUPER_MAGIC)
		return cj_fail(err, ENOTSUP, "look at /proc, which is another pid namespace's");
	if (n < 0 && errno == ENOENT)
		return cj_fail(err, ENOTSUP, "look at /proc, which isn't procfs (not mounted?)");
	return cj_fail(err, ENOTSUP, "look at /proc, which isn't procfs");
}

static int open_file(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

ssize_t proc_read_small(int dir, const char *name, char *buf, size_t size)
{
	_cleanup_fd_ int fd = open_file(dir, name, O_RDONLY);

	return fd < 0 ? fd : io_read_small(fd, buf, size);
}

int proc_read(int dir, const char *name, size_t limit, struct bytes *ret)
{
	_cleanup_fd_ int fd = open_file(dir, name, O_RDONLY);

	return fd < 0 ? fd : io_read_all(fd, limit, ret);
}

int proc_write(int dir, const char *name, const char *text)
{
	_cleanup_fd_ int fd = open_file(dir, name, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = io_write(fd, text, strlen(text));
	return n < 0 ? (int)n : 0;
}

ssize_t proc_readlink(int dir, const char *name, char *buf, size_t size)
{
	ssize_t n = readlinkat(dir, name, buf, size - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

/* The number in a field of stat, from 3 on. */
static int stat_field(const char *stat, int wanted, uint64_t *ret)
{
	/* The name, field 2, may hold blanks and parentheses: the last one closes it. */
	const char *at = strrchr(stat, ')');

	for (int field = 2; at && field < wanted; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, "%" SCNu64, ret) != 1)
		return -EBADMSG;
	return 0;
}

int proc_parse_start_time(const char *stat, uint64_t *ret)
{
	return stat_field(stat, 22, ret);
}

int proc_read_stat(int dir, struct proc_stat *ret)
{
	struct proc_stat stat;
	char buf[2048];
	ssize_t n = proc_read_small(dir, "stat", buf, sizeof(buf));
	uint64_t flags = 0;
	int r = n < 0 ? (int)n : stat_field(buf, 9, &flags);

	if (r == 0)
		r = stat_field(buf, 23, &stat.memory);
	if (r == 0)
		r = stat_field(buf, 50, &stat.env_start);
	if (r == 0)
		r = stat_field(buf, 51, &stat.env_end);
	if (r < 0)
		return r;
	stat.kernel_thread = flags & KERNEL_THREAD;
	stat.exiting = flags & EXITING;
	*ret = stat;
	return 0;
}

int proc_read_start_time(int dir, uint64_t *ret)
{
	char buf[2048];
	ssize_t n = proc_read_small(dir, "stat", buf, sizeof(buf));

	return n < 0 ? (int)n : proc_parse_start_time(buf, ret);
}

int proc_start_time_of(pid_t pid, uint64_t *ret)
{
	_cleanup_fd_ int proc = -EBADF;
	int r = proc_open(pid, &proc, NULL);

	return r < 0 ? r : proc_read_start_time(proc, ret);
}

int proc_read_started(int dir, time_t *ret)
{
	struct timespec now, up;
	uint64_t ticks;
	int r = proc_read_start_time(dir, &ticks);

	if (r < 0)
		return r;
	/* Both count from boot, and suspended time. */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)clock_gettime(CLOCK_BOOTTIME, &up);
	*ret = now.tv_sec - up.tv_sec + (time_t)(ticks / (uint64_t)sysconf(_SC_CLK_TCK));
	return 0;
}

/* "A\tB\tC\tD" */
static int parse_ids(const char *text, unsigned int ret[4])
{
	for (int i = 0; i < 4; i++) {
		char *end;
		unsigned long n = strtoul(text, &end, 10);

		if (end == text || n > UINT32_MAX)
			return -EBADMSG;
		ret[i] = (unsigned int)n;
		text = end;
	}
	return 0;
}

static int parse_groups(const char *text, struct proc_status *status)
{
	size_t room = 0;

	for (;;) {
		char *end;
		unsigned long n;

		while (*text == ' ' || *text == '\t')
			text++;
		if (*text < '0' || *text > '9')
			return 0;
		n = strtoul(text, &end, 10);
		text = end;
		if (status->n_groups == room) {
			size_t more = room ? room * 2 : 16;
			gid_t *groups = reallocarray(status->groups, more, sizeof(*groups));

			if (!groups)
				return -ENOMEM;
			status->groups = groups;
			room = more;
		}
		status->groups[status->n_groups++] = (gid_t)n;
	}
}

static pid_t last_number(const char *text)
{
	pid_t last = 0;
	int n, taken;

	while (sscanf(text, "%d%n", &n, &taken) == 1) {
		last = n;
		text += taken;
		if (*text == '\n')
			break;
	}
	return last;
}

static int parse_comm(const char *value, struct proc_status *status)
{
	size_t n = strcspn(value, "\n");

	if (n >= sizeof(status->comm))
		n = sizeof(status->comm) - 1;
	memcpy(status->comm, value, n);
	status->comm[n] = '\0';
	return 0;
}

static int parse_state(const char *value, struct proc_status *status)
{
	status->state = *value;
	return 0;
}

static int parse_umask(const char *value, struct proc_status *status)
{
	status->has_umask = sscanf(value, "%o", &status->umask) == 1;
	return status->has_umask ? 0 : -EBADMSG;
}

static int parse_memory(const char *value, struct proc_status *status)
{
	(void)value;
	status->has_memory = true;
	return 0;
}

static int parse_uid(const char *value, struct proc_status *status)
{
	return parse_ids(value, status->uid);
}

static int parse_gid(const char *value, struct proc_status *status)
{
	return parse_ids(value, status->gid);
}

static int parse_inside(const char *value, struct proc_status *status)
{
	status->inside = last_number(value);
	return 0;
}

static int parse_no_new_privs(const char *value, struct proc_status *status)
{
	status->no_new_privs = *value == '1';
	return 0;
}

/* sscanf(3) would take longer than the kernel takes to write the file. */
#define NUMBER_FIELD(name, member, base)                                                           \
	static int name(const char *value, struct proc_status *status)                             \
	{                                                                                          \
		char *end;                                                                         \
		unsigned long long n = strtoull(value, &end, base);                                \
                                                                                                   \
		if (end == value)                                                                  \
			return -EBADMSG;                                                           \
		status->member = (__typeof__(status->member))n;                                    \
		return 0;                                                                          \
	}

NUMBER_FIELD(parse_inheritable, inheritable, 16)
NUMBER_FIELD(parse_permitted, permitted, 16)
NUMBER_FIELD(parse_effective, effective, 16)
NUMBER_FIELD(parse_bounding, bounding, 16)
NUMBER_FIELD(parse_ambient, ambient, 16)
NUMBER_FIELD(parse_seccomp, seccomp, 10)
NUMBER_FIELD(parse_seccomp_filters, seccomp_filters, 10)
NUMBER_FIELD(parse_tgid, tgid, 10)
NUMBER_FIELD(parse_threads, threads, 10)

/* In the order in which the kernel writes them (fs/proc/array.c), so that one pass finds all. */
static const struct {
	const char *key;
	int (*parse)(const char *value, struct proc_status *status);
	bool required;
} fields[] = {
	{"Name", parse_comm, true},
	{"Umask", parse_umask, false},
	{"State", parse_state, true},
	{"Tgid", parse_tgid, true},
	{"Uid", parse_uid, true},
	{"Gid", parse_gid, true},
	{"Groups", parse_groups, true},
	{"NSpid", parse_inside, false},
	{"VmPeak", parse_memory, false},
	{"Threads", parse_threads, false},
	{"CapInh", parse_inheritable, true},
	{"CapPrm", parse_permitted, true},
	{"CapEff", parse_effective, true},
	{"CapBnd", parse_bounding, true},
	{"CapAmb", parse_ambient, true},
	{"NoNewPrivs", parse_no_new_privs, true},
	{"Seccomp", parse_seccomp, true},
	{"Seccomp_filters", parse_seccomp_filters, false},
};

/* The value of `key` at or after `*line`; moves `*line` behind it, or leaves it where nothing is. */
static const char *find_field(const char **line, const char *key)
{
	size_t length = strlen(key);

	for (const char *at = *line; at && *at;) {
		const char *next = strchr(at, '\n');

		if (strncmp(at, key, length) == 0 && at[length] == ':') {
			at += length + 1;
			*line = next ? next + 1 : at + strlen(at);
			return at + strspn(at, " \t");
		}
		at = next ? next + 1 : NULL;
	}
	return NULL;
}

int proc_parse_status(const char *text, struct proc_status *ret)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;

	status.seccomp_filters = -1;
	for (size_t i = 0; i < ELEMENTS(fields); i++) {
		const char *value = find_field(&text, fields[i].key);
		int r = value ? fields[i].parse(value, &status) : fields[i].required ? -EBADMSG : 0;

		if (r < 0)
			return r;
	}
	*ret = status;
	status = (struct proc_status)PROC_STATUS_INIT;
	return 0;
}

enum { STATUS_LIMIT = 1 << 20 }; /* 65536 groups are 720 kB */

int proc_read_status(int dir, struct proc_status *ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	int r = proc_read(dir, "status", STATUS_LIMIT, &text);

	return r < 0 ? r : proc_parse_status(text.data, ret);
}

void proc_status_done(struct proc_status *status)
{
	free(status->groups);
	*status = (struct proc_status)PROC_STATUS_INIT;
}

struct proc_list {
	DIR *dir;
};

int proc_list_new(struct proc_list **ret, struct cj_error *err)
{
	struct proc_list *list = calloc(1, sizeof(*list));

	if (!list)
		return cj_fail(err, ENOMEM, "list processes");
	list->dir = opendir("/proc");
	if (!list->dir) {
		int r = cj_fail(err, errno, "list /proc");

		free(list);
		return r;
	}
	*ret = list;
	return 0;
}

pid_t proc_list_next(struct proc_list *list)
{
	const struct dirent *entry;
	pid_t pid;

	while ((entry = readdir(list->dir)))
		if (parse_pid(entry->d_name, &pid) == 0)
			return pid;
	return 0;
}

void proc_list_free(struct proc_list *list)
{
	if (!list)
		return;
	close_dir(&list->dir);
	free(list);
}
