/* SPDX-License-Identifier: MIT */
#include "engine/lxc_find.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "engine/cgroup_tree.h"
#include "engine/engine.h"
#include "engine/first.h"
#include "engine/shared.h"
#include "engine/users.h"
#include "engine/watcher.h"
#include "sys/kin.h"
#include "sys/namespace.h"
#include "sys/proc.h"

enum { TITLE_SIZE = 512, CMDLINE_LIMIT = 1 << 20, MAX_FOREIGN = 256 };

static const char title[] = "[lxc monitor] ";

/* Whose process it is; false: of several, as with a setuid program. */
static bool read_owner(int proc, uid_t *ret)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;

	if (proc_read_status(proc, &status) < 0 || status.uid[1] != status.uid[0] ||
	    status.uid[2] != status.uid[0] || status.uid[3] != status.uid[0])
		return false;
	*ret = status.uid[0];
	return true;
}

static bool is_of(int proc, uid_t owner)
{
	struct watcher_place ours;
	uid_t uid;

	if (owner == 0)
		return watcher_place_read(&ours) == 0 && watcher_is_roots(proc, &ours);
	return read_owner(proc, &uid) && uid == owner;
}

/* "[lxc monitor] LXCPATH NAME" */
static bool title_names(const char *text, const char *name)
{
	size_t n = strlen(text), length = strlen(name);

	return n > length && strcmp(text + n - length, name) == 0 && text[n - length - 1] == ' ';
}

/* "NAME", "-nNAME", "--name=NAME": lxc-start(1) */
static bool word_names(const char *word, const char *name)
{
	static const char *const options[] = {"", "-n", "--name="};

	for (size_t i = 0; i < ELEMENTS(options); i++)
		if (strncmp(word, options[i], strlen(options[i])) == 0 &&
		    strcmp(word + strlen(options[i]), name) == 0)
			return true;
	return false;
}

/*
 * Whoever has the network namespace may listen in a monitor's place, and name somebody else's container. So the
 * monitor has to be called as this one's is: "[lxc monitor] LXCPATH NAME", or, in the foreground, "lxc-start -F
 * -n NAME" and its like.
 */
static bool is_monitor_of(int proc, const char *name)
{
	_cleanup_(bytes_done) struct bytes cmdline = BYTES_INIT;
	const char *end;
	char comm[32];

	if (proc_read_small(proc, "comm", comm, sizeof(comm)) <= 0 ||
	    (strncmp(comm, "lxc-", strlen("lxc-")) != 0 &&
	     strncmp(comm, "[lxc monitor]", strlen("[lxc monitor]")) != 0) ||
	    proc_read(proc, "cmdline", CMDLINE_LIMIT, &cmdline) < 0 || cmdline.size == 0)
		return false;
	end = cmdline.data + cmdline.size;
	if (strncmp(cmdline.data, title, strlen(title)) == 0)
		return title_names(cmdline.data, name);
	for (const char *word = cmdline.data; word < end; word += strlen(word) + 1)
		if (word_names(word, name))
			return true;
	return false;
}

/*
 * The start time of the process, if its parent is its monitor, of its owner and in another pid namespace; else
 * 0. Read through one fd each, so a number that gets recycled meanwhile doesn't pass.
 */
static uint64_t start_of_child(const struct lxc_process *process)
{
	_cleanup_fd_ int proc = -EBADF, parent = -EBADF;
	uint64_t ns, parent_ns;
	struct kin kin;

	if (proc_open(process->pid, &proc, NULL) < 0 || kin_read(proc, &kin) < 0 || kin.ended ||
	    kin.parent == 0 || namespace_read(proc, NAMESPACE_PID, &ns) < 0 ||
	    proc_open(kin.parent, &parent, NULL) < 0 || !is_of(parent, process->owner) ||
	    !is_monitor_of(parent, process->name) ||
	    namespace_read(parent, NAMESPACE_PID, &parent_ns) < 0 || ns == parent_ns)
		return 0;
	return kin.start;
}

int lxc_add(struct source *source, const struct lxc_process *process)
{
	struct container *container = containers_add(&source->found);
	char word[sizeof("lxc.payload.") + NAME_MAX];
	int r;

	if (!container)
		return -ENOMEM;
	container->scheme = source->engine->scheme;
	container->state = process->state;
	container->owner = process->owner;
	container->pid = process->pid;
	container->start = process->pid ? start_of_child(process) : 0;
	(void)snprintf(word, sizeof(word), "lxc.payload.%s", process->name);
	r = container_set(&container->name, process->name);
	return r < 0 ? r : container_set(&container->cgroup_word, word);
}

/* 0, if it isn't called as a monitor is. */
static size_t read_title(int proc, char buf[TITLE_SIZE])
{
	ssize_t n = proc_read_small(proc, "cmdline", buf, TITLE_SIZE);

	return n > 0 && strncmp(buf, title, strlen(title)) == 0 ? strlen(buf) : 0;
}

