/* SPDX-License-Identifier: MIT */
#include "engine/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/engine.h"
#include "engine/state.h"
#include "engine/users.h"
#include "sys/container_file.h"
#include "sys/proc.h"

enum { FILE_MS = 200 }; /* for a file of another user's */

static int add_users(const struct disk_places *places, const struct engine_request *request,
		     struct sources *sources)
{
	_cleanup_free_ uid_t *users = NULL;
	size_t n = 0;
	int r = users_list(request, &users, &n);

	for (size_t i = 0; i < n && r == 0; i++) {
		char path[PATH_MAX];

		if (users[i] == 0)
			continue; /* root's are the system's */
		if (users_path(request, users[i], places->user_socket, path, sizeof(path)) == 0)
			r = sources_add(sources, places->type, places->engine, request, path,
					users[i]);
	}
	return r;
}

int disk_add_sources(const struct disk_places *places, const struct engine_request *request,
		     struct sources *sources, struct cj_error *err)
{
	char path[PATH_MAX];
	int r = sources_add_wanted(sources, places->type, places->engine, request, places->variable,
				   err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = disk_path(path, request->root, places->socket, "");
	if (r == 0)
		r = sources_add(sources, places->type, places->engine, request, path, 0);
	if (r == 0)
		r = add_users(places, request, sources);
	return r < 0 ? cj_fail(err, -r, "ask %s", places->engine->scheme) : 0;
}

int disk_path(char path[PATH_MAX], const char *a, const char *b, const char *c)
{
	return snprintf(path, PATH_MAX, "%s%s%s", a, b, c) >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/*
 * Whose rights a user's files are read with, and the root that is above them. -ETIMEDOUT: there's no time.
 * One file can't have all of it: there are other users.
 */
static int begin_foreign(const struct source *source, gid_t gid, struct file_reader *ret)
{
	const char *root = source->request->root;
	int64_t left = users_time(source->request);
	int fd;

	if (left <= 0)
		return -ETIMEDOUT;
	*ret = (struct file_reader){source->owner, gid, left < FILE_MS ? left : FILE_MS};
	fd = open(*root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int disk_read(const struct source *source, gid_t gid, const char *path, size_t limit,
	      struct bytes *ret)
{
	_cleanup_fd_ int root = -EBADF;
	struct file_reader reader;
	char whole[PATH_MAX];
	int r;

	if (!source_is_foreign(source)) {
		r = disk_path(whole, source->request->root, path, "");
		return r < 0 ? r : state_read_file(whole, limit, ret);
	}
	root = begin_foreign(source, gid, &reader);
	return root < 0 ? root : container_file_read_as(root, path, limit, &reader, ret, NULL);
}

int disk_has_file(const struct source *source, gid_t gid, const char *path)
{
	const struct file_query query = {.path = path, .wanted = FILE_REGULAR};
	_cleanup_fd_ int root = -EBADF;
	struct file_reader reader;
	char whole[PATH_MAX];
	struct stat st;
	size_t which;
	int r;

	if (!source_is_foreign(source))
		return disk_path(whole, source->request->root, path, "") == 0 &&
		       stat(whole, &st) == 0;
	root = begin_foreign(source, gid, &reader);
	if (root < 0)
		return root == -ETIMEDOUT ? root : 1;
	r = container_file_find_as(root, &query, 1, &reader, &which, NULL);
	return r == -ETIMEDOUT ? r : r != -ENOENT;
}

void disk_warn(const struct source *source, const char *path, int code)
{
	const struct cj_engine_options *options = source->request->options;
	char text[PATH_MAX + 128];

	if (!options->log)
		return;
	(void)snprintf(text, sizeof(text), "%s: %s left out: %s", source->engine->scheme, path,
		       strerror(code));
	options->log(options->log_data, source_is_foreign(source) ? CJ_LOG_STEP : CJ_LOG_WARNING,
		     text);
}

/* 1: it's there, and began at `start` (0: whenever); 0: it isn't. */
static int is_alive(pid_t pid, uint64_t start)
{
	_cleanup_fd_ int proc = -EBADF;
	uint64_t now;
	int r = proc_open(pid, &proc, NULL);

	if (r == 0)
		r = proc_read_start_time(proc, &now);
	if (r == -ESRCH || r == -ENOENT)
		return 0;
	return r < 0 || start == 0 || now == start; /* what can't be read is checked later on */
}

static int find_state(const struct source *source, const char *id, pid_t pid, const char *directory,
		      struct state *state)
{
	struct state_user user = STATE_USER_INIT;
	struct state_query query = {
		.request = source->request,
		.users = source->owner ? &user : NULL,
		.n_users = source->owner ? 1 : 0,
		.layouts = STATE_BIT(STATE_RUNC) | STATE_BIT(STATE_CRUN),
		.id = id,
	};
	int r;

	if (directory && !source_is_foreign(source) &&
	    state_read(STATE_RUNC, source->request->root, directory, id, state) == 0 &&
	    state->pid == pid)
		return 0;
	user.uid = source->owner;
	r = state_find(&query, pid, state);
	state_users_done(&user, 1);
	return r;
}

int disk_set_record(const struct source *source, struct container *container, pid_t pid,
		    const char *directory)
{
	_cleanup_free_ struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	if (find_state(source, container->id, pid, directory, state) < 0)
		return 0;
	container->start = state->has_start ? state->start : 0;
	if (!state->bundle[0] || container->bundle)
		return 0;
	/* As we can open it. */
	return asprintf(&container->bundle, "%s%s",
			source->own_request ? source->own_request->root : "", state->bundle) < 0
		       ? -ENOMEM
		       : 0;
}

int disk_find_process(const struct source *source, struct container *container)
{
	_cleanup_free_ struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	if (!container_id_is_valid(container->id) ||
	    find_state(source, container->id, 0, NULL, state) < 0 || !state->has_start)
		return 0;
	container->pid = state->pid;
	container->start = state->start;
	return 0;
}

int disk_set_process(const struct source *source, struct container *container, pid_t pid,
		     const char *directory)
{
	int r = disk_set_record(source, container, pid, directory);

	if (r < 0 || is_alive(pid, container->start)) {
		container->pid = pid;
		return r;
	}
	/* It ended while nobody wrote that down: no daemon, or another boot. */
	container->state = CONTAINER_STOPPED;
	container->start = 0;
	return 0;
}
