/* SPDX-License-Identifier: MIT
 *
 * Looks at everything that a process of the container may see of another one, and compares it with
 * what belongs to the container. Reading only.
 */
#include "attacker.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446 /* 6.9 */
#endif

enum {
	FDS_MAX = 24,
	LOOK_NS = 4000000, /* how long one victim is worth */
	MEMORY_MAX = 4 << 20,
};

static char memory[MEMORY_MAX];

static bool has_marker(const struct attacker *a, int directory)
{
	return a->marker && faccessat(directory, a->marker + 1, F_OK, 0) == 0;
}

/* A directory may be the host's root, or the one that holds the marker. */
static void judge_directory(const struct attacker *a, int fd, const char *what)
{
	const char *name = a->marker ? strrchr(a->marker, '/') + 1 : NULL;

	if (has_marker(a, fd))
		finding("%s leads to the host's root", what);
	else if (name && faccessat(fd, name, F_OK, 0) == 0)
		finding("%s leads to a directory of the host", what);
}

/* An open file: pipes and sockets say nothing, all else must be on a mount of ours. */
static void judge_fd(const struct attacker *a, int fd, const char *what)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return;
	if (fs.f_type == PIPEFS_MAGIC || fs.f_type == SOCKFS_MAGIC)
		return;
	if (fs.f_type == ANON_INODE_FS_MAGIC || fs.f_type == NSFS_MAGIC ||
	    fs.f_type == PID_FS_MAGIC) {
		finding("%s is an object of the kernel (file system %lx)", what, (long)fs.f_type);
		return;
	}
	if (is_own_mount(a, fd))
		return;
	finding("%s is a file from outside (file system %lx)", what, (long)fs.f_type);
	if (S_ISDIR(st.st_mode))
		judge_directory(a, fd, what);
}

static void look_at_places(const struct attacker *a, const struct victim *v)
{
	static const char *const names[] = {"root", "cwd"};

	for (size_t i = 0; i < ELEMENTS(names); i++) {
		_cleanup_fd_ int fd = openat(v->proc, names[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0)
			judge_fd(a, fd, names[i]);
	}
}

static void look_at_fds(const struct attacker *a, const struct victim *v)
{
	for (int i = 0; i < FDS_MAX; i++) {
		_cleanup_fd_ int stolen = (int)syscall(SYS_pidfd_getfd, v->pidfd, i, 0);
		_cleanup_fd_ int opened = -EBADF;
		char name[32];

		(void)snprintf(name, sizeof(name), "fd/%d", i);
		if (stolen >= 0)
			judge_fd(a, stolen, name);
		opened = openat(v->proc, name, O_PATH | O_CLOEXEC);
		if (opened >= 0)
			judge_fd(a, opened, name);
	}
}

static bool holds_secret(const struct attacker *a, const char *bytes, ssize_t n)
{
	return a->secret && n > 0 && memmem(bytes, (size_t)n, a->secret, strlen(a->secret));
}

static void look_at_texts(const struct attacker *a, const struct victim *v)
{
	ssize_t n = read_at(v->proc, "environ", memory, sizeof(memory));

	if (holds_secret(a, memory, n))
		finding("environ holds the caller's secret");
	n = read_at(v->proc, "maps", memory, sizeof(memory));
	if (n > 0 && a->marker && memmem(memory, (size_t)n, a->marker, strlen(a->marker)))
		finding("maps names a file of the host");
}

/* Every writable piece of its memory: the caller's environment could be anywhere in it. */
static void look_at_memory(const struct attacker *a, const struct victim *v)
{
	_cleanup_fd_ int mem = openat(v->proc, "mem", O_RDONLY | O_CLOEXEC);
	static char maps[65536];
	char *line = maps;

	if (mem < 0 || read_at(v->proc, "maps", maps, sizeof(maps)) <= 0)
		return;
	while (line && *line) {
		char *end, *next = strchr(line, '\n');
		uint64_t from = strtoull(line, &end, 16);
		uint64_t to = *end == '-' ? strtoull(end + 1, &end, 16) : from;

		if (end[0] == ' ' && end[1] == 'r' && end[2] == 'w' && to - from <= MEMORY_MAX &&
		    holds_secret(a, memory, pread(mem, memory, to - from, (off_t)from)))
			finding("memory holds the caller's secret");
		line = next ? next + 1 : NULL;
	}
}

static void judge_capabilities(const struct attacker *a, const char *status, const char *who)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	uint64_t most = a->own.caps[1] | a->own.caps[3]; /* permitted, bounding */

	for (size_t i = 0; i < ELEMENTS(sets); i++) {
		uint64_t set = status_number(status, sets[i], 16);

		if (set != UINT64_MAX && set & ~most)
			finding("%s has capabilities beyond the target's: %s", who, sets[i]);
	}
}

