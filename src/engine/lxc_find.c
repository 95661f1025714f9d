/* SPDX-License-Identifier: MIT */
#include "engine/lxc_find.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/cgroup_tree.h"
#include "engine/engine.h"
#include "engine/first.h"
#include "sys/kin.h"
#include "sys/namespace.h"
#include "sys/proc.h"

enum { STATUS_LIMIT = 1 << 20, TITLE_SIZE = 512 };

static bool is_of(int proc, uid_t owner)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;

	return proc_read(proc, "status", STATUS_LIMIT, &text) == 0 &&
	       proc_parse_status(text.data, &status) == 0 && status.uid[1] == owner;
}

/* Whoever has the network namespace may listen in a monitor's place, and name somebody else's container. */
static bool is_lxc(int proc)
{
	char comm[32];

	return proc_read_small(proc, "comm", comm, sizeof(comm)) > 0 &&
	       (strncmp(comm, "lxc-", strlen("lxc-")) == 0 ||
		strncmp(comm, "[lxc monitor]", strlen("[lxc monitor]")) == 0);
}

/*
 * The start time of `pid`, if its parent is a monitor of `owner` in another pid namespace; else 0. Read
 * through one fd each, so a number that gets recycled meanwhile doesn't pass.
 */
static uint64_t start_of_child(pid_t pid, uid_t owner)
{
	_cleanup_fd_ int proc = -EBADF, parent = -EBADF;
	uint64_t ns, parent_ns;
	struct kin kin;

	if (proc_open(pid, &proc, NULL) < 0 || kin_read(proc, &kin) < 0 || kin.ended ||
	    kin.parent == 0 || namespace_read(proc, NAMESPACE_PID, &ns) < 0 ||
	    proc_open(kin.parent, &parent, NULL) < 0 || !is_of(parent, owner) || !is_lxc(parent) ||
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
	container->start = process->pid ? start_of_child(process->pid, process->owner) : 0;
	(void)snprintf(word, sizeof(word), "lxc.payload.%s", process->name);
	r = container_set(&container->name, process->name);
	return r < 0 ? r : container_set(&container->cgroup_word, word);
}

/* "[lxc monitor] LXCPATH NAME", of which "@LXCPATH/NAME/command" is made. lxc, src/lxc/lxccontainer.c */
static bool is_monitor(int proc, const char *address, const char *name)
{
	static const char title[] = "[lxc monitor] ";
	size_t address_length = strlen(address), length = strlen(name), path_length;
	char text[TITLE_SIZE];
	ssize_t n = proc_read_small(proc, "cmdline", text, sizeof(text));

	if (n <= 0 || strncmp(text, title, strlen(title)) != 0 ||
	    address_length < 1 + 1 + length + strlen("/command"))
		return false;
	path_length = address_length - 1 - 1 - length - strlen("/command");
	return strlen(text) == strlen(title) + path_length + 1 + length &&
	       memcmp(text + strlen(title), address + 1, path_length) == 0 &&
	       text[strlen(title) + path_length] == ' ' &&
	       strcmp(text + strlen(title) + path_length + 1, name) == 0;
}

static int find_child(struct source *source, const char *name, struct lxc_process *ret)
{
	struct proc_list *list;
	struct first first;
	int r = proc_list_new(&list, NULL);

	if (r < 0)
		return r;
	r = -ENOENT;
	for (pid_t pid; r == -ENOENT && (pid = proc_list_next(list));) {
		_cleanup_fd_ int proc = -EBADF;

		if (proc_open(pid, &proc, NULL) == 0 && is_monitor(proc, source->address, name) &&
		    is_of(proc, source->owner))
			r = first_child_inside(pid, &first);
	}
	proc_list_free(list);
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
