/* SPDX-License-Identifier: MIT */
#include "sys/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/parse.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

const struct limit_kind limit_kinds[LIMITS] = {
	[RLIMIT_CPU] = {"cpu", "Max cpu time"},
	[RLIMIT_FSIZE] = {"fsize", "Max file size"},
	[RLIMIT_DATA] = {"data", "Max data size"},
	[RLIMIT_STACK] = {"stack", "Max stack size"},
	[RLIMIT_CORE] = {"core", "Max core file size"},
	[RLIMIT_RSS] = {"rss", "Max resident set"},
	[RLIMIT_NPROC] = {"nproc", "Max processes"},
	[RLIMIT_NOFILE] = {"nofile", "Max open files"},
	[RLIMIT_MEMLOCK] = {"memlock", "Max locked memory"},
	[RLIMIT_AS] = {"as", "Max address space"},
	[RLIMIT_LOCKS] = {"locks", "Max file locks"},
	[RLIMIT_SIGPENDING] = {"sigpending", "Max pending signals"},
	[RLIMIT_MSGQUEUE] = {"msgqueue", "Max msgqueue size"},
	[RLIMIT_NICE] = {"nice", "Max nice priority"},
	[RLIMIT_RTPRIO] = {"rtprio", "Max realtime priority"},
	[RLIMIT_RTTIME] = {"rttime", "Max realtime timeout"},
};

int limit_index(const char *name)
{
	for (int i = 0; i < LIMITS; i++)
		if (strcmp(limit_kinds[i].name, name) == 0)
			return i;
	return -EINVAL;
}

/* A number or "unlimited"; the rest of the line comes back in `*at`. */
static int take_limit(const char **at, rlim64_t *ret)
{
	char *end;

	*at += strspn(*at, " ");
	if (strncmp(*at, "unlimited", 9) == 0) {
		*at += 9;
		*ret = RLIM64_INFINITY;
		return 0;
	}
	if (**at < '0' || **at > '9')
		return -EBADMSG;
	*ret = strtoull(*at, &end, 10);
	*at = end;
	return 0;
}

static int parse_limit_line(const char *line, struct limits *limits, unsigned int *seen)
{
	for (int i = 0; i < LIMITS; i++) {
		const char *title = limit_kinds[i].title;
		size_t length = strlen(title);

		if (strncmp(line, title, length) != 0 || line[length] != ' ')
			continue;
		line += length;
		if (take_limit(&line, &limits->of[i].rlim_cur) < 0 ||
		    take_limit(&line, &limits->of[i].rlim_max) < 0)
			return -EBADMSG;
		*seen |= 1U << i;
		break;
	}
	return 0;
}