void judge_identity(const struct attacker *a, int proc, const char *who)
{
	char text[4096];
	const char *at;

	if (read_at(proc, "status", text, sizeof(text)) > 0) {
		judge_capabilities(a, text, who);
		if (a->confined && a->own.seccomp && status_number(text, "Seccomp", 10) == 0)
			finding("%s goes without the target's seccomp filter", who);
		if (a->confined && a->own.no_new_privs && !status_number(text, "NoNewPrivs", 10))
			finding("%s goes without no_new_privs", who);
	}
	if (read_at(proc, "stat", text, sizeof(text)) > 0 && (at = strrchr(text, ')'))) {
		int tty = 0;

		if (sscanf(at, ") %*c %*d %*d %*d %d", &tty) == 1 && tty != 0)
			finding("%s has the caller's terminal", who);
	}
}

static void look_at_namespaces(const struct attacker *a, const struct victim *v)
{
	for (size_t i = 0; i < NAMESPACES; i++) {
		char path[32], text[64];
		ssize_t n;

		(void)snprintf(path, sizeof(path), "ns/%s", namespace_names[i]);
		n = readlinkat(v->proc, path, text, sizeof(text) - 1);
		if (n <= 0)
			continue;
		text[n] = '\0';
		if (strcmp(text, a->own.namespaces[i]) != 0)
			finding("%s isn't the container's", path);
	}
}

static int64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void attack_look(const struct attacker *a, struct victim *v)
{
	int64_t end = now_ns() + LOOK_NS;
	bool counted = false;

	do {
		/* The order changes: what is looked at first has the best chances. */
		switch (v->number % 4) {
		case 0:
			look_at_places(a, v);
			break;
		case 1:
			look_at_fds(a, v);
			break;
		case 2:
			look_at_texts(a, v);
			break;
		default:
			judge_identity(a, v->proc, "a process");
		}
		look_at_texts(a, v);
		look_at_places(a, v);
		judge_identity(a, v->proc, "a process");
		look_at_fds(a, v);
		look_at_namespaces(a, v);
		if (!counted && is_foreign_exe(a, v->proc)) {
			counted = true;
			(*a->caught)++;
		}
		look_at_memory(a, v);
	} while (!has_ended(v) && now_ns() < end);
}

/*
 * Run as the command: what did it get? CAPS is the most that it may have in the user namespace that
 * is named, every other NAMESPACE is one that it must not be in ("mnt:[4026531841]").
 */
int inspect_main(struct attacker *a, int argc, char **argv)
{
	_cleanup_fd_ int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (argc < 1 || baseline_read(&a->own) < 0)
		return 2;
	for (int i = 1; i < argc; i++) {
		for (size_t k = 0; k < NAMESPACES; k++) {
			if (strcmp(argv[i], a->own.namespaces[k]) != 0)
				continue;
			if (strncmp(argv[i], "user:", 5) != 0)
				finding("the command is in the host's %s", argv[i]);
			else if ((a->own.caps[1] | a->own.caps[3]) & ~strtoull(argv[0], NULL, 16))
				finding("the command has capabilities beyond the target's");
		}
	}
	if (a->marker && access(a->marker, F_OK) == 0)
		finding("the command sees the host's root");
	if (cwd >= 0)
		judge_directory(a, cwd, "the command's cwd");
	(void)puts("inspected");
	return 0;
}
