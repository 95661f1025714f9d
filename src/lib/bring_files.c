/* SPDX-License-Identifier: MIT
 *
 * The files of the host that are brought: looked at once each, whatever they're called by, and
 * given a place each.
 */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "lib/bring_state.h"
#include "lib/plan.h"

void piece_free(void *data)
{
	struct piece *piece = data;

	if (!piece)
		return;
	free(piece->path);
	free(piece->place);
	elf_done(&piece->elf);
	script_done(&piece->script);
	needs_free(piece->needs);
	free(piece);
}

static void free_piece(struct piece **piece)
{
	piece_free(*piece);
}

void known_free(void *data)
{
	struct known *known = data;

	if (!known)
		return;
	free(known->key);
	free(known->shown);
	free(known);
}

static void free_known(struct known **known)
{
	known_free(*known);
}

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return 0;
}

static int compare_known(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static int compare_places(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Older loaders know fewer options; the texts are in the order of LOADER_…. */
static int read_options(int fd, struct piece *loader)
{
	static const char *const texts[] = {"library-path", "inhibit-cache", "inhibit-rpath",
					    "argv0"};
	int r = elf_find_texts(fd, texts, ELEMENTS(texts), &loader->loader_options);

	loader->searched = r == 0;
	return r;
}

int bring_find_options(struct piece *loader)
{
	_cleanup_(host_file_done) struct host_file file = HOST_FILE_INIT;
	int r;

	if (loader->searched)
		return 0;
	r = host_file_open(-EBADF, loader->path, &file);
	return r < 0 ? r : read_options(file.fd, loader);
}

/* What the file is. It being nothing that can be brought is no failure yet. */
static int read_kind(int fd, struct piece *piece)
{
	int r = elf_read(fd, &piece->elf);

	if (r == -ENOMEM)
		return r;
	if (r != -ENOEXEC) {
		piece->kind = PIECE_ELF;
		piece->fault = r;
		/* starts by itself and yet has a library's name: a loader, and we have it open */
		if (r == 0 && piece->elf.kind == ELF_STATIC && piece->elf.soname)
			(void)read_options(fd, piece);
		return 0;
	}
	r = script_read(fd, &piece->script, &piece->fault_text);
	if (r == -ENOMEM)
		return r;
	piece->kind = r == 1 ? PIECE_SCRIPT : PIECE_NEITHER;
	piece->fault = r < 0 ? r : 0;
	return 0;
}

static int find_piece(struct bring_state *state, struct host_file *file, struct piece **ret)
{
	struct piece wanted = {.inode = file->inode, .device = file->device};
	_cleanup_(free_piece) struct piece *piece = NULL;
	void *found = tfind(&wanted, &state->pieces, compare_pieces);
	int r;

	if (found) {
		*ret = *(struct piece **)found;
		return 0;
	}
	piece = calloc(1, sizeof(*piece));
	if (!piece)
		return -ENOMEM;
	piece->inode = file->inode;
	piece->device = file->device;
	piece->mount = file->mount;
	piece->executable = file->executable;
	piece->noexec = file->noexec;
	piece->path = take_ptr(file->path);
	r = read_kind(file->fd, piece);
	if (r < 0)
		return r;
	if (!tsearch(piece, &state->pieces, compare_pieces))
		return -ENOMEM;
	*ret = take_ptr(piece);
	return 0;
}

int bring_look_in(struct bring_state *state, const struct toolbox *box, const char *path,
		  const struct known **ret)
{
	_cleanup_(free_known) struct known *known = calloc(1, sizeof(*known));
	_cleanup_(host_file_done) struct host_file file = HOST_FILE_INIT;
	void *found;

	if (!known)
		return -ENOMEM;
	if (asprintf(&known->key, "%zu %s", box ? box->number + 1 : 0, path) < 0) {
		known->key = NULL;
		return -ENOMEM;
	}
	found = tfind(known, &state->known, compare_known);
	if (found) {
		*ret = *(struct known **)found;
		return (*ret)->fault;
	}
	if (asprintf(&known->shown, "%s%s", box ? box->path : "", path) < 0) {
		known->shown = NULL;
		return -ENOMEM;
	}
	known->fault = host_file_open(box ? box->fd : -EBADF, path, &file);
	if (known->fault == 0)
		known->fault = find_piece(state, &file, &known->piece);
	if (known->fault == -ENOMEM || !tsearch(known, &state->known, compare_known))
		return -ENOMEM;
	*ret = take_ptr(known);
	return (*ret)->fault;
}

int bring_look(struct bring_state *state, const char *path, const struct known **ret)
{
	int r = state->toolbox ? bring_look_in(state, state->toolbox, path, ret) : -ENOENT;

	return r == 0 || r == -ENOMEM ? r : bring_look_in(state, NULL, path, ret);
}

/* As execvp(3): what can't be executed is passed by, and remembered. */
static int search_path(struct bring_state *state, const char *name, const struct known **ret)
{
	const char *path = state->request->path ? state->request->path : default_path;
	int last = -ENOENT;

	for (;;) {
		size_t length = strcspn(path, ":");
		_cleanup_free_ char *file = NULL;
		int r;

		/* an empty one is the working directory: nobody means that here */
		if (length > 0 && path[0] == '/') {
			if (asprintf(&file, "%.*s/%s", (int)length, path, name) < 0) {
				file = NULL;
				return -ENOMEM;
			}
			r = bring_look(state, file, ret);
			if (r == 0 && (*ret)->piece->executable)
				return 0;
			if (r == -ENOMEM)
				return r;
			if (r == 0 || r == -EACCES)
				last = -EACCES;
		}
		if (!path[length])
			return last;
		path += length + 1;
	}
}

int bring_find_program(struct bring_state *state, const char *name, const struct known **ret)
{
	bool same;
	int r;

	if (!name[0])
		return bring_fail(state, EINVAL, "no name");
	if (strchr(name, '/')) {
		r = bring_look(state, name, ret);
		if (r == -EINVAL)
			return bring_fail(state, EINVAL, "%s is no regular file", name);
		return r < 0 ? bring_fail(state, -r, "open %s", name) : 0;
	}
	r = search_path(state, name, ret);
	/* of a script's interpreter the name isn't said yet */
	same = state->subject && strcmp(name, state->subject) == 0;
	if (r == -ENOENT)
		return bring_fail(state, ENOENT, "%s%snot found in PATH", same ? "" : name,
				  same ? "" : " ");
	if (r == -EACCES)
		return bring_fail(state, EACCES, "%s%sfound in PATH, but not executable",
				  same ? "" : name, same ? "" : " ");
	return r < 0 ? bring_fail(state, -r, "look for %s", name) : 0;
}

int bring_add_item(struct bring_state *state, enum brought_kind kind, const char *path,
		   const char *source)
{
	struct brought item = {.kind = kind};

	if (!array_grow((void **)&state->items, sizeof(item), &state->items_room,
			state->n_items + 1))
		return -ENOMEM;
	item.path = strdup(path);
	item.source = source ? strdup(source) : NULL;
	if (!item.path || (source && !item.source)) {
		free(item.path);
		free(item.source);
		return -ENOMEM;
	}
	state->items[state->n_items++] = item;
	return 0;
}

/* Below a toolbox, and not on something that is mounted in there, it's there already. */
static int place_in_toolbox(struct bring_state *state, struct piece *piece)
{
	for (size_t i = 0; i < state->n_toolboxes; i++) {
		const struct toolbox *box = &state->toolboxes[i];
		size_t length = strlen(box->path);

		if (strncmp(piece->path, box->path, length) != 0 || piece->path[length] != '/' ||
		    piece->mount != box->mount || box->mount == 0)
			continue;
		if (asprintf(&piece->place, "dir/%zu%s", box->number, piece->path + length) < 0) {
			piece->place = NULL;
			return -ENOMEM;
		}
		return 1;
	}
	return 0;
}

/*
 * A second file of the same name gets a directory of its own: the name stays, people see it in
 * maps.
 */
static int make_double(struct bring_state *state, const char *base, char **ret)
{
	char directory[32];
	int r = state->n_doubles == 0 ? bring_add_item(state, BROUGHT_DIRECTORY, "more", NULL) : 0;

	if (r < 0)
		return r;
	(void)snprintf(directory, sizeof(directory), "more/%u", state->n_doubles++);
	r = bring_add_item(state, BROUGHT_DIRECTORY, directory, NULL);
	if (r < 0)
		return r;
	if (asprintf(ret, "%s/%s", directory, base) < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

int bring_name_place(struct bring_state *state, struct piece *piece)
{
	const char *base = strrchr(piece->path, '/') + 1;

	if (asprintf(&piece->place, "files/%s", base) < 0) {
		piece->place = NULL;
		return -ENOMEM;
	}
	if (tfind(piece->place, &state->places, compare_places)) {
		free(take_ptr(piece->place));
		return make_double(state, base, &piece->place);
	}
	return tsearch(piece->place, &state->places, compare_places) ? 0 : -ENOMEM;
}

int bring_place(struct bring_state *state, struct piece *piece)
{
	int r;

	if (piece->place)
		return 0;
	/* Also where it's brought for itself, or lies in a toolbox: there is one of each file only. */
	if (piece->loader_options & LOADER_LIBRARY_PATH)
		return bring_place_loader(state, piece);
	r = place_in_toolbox(state, piece);
	if (r != 0)
		return r < 0 ? r : 0;
	r = bring_name_place(state, piece);
	return r < 0 ? r : bring_add_item(state, BROUGHT_FILE, piece->place, piece->path);
}
