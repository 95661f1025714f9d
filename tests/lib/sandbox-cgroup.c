/* SPDX-License-Identifier: MIT
 *
 * The test container's cgroups: one in every mounted hierarchy, v1 and v2, below the cgroup that
 * we are in. Where they are is read from mountinfo, never guessed.
 * Not here: limits. Tests write those themselves.
 *
 * They are called conjoin-sandbox-PID-START after the supervisor, so that a later --cleanup knows
 * whose they are. In the memory hierarchy the container lives two levels further down: real
 * machines have different paths in different hierarchies, and a tool that assumes one path for all
 * must be caught.
 */
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "conjoin-sandbox-"
#define DEEPER "/a/init" /* below the top, for the memory controller of v1 */
#define REMOVE_MS 5000

/* A mounted hierarchy and the directory of our own cgroup in it. */
struct mounted {
	char controllers[128];
	char own[PATH_MAX];
	bool v2;
};

/* \040 and its like stand for blanks in mountinfo (proc(5)). */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* Is `word` (`n` bytes) one of the comma-separated words of `list`? */
static bool has_word(const char *list, const char *word, size_t n)
{
	while (*list) {
		size_t length = strcspn(list, ",");

		if (length == n && strncmp(list, word, n) == 0)
			return true;
		list += length + (list[length] == ',');
	}
	return false;
}

/* Our own path in the hierarchy whose super block has these options: "N:CONTROLLERS:PATH". */
static int own_path(const char *super, bool v2, struct mounted *ret, char *ret_path, size_t size)
{
	_cleanup_file_ FILE *file = fopen("/proc/self/cgroup", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	if (!file)
		return -errno;
	while (getline(&line, &room, file) > 0) {
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

		if (!path)
			continue;
		*list++ = '\0';
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		if (v2 ? *list != '\0' : !*list || !has_word(super, list, strcspn(list, ",")))
			continue;
		(void)snprintf(ret->controllers, sizeof(ret->controllers), "%s", list);
		(void)snprintf(ret_path, size, "%s", path);
		return 0;
	}
	return -ENOENT;
}

/* One line of mountinfo, when it is a cgroup mount through which our own cgroup can be seen. */
static int parse_mount(char *line, struct mounted *ret)
{
	char *fields[5], *save = NULL, *rest = strstr(line, " - "), *type, *super;
	char path[PATH_MAX];
	size_t root;

	if (!rest)
		return -EINVAL;
	*rest = '\0';
	type = strtok_r(rest + 3, " \n", &save);
	(void)strtok_r(NULL, " \n", &save); /* the source, a mere name */
	super = strtok_r(NULL, " \n", &save);
	if (!type || !super || (strcmp(type, "cgroup") && strcmp(type, "cgroup2")))
		return -ENOENT;
	fields[0] = strtok_r(line, " ", &save);
	for (size_t i = 1; i < ELEMENTS(fields); i++)
		fields[i] = strtok_r(NULL, " ", &save);
	if (!fields[4])
		return -EINVAL;
	unescape(fields[3]);
	unescape(fields[4]);
	ret->v2 = strcmp(type, "cgroup2") == 0;
	if (own_path(super, ret->v2, ret, path, sizeof(path)) < 0)
		return -ENOENT;
	root = strcmp(fields[3], "/") ? strlen(fields[3]) : 0;
	if (strncmp(path, fields[3], root) || strncmp(path, "/..", 3) == 0)
		return -ENOENT; /* mounted from elsewhere */
	if (snprintf(ret->own, sizeof(ret->own), "%s%s", fields[4], path + root) >=
	    (int)sizeof(ret->own))
		return -ENAMETOOLONG;
	root = strlen(ret->own);
	if (ret->own[root - 1] == '/')
		ret->own[root - 1] = '\0';
	return 0;
}

/* Calls `use` once for each mounted hierarchy. */
static int each_hierarchy(int (*use)(const struct mounted *, void *, struct failure *), void *data,
			  struct failure *why)
{
	_cleanup_file_ FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	char seen[32][128];
	size_t room = 0, n = 0;

	if (!file)
		return fail(why, errno, "open /proc/self/mountinfo");
	while (getline(&line, &room, file) > 0 && n < ELEMENTS(seen)) {
		struct mounted at;
		bool again = false;
		int r;

		if (parse_mount(line, &at) < 0)
			continue;
		for (size_t i = 0; i < n; i++)
			again = again || strcmp(seen[i], at.controllers) == 0;
		if (again)
			continue;
		memcpy(seen[n++], at.controllers, sizeof(at.controllers));
		r = use(&at, data, why);
		if (r < 0)
			return r;
	}
	return 0;
}

static int path_in(const char *dir, const char *name, char *ret, size_t size)
{
	return snprintf(ret, size, "%s/%s", dir, name) < (int)size ? 0 : -ENAMETOOLONG;
}

/* A new v1 cpuset has neither CPUs nor memory: nothing can be attached until it has (cpuset(7)). */
static void copy_cpuset(const char *parent, const char *child)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};

	for (size_t i = 0; i < ELEMENTS(files); i++) {
		char from[PATH_MAX], to[PATH_MAX], value[4096];

		if (path_in(parent, files[i], from, sizeof(from)) == 0 &&
		    path_in(child, files[i], to, sizeof(to)) == 0 &&
		    read_file(from, value, sizeof(value)) >= 0)
			(void)write_file(to, value);
	}
}

