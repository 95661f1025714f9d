/* SPDX-License-Identifier: MIT */
#include "lib/pids_tree.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"

struct tree {
	struct process *from, *to; /* `from` by host PID */
	size_t n, placed;
	size_t *first, *next; /* children, those with the highest PIDs first; NONE ends */
	size_t *stack;
	size_t *place; /* in `to`; NONE: not there yet */
};

static size_t find_parent(const struct tree *tree, size_t i)
{
	size_t low = 0, high = tree->n;
	pid_t wanted = tree->from[i].parent;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tree->from[middle].pid.host < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low < tree->n && tree->from[low].pid.host == wanted && low != i ? low : CJ_PIDS_NONE;
}

static void link_children(struct tree *tree)
{
	for (size_t i = 0; i < tree->n; i++)
		tree->first[i] = tree->next[i] = tree->place[i] = CJ_PIDS_NONE;
	for (size_t i = 0; i < tree->n; i++) {
		size_t parent = find_parent(tree, i);

		tree->from[i].pid.parent = parent;
		if (parent == CJ_PIDS_NONE)
			continue;
		tree->next[i] = tree->first[parent];
		tree->first[parent] = i;
	}
}

/* A process with its descendants. Each is in one list of children, so the stack is long enough. */
static void place(struct tree *tree, size_t root)
{
	size_t depth = 0;

	tree->from[root].pid.parent = CJ_PIDS_NONE;
	tree->stack[depth++] = root;
	while (depth > 0) {
		size_t i = tree->stack[--depth], parent = tree->from[i].pid.parent;
		struct process *process = &tree->to[tree->placed];

		if (tree->place[i] != CJ_PIDS_NONE)
			continue; /* the root of a circle, see place_all() */
		tree->place[i] = tree->placed++;
		*process = tree->from[i];
		process->pid.parent = parent == CJ_PIDS_NONE ? parent : tree->place[parent];
		tree->from[i].block = NULL;
		for (size_t child = tree->first[i]; child != CJ_PIDS_NONE;
		     child = tree->next[child])
			tree->stack[depth++] = child;
	}
}

static bool is_root(const struct tree *tree, size_t i)
{
	return tree->place[i] == CJ_PIDS_NONE && tree->from[i].pid.parent == CJ_PIDS_NONE;
}

/*
 * The processes were read one after another, so that numbers of parents may be those of later
 * processes, and make circles: what no root leads to is one of them, and its first process a root.
 */
static void place_all(struct tree *tree)
{
	for (size_t i = 0; i < tree->n; i++)
		if (tree->from[i].pid.inside == 1 && is_root(tree, i))
			place(tree, i);
	for (size_t i = 0; i < tree->n; i++)
		if (is_root(tree, i))
			place(tree, i);
	for (size_t i = 0; i < tree->n; i++)
		if (tree->place[i] == CJ_PIDS_NONE)
			place(tree, i);
}

static void place_one(struct tree *tree, pid_t root)
{
	for (size_t i = 0; i < tree->n; i++)
		if (tree->from[i].pid.host == root)
			place(tree, i);
}

int pids_make_tree(struct cj_pids *pids, pid_t root)
{
	size_t n = pids->n;
	_cleanup_free_ size_t *memory = calloc(4 * n + 1, sizeof(*memory));
	_cleanup_free_ struct process *to = calloc(n + 1, sizeof(*to));
	struct tree tree = {.from = pids->all, .n = n};

	if (!memory || !to)
		return -ENOMEM;
	tree.to = to;
	tree.first = memory;
	tree.next = memory + n;
	tree.stack = memory + 2 * n;
	tree.place = memory + 3 * n;
	link_children(&tree);
	if (root)
		place_one(&tree, root);
	else
		place_all(&tree);
	for (size_t i = 0; i < n; i++)
		free(pids->all[i].block); /* of those that found no place */
	free(pids->all);
	pids->all = take_ptr(to);
	pids->n = tree.placed;
	pids->room = n + 1;
	return 0;
}