/* "[lxc monitor] LXCPATH NAME", of which "@LXCPATH/NAME/command" is made. lxc, src/lxc/lxccontainer.c */
static bool is_title(const char *text, const char *address, const char *name)
{
	size_t address_length = strlen(address), length = strlen(name), path_length;

	if (address_length < 1 + 1 + length + strlen("/command"))
		return false;
	path_length = address_length - 1 - 1 - length - strlen("/command");
	return strlen(text) == strlen(title) + path_length + 1 + length &&
	       memcmp(text + strlen(title), address + 1, path_length) == 0 &&
	       text[strlen(title) + path_length] == ' ' &&
	       strcmp(text + strlen(title) + path_length + 1, name) == 0;
}

/* Of others' only so many: anybody can call any number of processes so. */
static int note_monitor(struct engine_shared *shared, pid_t pid, int proc, size_t *n_foreign)
{
	struct engine_monitor monitor = {.pid = pid};
	void *grown = shared->monitors;
	char text[TITLE_SIZE];

	if (read_title(proc, text) == 0 || !read_owner(proc, &monitor.owner) ||
	    (users_is_foreign(monitor.owner) && (*n_foreign)++ >= MAX_FOREIGN))
		return 0;
	monitor.title = strdup(text);
	if (!monitor.title)
		return -ENOMEM;
	if (!array_grow(&grown, sizeof(monitor), &shared->monitors_room, shared->n_monitors + 1)) {
		free(monitor.title);
		return -ENOMEM;
	}
	shared->monitors = grown;
	shared->monitors[shared->n_monitors++] = monitor;
	return 0;
}

/* One walk for all the monitors that are mute: their sockets may be many, and any user's. */
static int collect_monitors(struct engine_shared *shared)
{
	struct proc_list *list;
	size_t n_foreign = 0;
	int r;

	if (shared->has_monitors)
		return 0;
	r = proc_list_new(&list, NULL);
	if (r < 0)
		return r;
	for (pid_t pid; r == 0 && (pid = proc_list_next(list));) {
		_cleanup_fd_ int proc = -EBADF;

		if (proc_open(pid, &proc, NULL) == 0)
			r = note_monitor(shared, pid, proc, &n_foreign);
	}
	proc_list_free(list);
	shared->has_monitors = r == 0;
	return r;
}

/* What was collected is a while ago: it's looked at again. */
static int find_child_of(const struct engine_monitor *monitor, struct first *ret)
{
	_cleanup_fd_ int proc = -EBADF;
	char text[TITLE_SIZE];

	if (proc_open(monitor->pid, &proc, NULL) < 0 || read_title(proc, text) == 0 ||
	    strcmp(text, monitor->title) != 0 || !is_of(proc, monitor->owner))
		return -ENOENT;
	return first_child_inside(monitor->pid, ret);
}

static int find_child(struct source *source, const char *name, struct lxc_process *ret)
{
	struct engine_shared own = {.has_monitors = false}, *shared = source->request->shared;
	struct first first;
	int r;

	if (source_is_foreign(source) && engine_foreign_time(source->request) == 0)
		return -ENOENT;
	if (!shared)
		shared = &own;
	r = collect_monitors(shared);
	if (r == 0)
		r = -ENOENT;
	for (size_t i = 0; i < shared->n_monitors && r == -ENOENT; i++) {
		const struct engine_monitor *monitor = &shared->monitors[i];

		if (monitor->owner == source->owner &&
		    is_title(monitor->title, source->address, name))
			r = find_child_of(monitor, &first);
	}
	engine_shared_done(&own);
	if (r == 0)
		*ret = (struct lxc_process){.name = name, .pid = first.pid, .owner = source->owner};
	return r;
}

int lxc_find_by_monitor(struct source *source, const char *name)
{
	struct lxc_process process;
	int r = find_child(source, name, &process);

	return r < 0 ? r : lxc_add(source, &process);
}

int lxc_find_by_cgroup(struct source *source, const char *name)
{
	static const char *const places[] = {"lxc.payload.", "lxc.payload/",
					     "lxc/"}; /* 3.0 and before */
	_cleanup_(cgroup_roots_done) struct cgroup_roots roots = CGROUP_ROOTS_INIT;
	struct lxc_process process = {.name = name};
	char path[PATH_MAX];
	struct first first;
	int r = cgroup_roots_read(source->request, &roots);

	for (size_t i = 0; r == 0 && i < roots.n * ELEMENTS(places); i++) {
		if (snprintf(path, sizeof(path), "%s/%s%s", roots.paths[i / ELEMENTS(places)],
			     places[i % ELEMENTS(places)], name) >= (int)sizeof(path) ||
		    cgroup_first_init(path, &first) < 0)
			continue;
		process.pid = first.pid;
		return lxc_add(source, &process);
	}
	return r < 0 ? r : -ENOENT;
}