int limits_parse(const char *text, struct limits *ret)
{
	struct limits limits;
	unsigned int seen = 0;

	while (*text) {
		int r = parse_limit_line(text, &limits, &seen);

		if (r < 0)
			return r;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	if (seen != (1U << LIMITS) - 1)
		return -EBADMSG;
	*ret = limits;
	return 0;
}

static int read_limits_by_call(pid_t pid, struct limits *ret)
{
	for (int i = 0; i < LIMITS; i++) {
		int r = sys_prlimit(pid, i, NULL, &ret->of[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int limits_read_file(int proc, struct limits *ret)
{
	char text[4096];
	ssize_t n = proc_read_small(proc, "limits", text, sizeof(text));

	return n < 0 ? (int)n : limits_parse(text, ret);
}

int limits_read(pid_t pid, int proc, struct limits *ret)
{
	return read_limits_by_call(pid, ret) < 0 ? limits_read_file(proc, ret) : 0;
}

int proc_read_number(int proc, const char *name, unsigned int base, int64_t *ret)
{
	char text[64];
	ssize_t n = proc_read_small(proc, name, text, sizeof(text));
	uint64_t value;
	bool negative;

	if (n < 0)
		return (int)n;
	negative = text[0] == '-';
	if (n == 0) /* of its memory, which it has given up */
		return -ESRCH;
	text[strcspn(text, "\n")] = '\0';
	if (parse_base(text + negative, base, &value) < 0 || value > INT64_MAX)
		return -EBADMSG;
	*ret = negative ? -(int64_t)value : (int64_t)value;
	return 0;
}

int affinity_read(pid_t pid, struct affinity *ret)
{
	int n;

	*ret = (struct affinity){.size = 0};
	n = sys_sched_getaffinity(pid, sizeof(ret->mask), ret->mask);
	if (n < 0)
		return n;
	ret->size = (size_t)n;
	return 0;
}

bool affinity_equal(const struct affinity *a, const struct affinity *b)
{
	return memcmp(a->mask, b->mask, sizeof(a->mask)) == 0;
}

enum { WORD_BITS = 8 * sizeof(unsigned long), PROCESSORS = AFFINITY_WORDS * WORD_BITS };

static bool affinity_has(const struct affinity *affinity, unsigned int cpu)
{
	return affinity->mask[cpu / WORD_BITS] >> (cpu % WORD_BITS) & 1;
}

static int take_cpu(const char **at, unsigned int *ret)
{
	unsigned long n;
	char *end;

	if (**at < '0' || **at > '9')
		return -EINVAL;
	n = strtoul(*at, &end, 10);
	if (n >= PROCESSORS)
		return -ERANGE;
	*at = end;
	*ret = (unsigned int)n;
	return 0;
}

/* "3" or "0-3" */
static int take_cpus(const char **at, unsigned int *ret_first, unsigned int *ret_last)
{
	int r = take_cpu(at, ret_first);

	if (r < 0)
		return r;
	*ret_last = *ret_first;
	if (**at != '-')
		return 0;
	(*at)++;
	r = take_cpu(at, ret_last);
	return r == 0 && *ret_last < *ret_first ? -ERANGE : r;
}

int affinity_parse(const char *text, struct affinity *ret)
{
	struct affinity affinity = {.size = 0};

	for (;;) {
		unsigned int first, last;
		int r = take_cpus(&text, &first, &last);

		if (r < 0)
			return r;
		for (; first <= last; first++)
			affinity.mask[first / WORD_BITS] |= 1UL << (first % WORD_BITS);
		if (!*text)
			break;
		if (*text++ != ',')
			return -EINVAL;
	}
	for (size_t i = 0; i < AFFINITY_WORDS; i++)
		if (affinity.mask[i])
			affinity.size = (i + 1) * sizeof(affinity.mask[0]);
	*ret = affinity;
	return 0;
}

void affinity_format(const struct affinity *affinity, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned int first = 0, last; first < PROCESSORS; first = last + 1) {
		last = first;
		if (!affinity_has(affinity, first))
			continue;
		while (last + 1 < PROCESSORS && affinity_has(affinity, last + 1))
			last++;
		n += format_safe(buf + n, size - n, "%s%u", n ? "," : "", first);
		if (last > first)
			n += format_safe(buf + n, size - n, "-%u", last);
	}
}

static const struct {
	const char *name;
	uint32_t policy;
} schedulers[] = {
	{"other", SCHED_NORMAL}, {"batch", SCHED_BATCH}, {"idle", SCHED_IDLE},
	{"fifo", SCHED_FIFO},	 {"rr", SCHED_RR},
};

const char *scheduler_name(uint32_t policy)
{
	for (size_t i = 0; i < ELEMENTS(schedulers); i++)
		if (schedulers[i].policy == policy)
			return schedulers[i].name;
	return policy == SCHED_DEADLINE ? "deadline" : "unknown";
}

int scheduler_parse(const char *name, uint32_t *ret)
{
	for (size_t i = 0; i < ELEMENTS(schedulers); i++)
		if (strcmp(schedulers[i].name, name) == 0) {
			*ret = schedulers[i].policy;
			return 0;
		}
	return -EINVAL;
}

bool scheduler_is_realtime(uint32_t policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

/* None, or one that labels no processes: no such file, or EINVAL when it's read. */
static bool means_none(ssize_t n)
{
	return n == -ENOENT || n == -EINVAL;
}

int label_read(int proc, struct label *ret)
{
	struct label label = {.module = LABEL_SELINUX};
	/* Two modules at once: AppArmor has a directory of its own then (5.8). */
	ssize_t n = proc_read_small(proc, "attr/current", label.text, sizeof(label.text));
	ssize_t own = means_none(n) ? n
				    : proc_read_small(proc, "attr/apparmor/current", label.text,
						      sizeof(label.text));
	char *mode;

	if (means_none(n)) {
		ret->module = LABEL_NONE;
		ret->text[0] = '\0';
		return 0;
	}
	if (means_none(own))
		n = proc_read_small(proc, "attr/current", label.text, sizeof(label.text));
	else
		n = own;
	if (n < 0)
		return n == -EFBIG ? -ERANGE : (int)n;
	label.text[strcspn(label.text, "\n")] = '\0';
	/* "docker-default (enforce)" is AppArmor's, also where attr/apparmor/ isn't there. */
	mode = strstr(label.text, " (");
	if (!means_none(own) || mode || strcmp(label.text, "unconfined") == 0)
		label.module = LABEL_APPARMOR;
	if (mode)
		*mode = '\0';
	*ret = label;
	return 0;
}

int label_open_attr(void)
{
	int fd = open("/proc/thread-self/attr", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int label_set_exec(int attr, const struct label *label)
{
	char text[sizeof(label->text) + 8];
	int r;

	if (label->module == LABEL_SELINUX)
		return proc_write(attr, "exec", label->text);
	/* aa_change_onexec(2): the word "exec" and the profile */
	(void)format_safe(text, sizeof(text), "exec %s", label->text);
	r = proc_write(attr, "apparmor/exec", text);
	return r == -ENOENT ? proc_write(attr, "exec", text) : r;
}

int keyring_new_session(void)
{
	long r = sys_result(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0));

	/* A filter of our own denies all of it: the child inherits that, and can't use a key either. */
	if (r == -EPERM && sys_result(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID,
					      KEY_SPEC_SESSION_KEYRING, 0, 0, 0)) == -EPERM)
		return 0;
	return r < 0 && r != -ENOSYS ? (int)r : 0;
}
