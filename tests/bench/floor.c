/* SPDX-License-Identifier: MIT
 *
 * The least that any program must do to run a command inside a container: the unit in which the
 * benchmark counts. It takes on nothing of the target's identity but namespaces and cgroups.
 * Not here: anything that could be left out. This is no tool to enter containers with: the command
 * keeps our capabilities, ids and descriptors.
 *
 *	floor [--no-cgroup] PID PROGRAM [ARG...]
 *
 * What it reads: /proc/self/cgroup and /proc/PID/cgroup; /proc/self/mountinfo, if they differ; the
 * inode numbers of /proc/{self,PID}/ns/<the eight kinds>. What it writes: "0" into cgroup.procs
 * of each hierarchy in which the target's cgroup differs from ours, v1 and v2 alike. The v2 one
 * could be had with CLONE_INTO_CGROUP, too; but beneath nsdelegate that works only before the
 * cgroup namespace is joined, and the pid namespace must be joined before the clone.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FAILED 125	   /* as conjoin's: nothing ran */
#define MAX_HIERARCHIES 32 /* v1 can't have more: there are fewer controllers */

/* The files, whole; static, so that only the pages that are used cost anything. */
static char own_cgroups[8192];
static char target_cgroups[8192];
static char mounts[1 << 20];

/* A hierarchy in which the target lives elsewhere. */
struct hierarchy {
	const char *controller; /* the first, or "name=..."; empty for v2 */
	const char *path;	/* the target's cgroup, as seen from our cgroup namespace */
	int procs;		/* cgroup.procs of it */
};

static struct hierarchy hierarchies[MAX_HIERARCHIES];
static size_t n_hierarchies;

static const struct {
	const char *name;
	int flag;
} kinds[] = {
	{"user", CLONE_NEWUSER},     {"mnt", CLONE_NEWNS},    {"pid", CLONE_NEWPID},
	{"net", CLONE_NEWNET},	     {"ipc", CLONE_NEWIPC},   {"uts", CLONE_NEWUTS},
	{"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME},
};

static void read_file(const char *path, char *buf, size_t size)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n;

	if (fd < 0)
		err(FAILED, "open %s", path);
	while ((n = read(fd, buf + got, size - got)) > 0)
		got += (size_t)n;
	if (n < 0)
		err(FAILED, "read %s", path);
	if (got == size)
		errx(FAILED, "%s is too long", path);
	buf[got] = '\0';
}

/* "ID:CONTROLLERS:PATH" */
static struct hierarchy parse_cgroup(char *line)
{
	struct hierarchy h = {.procs = -EBADF};
	char *controllers;

	strsep(&line, ":");
	controllers = strsep(&line, ":");
	if (!controllers || !line)
		errx(FAILED, "a line of a cgroup file has no path");
	h.controller = strsep(&controllers, ",");
	h.path = line;
	return h;
}

/* Both files list the same hierarchies in the same order: the kernel walks one list. */
static void compare_cgroups(const char *pid)
{
	char path[64], *own = own_cgroups, *target = target_cgroups, *own_line, *target_line;

	(void)snprintf(path, sizeof(path), "/proc/%s/cgroup", pid);
	read_file("/proc/self/cgroup", own_cgroups, sizeof(own_cgroups));
	read_file(path, target_cgroups, sizeof(target_cgroups));
	while ((own_line = strsep(&own, "\n")) && (target_line = strsep(&target, "\n"))) {
		if (strcmp(own_line, target_line) == 0) /* the empty last lines, too */
			continue;
		if (n_hierarchies == MAX_HIERARCHIES)
			errx(FAILED, "too many cgroup hierarchies");
		hierarchies[n_hierarchies++] = parse_cgroup(target_line);
	}
}

/* True if the comma-separated list has the word. An empty word means v2, which has no list. */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += length)
		if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
			return true;
	return false;
}

/* One line of mountinfo: opens cgroup.procs of the hierarchy that is mounted there, if we need it. */
static void open_procs(char *line)
{
	char *super = strstr(line, " - "), path[4096], *root, *point;
	const char *type;

	if (!super || strncmp(super, " - cgroup", strlen(" - cgroup")) != 0)
		return;
	super += strlen(" - ");
	for (int i = 0; i < 3; i++)
		strsep(&line, " "); /* mount id, parent, device */
	root = strsep(&line, " ");
	point = strsep(&line, " ");
	if (!root || strcmp(root, "/") != 0)
		return; /* a part of it, bound somewhere: the path wouldn't fit */
	type = strsep(&super, " ");
	strsep(&super, " "); /* source */
	for (size_t i = 0; i < n_hierarchies; i++) {
		struct hierarchy *h = &hierarchies[i];
		bool v2 = h->controller[0] == '\0';

		if (h->procs >= 0 || v2 != (strcmp(type, "cgroup2") == 0) ||
		    (!v2 && !has_word(super, h->controller)))
			continue;
		(void)snprintf(path, sizeof(path), "%s%s/cgroup.procs", point, h->path);
		h->procs = open(path, O_WRONLY | O_CLOEXEC);
		if (h->procs < 0)
			err(FAILED, "open %s", path);
		return;
	}
}

static void open_cgroups(const char *pid)
{
	char *rest = mounts, *line;

	compare_cgroups(pid);
	if (n_hierarchies == 0)
		return;
	read_file("/proc/self/mountinfo", mounts, sizeof(mounts));
	while ((line = strsep(&rest, "\n")))
		open_procs(line);
}

/* Hierarchies that are mounted nowhere stay closed and are left out, as every runtime does. */
static void join_cgroups(void)
{
	for (size_t i = 0; i < n_hierarchies; i++)
		if (hierarchies[i].procs >= 0 && write(hierarchies[i].procs, "0", 1) != 1)
			err(FAILED, "join cgroup %s%s", hierarchies[i].controller,
			    hierarchies[i].path);
}

/* setns(2) refuses our own user namespace (EINVAL), so each kind is compared first. */
static int namespaces_that_differ(const char *pid)
{
	char path[64];
	struct stat own, target;
	int mask = 0;

	for (size_t i = 0; i < ELEMENTS(kinds); i++) {
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i].name);
		if (stat(path, &own) < 0)
			continue; /* a kind that this kernel doesn't have */
		(void)snprintf(path, sizeof(path), "/proc/%s/ns/%s", pid, kinds[i].name);
		if (stat(path, &target) < 0)
			err(FAILED, "stat %s", path);
		if (own.st_ino != target.st_ino)
			mask |= kinds[i].flag;
	}
	return mask;
}

static int run(char **command)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(FAILED, "fork");
	if (pid == 0) {
		execv(command[0], command);
		int why = errno;

		warn("run %s", command[0]);
		_exit(why == ENOENT ? 127 : 126);
	}
	if (waitpid(pid, &status, 0) < 0)
		err(FAILED, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	bool with_cgroups = true;
	int target, mask;

	if (argc > 1 && strcmp(argv[1], "--no-cgroup") == 0) {
		with_cgroups = false;
		argv++;
		argc--;
	}
	if (argc < 3)
		errx(FAILED, "usage: floor [--no-cgroup] PID PROGRAM [ARG...]");
	target = (int)syscall(SYS_pidfd_open, (pid_t)strtol(argv[1], NULL, 10), 0);
	if (target < 0)
		err(FAILED, "open process %s", argv[1]);
	if (with_cgroups)
		open_cgroups(argv[1]);
	mask = namespaces_that_differ(argv[1]);
	join_cgroups();
	if (mask && setns(target, mask) < 0)
		err(FAILED, "join namespaces of %s", argv[1]);
	return run(argv + 2);
}
