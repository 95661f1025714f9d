/* SPDX-License-Identifier: MIT
 *
 * A whole toolbox: a directory that is brought as it is, with a bin/NAME for each program in it.
 * What can't be brought is left out, and said.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "lib/bring_state.h"
#include "sys/beneath.h"

static const char *const places[] = {"", "/bin", "/sbin", "/usr/bin", "/usr/sbin"};

struct entries {
	char **names;
	size_t n, room;
};

static void entries_done(struct entries *entries)
{
	for (size_t i = 0; i < entries->n; i++)
		free(entries->names[i]);
	free(entries->names);
}

void toolbox_done(struct toolbox *toolbox)
{
	close_fd(&toolbox->fd);
	free(toolbox->path);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In order: which one of two is left out mustn't depend on the file system. */
static int read_names(DIR *dir, struct entries *ret)
{
	const struct dirent *entry;

	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			break;
		if (entry->d_type != DT_REG && entry->d_type != DT_LNK &&
		    entry->d_type != DT_UNKNOWN)
			continue;
		if (!array_grow((void **)&ret->names, sizeof(char *), &ret->room, ret->n + 1))
			return -ENOMEM;
		ret->names[ret->n] = strdup(entry->d_name);
		if (!ret->names[ret->n])
			return -ENOMEM;
		ret->n++;
	}
	if (errno)
		return -errno;
	if (ret->n > 0)
		qsort(ret->names, ret->n, sizeof(char *), compare);
	return 0;
}

/* ENOENT: the toolbox has no such directory. */
static int list(const struct toolbox *box, const char *place, struct entries *ret)
{
	_cleanup_fd_ int at = place[0] ? beneath_open_path(box->fd, place, O_DIRECTORY | O_CLOEXEC)
				       : fcntl(box->fd, F_DUPFD_CLOEXEC, 0);
	_cleanup_fd_ int fd = -EBADF;
	_cleanup_dir_ DIR *dir = NULL;

	if (at < 0)
		return place[0] ? at : -errno;
	fd = reopen(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	(void)take_fd(&fd); /* dir's now */
	return read_names(dir, ret);
}

static int leave_out(struct bring_state *state, const char *path, const struct cj_error *why)
{
	char *note;

	if (!array_grow((void **)&state->notes, sizeof(char *), &state->notes_room,
			state->n_notes + 1))
		return -ENOMEM;
	if (asprintf(&note, "left out: %s%s: %s: %s", state->toolbox->path, path, why->text,
		     strerrordesc_np(why->code)) < 0)
		return -ENOMEM;
	state->notes[state->n_notes++] = note;
	return 0;
}

/* Inside the toolbox; a symbolic link may mean the host's, too. */
static int look_at(struct bring_state *state, const char *path, const struct known **ret)
{
	_cleanup_free_ char *outside = NULL;
	int r = bring_look_in(state, state->toolbox, path, ret);

	if (r == 0 || r == -ENOMEM || r == -EISDIR || r == -EINVAL)
		return r;
	if (asprintf(&outside, "%s%s", state->toolbox->path, path) < 0) {
		outside = NULL;
		return -ENOMEM;
	}
	return bring_look_in(state, NULL, outside, ret);
}

static int add_entry(struct bring_state *state, const char *place, const char *name)
{
	struct cj_error why = CJ_ERROR_INIT, *outer = state->err;
	const char *subject = state->subject;
	_cleanup_free_ char *path = NULL;
	const struct known *known;
	struct piece *owner;
	int r;

	if (asprintf(&path, "%s/%s", place, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = look_at(state, path, &known);
	if (r == -ENOMEM || r == -EISDIR || r == -EINVAL)
		return r == -ENOMEM ? r : 0;
	/* readable or not: without x it isn't meant to be a program */
	if (r == 0 && !known->piece->executable && !known->piece->noexec)
		return 0;
	state->err = &why;
	state->subject = NULL;
	if (r < 0)
		(void)cj_fail(&why, -r, "open it");
	else
		r = bring_prepare(state, known);
	state->err = outer;
	state->subject = subject;
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return leave_out(state, path, &why);
	return bring_claim(state, name, known->piece, &owner);
}

static int add_places(struct bring_state *state)
{
	for (size_t i = 0; i < ELEMENTS(places); i++) {
		_cleanup_(entries_done) struct entries entries = {.n = 0};
		int r = list(state->toolbox, places[i], &entries);

		if (r == -ENOENT || r == -ENOTDIR)
			continue;
		for (size_t k = 0; r == 0 && k < entries.n; k++)
			r = add_entry(state, places[i], entries.names[k]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int open_toolbox(struct bring_state *state, const char *path, struct toolbox *box)
{
	int r;

	box->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (box->fd < 0)
		return bring_fail(state, errno, "open directory %s", path);
	r = host_path(box->fd, &box->path);
	if (r == 0)
		r = host_mount(box->fd, &box->mount);
	if (r < 0)
		return bring_fail(state, -r, "look at directory %s", path);
	if (strcmp(box->path, "/") == 0)
		return bring_fail(state, EINVAL, "the whole host isn't a toolbox");
	return 0;
}

/* The toolbox is in `state` already: its place in the array must not change while it's in use. */
int bring_directory(struct bring_state *state, const char *path)
{
	struct toolbox *box = &state->toolboxes[state->n_toolboxes];
	size_t before = state->n_names;
	char place[32];
	int r;

	*box = (struct toolbox){.fd = -EBADF, .number = state->n_toolboxes};
	state->n_toolboxes++;
	r = open_toolbox(state, path, box);
	if (r < 0)
		return r;
	(void)snprintf(place, sizeof(place), "dir/%zu", box->number);
	r = bring_add_item(state, BROUGHT_TREE, place, box->path);
	state->toolbox = box;
	if (r == 0)
		r = add_places(state);
	state->toolbox = NULL;
	if (r < 0)
		return bring_fail(state, -r, "read directory %s", path);
	if (state->n_names > before)
		return 0;
	r = bring_fail(state, ENOENT, "nothing in it can be brought");
	if (state->n_notes > 0)
		cj_hint(state->err, "%s", state->notes[0]);
	return r;
}
