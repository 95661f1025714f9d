/* SPDX-License-Identifier: MIT
 *
 * Namespaces without processes: all that holds any, less those that have a process.
 * Not here: finding what holds them (sys/nsholders.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "lib/list.h"
#include "sys/proc.h"

struct key {
	uint64_t inode;
	int64_t kind, how, pid;
};

static struct key key_of(int kind, uint64_t inode)
{
	return (struct key){.inode = inode, .kind = kind};
}

static bool is_new(struct map *map, const void *key, size_t size, int *ret)
{
	*ret = map_put(map, key, size, 0);
	return *ret > 0;
}

static int is_new_socket(void *data, uint64_t inode)
{
	struct list_holders *holders = data;
	int r;

	return is_new(&holders->sockets, &inode, sizeof(inode), &r);
}

static int make_room(struct list_holders *holders)
{
	struct cj_list_namespace *grown;

	if (holders->n < holders->room)
		return 0;
	holders->room = holders->room ? 2 * holders->room : 64;
	grown = reallocarray(holders->found, holders->room, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	holders->found = grown;
	return 0;
}

/* A mount is told once, in whichever mount namespaces it may have copies; a process's files once. */
static bool is_new_holder(struct list_holders *holders, const struct ns_holder *holder, int *ret)
{
	struct key key = key_of(holder->kind, holder->inode);
	size_t path = holder->path ? strlen(holder->path) : 0;
	char bytes[sizeof(key) + 4096];

	key.how = holder->how;
	key.pid = holder->path ? 0 : holder->pid;
	memcpy(bytes, &key, sizeof(key));
	path = path < sizeof(bytes) - sizeof(key) ? path : sizeof(bytes) - sizeof(key);
	if (path)
		memcpy(bytes + sizeof(key), holder->path, path);
	return is_new(&holders->seen, bytes, sizeof(key) + path, ret);
}

static int found(void *data, const struct ns_holder *holder)
{
	struct list_holders *holders = data;
	struct cj_list_namespace one = {
		.kind = (enum cj_namespace_kind)holder->kind,
		.inode = holder->inode,
		.holder = holder->how == NS_HOLDER_FILE	   ? CJ_HOLDER_FILE
			  : holder->how == NS_HOLDER_MOUNT ? CJ_HOLDER_MOUNT
							   : CJ_HOLDER_SOCKET,
		.pid = holder->pid,
		.fd = holder->fd,
	};
	char *path = NULL, *comm;
	int r;

	if (!is_new_holder(holders, holder, &r))
		return r;
	comm = holders->comm ? strdup(holders->comm) : NULL;
	if (holder->path)
		path = strdup(holder->path);
	if ((holders->comm && !comm) || (holder->path && !path) || make_room(holders) < 0) {
		free(comm);
		free(path);
		return -ENOMEM;
	}
	one.process = comm;
	one.path = path;
	holders->found[holders->n++] = one;
	return 0;
}

int list_holders_look_here(struct list_holders *holders, int proc,
			   const struct namespaces *namespaces)
{
	struct ns_holders how = {.found = found, .data = holders};
	uint64_t mnt = namespaces->inode[NAMESPACE_MNT];
	int r = map_put(&holders->mount_namespaces, &mnt, sizeof(mnt), 0);

	return r < 0 ? r : ns_holders_of_mounts(proc, 0, &how);
}

int list_holders_look(struct list_holders *holders, int proc, const struct scan_process *process)
{
	struct ns_holders how = {.found = found, .is_new_socket = is_new_socket, .data = holders};
	uint64_t mnt = process->namespaces.inode[NAMESPACE_MNT];
	char comm[64] = "";
	int r;

	if (proc_read_small(proc, "comm", comm, sizeof(comm)) > 0)
		comm[strlen(comm) - 1] = '\0'; /* the newline; others are the name's own */
	holders->comm = comm;
	r = ns_holders_of_files(proc, process->pid, &how);
	if (r != -ENOMEM && is_new(&holders->mount_namespaces, &mnt, sizeof(mnt), &r))
		r = ns_holders_of_mounts(proc, process->pid, &how);
	holders->comm = NULL;
	return r == -ENOMEM ? r : 0; /* the others: it ended, or forbids to look */
}

static int compare(const void *a, const void *b)
{
	const struct cj_list_namespace *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return (x->holder > y->holder) - (x->holder < y->holder);
}

static int note_those_with_processes(const struct list_group *group, struct map *map)
{
	for (size_t i = 0; i < group->n_cells; i++)
		for (int kind = 0; kind < NAMESPACE_KINDS; kind++) {
			struct key key = key_of(kind, group->cells[i].namespaces.inode[kind]);

			if (map_put(map, &key, sizeof(key), 0) < 0)
				return -ENOMEM;
		}
	return 0;
}

static void done(const struct cj_list_namespace *namespace)
{
	free((void *)(uintptr_t) namespace->process);
	free((void *)(uintptr_t) namespace->path);
}

int list_holders_finish(struct list_holders *holders, const struct list_context *context,
			struct cj_list *list)
{
	_cleanup_(map_done) struct map with_processes = MAP_INIT;
	size_t kept = 0;

	if (note_those_with_processes(&context->group, &with_processes) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < holders->n; i++) {
		const struct cj_list_namespace *one = &holders->found[i];
		struct key key = key_of((int)one->kind, one->inode);

		if (map_get(&with_processes, &key, sizeof(key)) != MAP_NONE ||
		    (context->options->inode && (one->inode != context->options->inode ||
						 one->kind != context->options->kind)))
			done(one);
		else
			holders->found[kept++] = *one;
	}
	if (kept)
		qsort(holders->found, kept, sizeof(*holders->found), compare);
	list->namespaces = take_ptr(holders->found);
	list->n_namespaces = kept;
	holders->n = 0;
	return 0;
}

void list_holders_done(struct list_holders *holders)
{
	for (size_t i = 0; i < holders->n; i++)
		done(&holders->found[i]);
	free(holders->found);
	map_done(&holders->seen);
	map_done(&holders->sockets);
	map_done(&holders->mount_namespaces);
}