/* A new v1 cpu cgroup has no real-time budget: SCHED_FIFO is EPERM in it until it has one. */
static int give_realtime(const struct cgroups *groups, struct failure *why)
{
	for (size_t i = 0; i < groups->n; i++) {
		char path[PATH_MAX];
		int r;

		if (!has_word(groups->list[i].controllers, "cpu", strlen("cpu")) ||
		    path_in(groups->list[i].leaf, "cpu.rt_runtime_us", path, sizeof(path)) < 0)
			continue;
		r = write_file(path, "10000");
		if (r < 0 && r != -ENOENT)
			return fail(why, -r, "give %s a real-time budget", groups->list[i].leaf);
	}
	return 0;
}

/* Makes `path`, whose parent exists. */
static int make_one(const char *path, bool v2, struct failure *why)
{
	char parent[PATH_MAX];

	if (mkdir(path, 0755) < 0)
		return fail(why, errno, "make cgroup %s", path);
	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (!v2)
		copy_cpuset(parent, path);
	return 0;
}

/* Pure v2: give it controllers where the parent lets us. Hybrid: they belong to v1. */
static void enable_controllers(const char *parent)
{
	static const char *const wanted[] = {"+cpu", "+memory", "+pids"};
	char path[PATH_MAX];

	if (path_in(parent, "cgroup.subtree_control", path, sizeof(path)) == 0)
		for (size_t i = 0; i < ELEMENTS(wanted); i++)
			(void)write_file(path,
					 wanted[i]); /* one that isn't there or a busy parent */
}

static unsigned long long start_time(const char *pid)
{
	char path[64], text[1024], *at;
	unsigned long long ticks = 0;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	if (read_file(path, text, sizeof(text)) < 0)
		return 0;
	at = strrchr(text, ')'); /* the name before it may hold anything */
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at)
		ticks = strtoull(at + 1, NULL, 10);
	return ticks;
}

/* Level by level, so that what was made is known, and removed, when one fails. */
static int make_deeper(struct hierarchy *made, struct failure *why)
{
	static const char *const levels[] = {"/a", "/init"};

	for (size_t i = 0; i < ELEMENTS(levels); i++) {
		size_t length = strlen(made->leaf);
		int r;

		memcpy(made->leaf + length, levels[i], strlen(levels[i]) + 1);
		r = make_one(made->leaf, false, why);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_in(const struct mounted *at, void *data, struct failure *why)
{
	struct cgroups *groups = data;
	struct hierarchy *made = &groups->list[groups->n];
	char name[64];
	int r;

	if (groups->n == ELEMENTS(groups->list))
		return 0;
	(void)snprintf(name, sizeof(name), PREFIX "%d-%llu", getpid(), start_time("self"));
	memcpy(made->controllers, at->controllers, sizeof(made->controllers));
	if (snprintf(made->top, sizeof(made->top), "%s/%s", at->own, name) >=
	    (int)sizeof(made->top) - (int)sizeof(DEEPER))
		return fail(why, ENAMETOOLONG, "make cgroup below %s", at->own);
	memcpy(made->leaf, made->top, sizeof(made->leaf));
	if (at->v2 && groups->n == 0)
		enable_controllers(at->own);
	r = make_one(made->top, at->v2, why);
	if (r < 0)
		return r;
	groups->n++;
	return has_word(at->controllers, "memory", strlen("memory")) ? make_deeper(made, why) : 0;
}

int cgroups_make(const struct sandbox *box, struct cgroups *groups, struct failure *why)
{
	int r = each_hierarchy(make_in, groups, why);

	if (r == 0 && (box->sched_policy == SCHED_FIFO || box->sched_policy == SCHED_RR))
		r = give_realtime(groups, why);
	return r;
}

int cgroups_attach(const struct cgroups *groups, pid_t pid, struct failure *why)
{
	char path[PATH_MAX], number[24];

	(void)snprintf(number, sizeof(number), "%d", pid);
	for (size_t i = 0; i < groups->n; i++) {
		int r = path_in(groups->list[i].leaf, "cgroup.procs", path, sizeof(path));

		if (r == 0)
			r = write_file(path, number);
		if (r < 0)
			return fail(why, -r, "attach to cgroup %s", groups->list[i].leaf);
	}
	return 0;
}

/* Writes `v1` to the v1 freezer, else `v2` to cgroup.freeze. */
static int set_freezer(const struct cgroups *groups, const char *v1, const char *v2)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < groups->n; i++)
		if (has_word(groups->list[i].controllers, "freezer", strlen("freezer")) &&
		    path_in(groups->list[i].leaf, "freezer.state", path, sizeof(path)) == 0)
			return write_file(path, v1);
	for (size_t i = 0; i < groups->n; i++)
		if (groups->list[i].controllers[0] == '\0' &&
		    path_in(groups->list[i].leaf, "cgroup.freeze", path, sizeof(path)) == 0)
			return write_file(path, v2);
	return -ENOENT;
}

