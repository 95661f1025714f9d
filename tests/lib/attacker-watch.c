/* SPDX-License-Identifier: MIT
 *
 * Finds new processes, and knows what a process of this container looks like. Numbers are given
 * out in order, so the next one is asked for by pidfd_open(2) again and again: that takes a fraction
 * of a microsecond, where reading /proc takes a hundred.
 */
#include "attacker.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { AHEAD = 4, RESYNC = 128 };

const char *const namespace_names[NAMESPACES] = {"mnt", "uts",	"ipc",	  "pid",
						 "net", "user", "cgroup", "time"};

ssize_t read_at(int directory, const char *name, char *buf, size_t size)
{
	_cleanup_fd_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	size_t used = 0;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	while (used < size - 1) {
		ssize_t n = read(fd, buf + used, size - 1 - used);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	buf[used] = '\0';
	return (ssize_t)used;
}

uint64_t status_number(const char *status, const char *key, int base)
{
	char line[32];
	const char *at;

	(void)snprintf(line, sizeof(line), "\n%s:\t", key);
	at = strstr(status, line);
	return at ? strtoull(at + strlen(line), NULL, base) : UINT64_MAX;
}

static void read_mounts(struct baseline *b)
{
	static char text[1 << 20];
	char *line = text;

	(void)read_at(AT_FDCWD, "/proc/self/mountinfo", text, sizeof(text));
	while (line && *line && b->n_mounts < MOUNTS_MAX) {
		b->mounts[b->n_mounts++] = strtoull(line, NULL, 10);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
}

int baseline_read(struct baseline *ret)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	char text[4096];

	*ret = (struct baseline){.n_mounts = 0};
	read_mounts(ret);
	if (read_at(AT_FDCWD, "/proc/self/status", text, sizeof(text)) < 0)
		return -errno;
	for (size_t i = 0; i < ELEMENTS(sets); i++)
		ret->caps[i] = status_number(text, sets[i], 16);
	ret->seccomp = (int)status_number(text, "Seccomp", 10);
	ret->no_new_privs = (int)status_number(text, "NoNewPrivs", 10);
	for (size_t i = 0; i < NAMESPACES; i++) {
		char path[32];
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", namespace_names[i]);
		n = readlink(path, ret->namespaces[i], sizeof(ret->namespaces[i]) - 1);
		ret->namespaces[i][n < 0 ? 0 : n] = '\0';
	}
	return 0;
}

bool is_own_mount(const struct attacker *a, int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
		return false;
	for (size_t i = 0; i < a->own.n_mounts; i++)
		if (a->own.mounts[i] == stx.stx_mnt_id)
			return true;
	return false;
}

bool is_foreign_exe(const struct attacker *a, int proc)
{
	_cleanup_fd_ int fd = openat(proc, "exe", O_PATH | O_CLOEXEC);

	return fd >= 0 && !is_own_mount(a, fd);
}

bool has_ended(const struct victim *v)
{
	struct pollfd p = {.fd = v->pidfd, .events = POLLIN};

	return poll(&p, 1, 0) != 0;
}

/* The number that was given out last in our pid namespace: the last field of proc_loadavg(5). */
static pid_t last_pid(void)
{
	char text[128];
	const char *at;

	(void)read_at(AT_FDCWD, "/proc/loadavg", text, sizeof(text));
	at = strrchr(text, ' ');
	return at ? (pid_t)strtol(at, NULL, 10) : 0;
}

static int open_victim(pid_t pid, struct victim *ret)
{
	char path[32];
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	ret->pid = pid;
	ret->pidfd = pidfd;
	ret->proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

int next_victim(const struct attacker *a, pid_t *cursor, struct victim *ret)
{
	static unsigned int number;

	if (*cursor == 0)
		*cursor = last_pid(); /* those are ourselves */
	for (unsigned int round = 1; !*a->stop; round++) {
		for (pid_t pid = *cursor + 1; pid <= *cursor + AHEAD; pid++) {
			if (open_victim(pid, ret) < 0)
				continue;
			*cursor = pid;
			ret->number = number++;
			return 0;
		}
		if (round % RESYNC == 0) {
			pid_t last = last_pid();

			/* too late for some, or the numbers have begun again */
			if (last > *cursor + AHEAD || last < *cursor)
				*cursor = last - 1;
		}
	}
	return -1;
}

void victim_done(struct victim *v)
{
	close_fd(&v->pidfd);
	close_fd(&v->proc);
}