int cgroups_freeze(const struct cgroups *groups, struct failure *why)
{
	int r = set_freezer(groups, "FROZEN", "1");

	return r < 0 ? fail(why, -r, "freeze the container") : 0;
}

void cgroups_thaw(const struct cgroups *groups)
{
	if (groups->n > 0)
		(void)set_freezer(groups, "THAWED", "0"); /* no freezer: nothing is frozen */
}

/* What was put into the container's cgroup without being in its pid namespace. */
static void kill_members(const char *dir)
{
	_cleanup_file_ FILE *file = NULL;
	char path[PATH_MAX];
	int pid;

	if (path_in(dir, "cgroup.procs", path, sizeof(path)) == 0)
		file = fopen(path, "re");
	while (file && fscanf(file, "%d", &pid) == 1)
		if (pid > 0)
			(void)kill(pid, SIGKILL);
}

/* A cgroup is busy for a moment after its last process has ended. */
static int remove_one(const char *path)
{
	for (int waited = 0; rmdir(path) < 0 && errno != ENOENT; waited += 5) {
		if (errno != EBUSY || waited >= REMOVE_MS)
			return -errno;
		kill_members(path);
		(void)poll(NULL, 0, 5);
	}
	return 0;
}

/* From the leaf up to the top: only what we made. */
static int remove_made(const struct hierarchy *group)
{
	char path[PATH_MAX];
	int r;

	memcpy(path, group->leaf, sizeof(path));
	while ((r = remove_one(path)) == 0 && strcmp(path, group->top) != 0)
		*strrchr(path, '/') = '\0';
	return r;
}

int cgroups_remove(struct cgroups *groups)
{
	int first = 0;

	for (size_t i = 0; i < groups->n; i++) {
		int r = remove_made(&groups->list[i]);

		if (r < 0) {
			fprintf(stderr, "sandbox: remove cgroup %s: %s\n", groups->list[i].top,
				strerror(-r));
			first = first ? first : r;
		}
	}
	groups->n = 0;
	return first;
}

/* Removes a dead sandbox's cgroup with all below it, and kills what still lives in there. */
static void remove_tree(const char *path, int depth)
{
	_cleanup_dir_ DIR *dir = opendir(path);
	struct dirent *entry;
	int r;

	while (dir && depth < 16 && (entry = readdir(dir))) {
		char child[PATH_MAX];

		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    path_in(path, entry->d_name, child, sizeof(child)) == 0)
			remove_tree(child, depth + 1);
	}
	r = remove_one(path);
	fprintf(stderr, "sandbox: remove %s: %s\n", path, r < 0 ? strerror(-r) : "done");
}

static int clean_in(const struct mounted *at, void *data, struct failure *why)
{
	_cleanup_dir_ DIR *dir = opendir(at->own);
	struct dirent *entry;

	(void)data, (void)why;
	while (dir && (entry = readdir(dir))) {
		unsigned long long started;
		char path[PATH_MAX], pid[24];

		if (sscanf(entry->d_name, PREFIX "%20[0-9]-%llu", pid, &started) != 2)
			continue;
		if (start_time(pid) == started ||
		    path_in(at->own, entry->d_name, path, sizeof(path)))
			continue; /* its supervisor lives */
		remove_tree(path, 0);
	}
	return 0;
}

int cgroups_cleanup(struct failure *why)
{
	return each_hierarchy(clean_in, NULL, why);
}
