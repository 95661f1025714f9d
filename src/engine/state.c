/* SPDX-License-Identifier: MIT */
#include "engine/state_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/users.h"

/* --- where the records lie --- */

/* A nested place has one more level, that of containerd's namespaces, in between. */
struct known_place {
	const char *path;
	enum state_layout layout;
	enum { PLAIN, NESTED } depth;
};

static const struct known_place system_places[] = {
	{"/run/runc", STATE_RUNC, PLAIN},
	{"/run/crun", STATE_CRUN, PLAIN},
	{"/run/docker/runtime-runc", STATE_RUNC, NESTED},
	{"/run/containerd/runc", STATE_RUNC, NESTED},
	{"/run/containerd/io.containerd.runtime.v2.task", STATE_CONTAINERD, NESTED},
	{"/run/docker/containerd/daemon/io.containerd.runtime.v2.task", STATE_CONTAINERD, NESTED},
	{"/run/k3s/containerd/io.containerd.runtime.v2.task", STATE_CONTAINERD, NESTED},
	{"/run/containers/storage/overlay-containers", STATE_PODMAN, PLAIN},
};

/* Below a user's runtime directory. */
static const struct known_place user_places[] = {
	{"/runc", STATE_RUNC, PLAIN},
	{"/crun", STATE_CRUN, PLAIN},
	{"/docker/runtime-runc", STATE_RUNC, NESTED},
	{"/docker/containerd/daemon/io.containerd.runtime.v2.task", STATE_CONTAINERD, NESTED},
	{"/containers/overlay-containers", STATE_PODMAN, PLAIN},
};

/* USER_*: what another user has at least, however many there are, if it's there to be had. */
enum { MAX_ENTRIES = 16384, USER_ENTRIES = 256, USER_MS = 50 };

struct visit {
	struct state_query *query;
	state_fn fn;
	void *data;
	size_t n_entries, max_entries;
	int64_t until; /* clock_ms() for another user's; 0: as long as it takes */
	bool late;
};

/* May one more be looked at? A user's directory may have any number of entries, of any name. */
static bool may_go_on(struct visit *visit)
{
	if (visit->until && !visit->late && clock_ms() >= visit->until) {
		visit->late = true;
		users_say_late(visit->query->request);
	}
	return !visit->late;
}

/*
 * The first thing that can't be read. What isn't there is no failure, nor is what others put into their
 * directories: it would be up to them whether we fail.
 */
static void note(struct state_query *query, const struct state_place *place, const char *id, int r)
{
	if (r >= 0 || query->unreadable || r == -ENOENT || r == -ENOTDIR ||
	    users_is_foreign(place->owner))
		return;
	query->unreadable = -r;
	(void)snprintf(query->unreadable_path, sizeof(query->unreadable_path), "%s%s%s",
		       place->path, *id ? "/" : "", id);
}

static int visit_record(struct visit *visit, const struct state_place *place, const char *id)
{
	struct state state;
	int r = state_record_read(place, id, &state);

	if (r == 0)
		return visit->fn(&state, visit->data);
	/* A file without a record's content is none, be it by chance or being written. */
	if (r != -EINVAL && r != -ERANGE)
		note(visit->query, place, id, r);
	return 0;
}

static int open_directory(struct visit *visit, const struct state_place *place, DIR **ret)
{
	int r = 0;

	if (place->user >= 0)
		r = users_opendir(place->user, place->path + place->begin, ret);
	else if (!(*ret = opendir(place->path)))
		r = -errno;
	note(visit->query, place, "", r);
	visit->query->present = visit->query->present || r == 0;
	return r;
}

static bool is_wanted(const struct visit *visit, const char *name)
{
	const char *prefix = visit->query->prefix;

	return container_id_is_valid(name) &&
	       (!prefix || strncmp(name, prefix, strlen(prefix)) == 0);
}

/* Those of one directory: that with the id, or all that are wanted. */
static int visit_place(struct visit *visit, const struct state_place *place)
{
	const char *id = visit->query->id;
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	int r = 0;

	if (!may_go_on(visit))
		return 0;
	if (id)
		return container_id_is_valid(id) ? visit_record(visit, place, id) : 0;
	if (open_directory(visit, place, &dir) < 0)
		return 0;
	while (r == 0 && may_go_on(visit) && (entry = readdir(dir)))
		if (is_wanted(visit, entry->d_name) && visit->n_entries++ < visit->max_entries)
			r = visit_record(visit, place, entry->d_name);
	return r;
}

/* In docker's namespace of containerd all ids are of 64 hexadecimal digits. */
static bool may_hold_prefix(const struct visit *visit, const char *ns)
{
	const char *prefix = visit->query->prefix;

	return !prefix || visit->query->id || strcmp(ns, "moby") != 0 ||
	       strspn(prefix, "0123456789abcdef") == strlen(prefix);
}

static int visit_nested(struct visit *visit, struct state_place *place)
{
	size_t length = strlen(place->path);
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	int r = 0;

	if (open_directory(visit, place, &dir) < 0)
		return 0;
	while (r == 0 && may_go_on(visit) && (entry = readdir(dir)))
		if (container_id_is_valid(entry->d_name) && may_hold_prefix(visit, entry->d_name) &&
		    visit->n_entries++ < visit->max_entries &&
		    snprintf(place->path + length, sizeof(place->path) - length, "/%s",
			     entry->d_name) < (int)(sizeof(place->path) - length))
			r = visit_place(visit, place);
	return r;
}

/* `place` is the directory that the known ones are below. */
static int visit_known(struct visit *visit, struct state_place *place,
		       const struct known_place *known, size_t n)
{
	size_t length = strlen(place->path);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (!(visit->query->layouts & STATE_BIT(known[i].layout)) ||
		    snprintf(place->path + length, sizeof(place->path) - length, "%s",
			     known[i].path) >= (int)(sizeof(place->path) - length))
			continue;
		place->layout = known[i].layout;
		r = known[i].depth == NESTED ? visit_nested(visit, place)
					     : visit_place(visit, place);
	}
	return r;
}

static int visit_user(struct visit *visit, struct state_user *user)
{
	const struct engine_request *request = visit->query->request;
	struct state_place place = {.root = request->root, .owner = user->uid};
	int r;

	if (users_path(request, user->uid, "", place.path, sizeof(place.path)) < 0)
		return 0;
	if (!user->tried) {
		r = users_open(request, user->uid, &user->fd);
		note(visit->query, &place, "", r);
	}
	user->tried = true;
	if (user->fd < 0)
		return 0;
	place.user = user->fd;
	place.begin = strlen(place.path) + 1;
	return visit_known(visit, &place, user_places, ELEMENTS(user_places));
}

/* Of `n` users that are still to come, and `end` of their time, the next one's part. */
static int visit_foreign(struct visit *visit, struct state_user *user, size_t n, int64_t end)
{
	int64_t now = clock_ms(), part = (end - now) / (int64_t)n;

	visit->until = part > USER_MS ? now + part : now + USER_MS;
	if (visit->until > end)
		visit->until = end;
	visit->n_entries = 0;
	visit->max_entries = MAX_ENTRIES / n > USER_ENTRIES ? MAX_ENTRIES / n : USER_ENTRIES;
	visit->late = false;
	return may_go_on(visit) ? visit_user(visit, user) : 0;
}

/* One user's can't keep the others' from being seen. */
static int visit_users(struct visit *visit)
{
	const struct state_query *query = visit->query;
	size_t n = 0;
	int64_t end;
	int r = 0;

	for (size_t i = 0; i < query->n_users && r == 0; i++)
		if (users_is_foreign(query->users[i].uid))
			n++;
		else
			r = visit_user(visit, &query->users[i]);
	if (n == 0 || r != 0)
		return r;
	end = clock_ms() + users_time(query->request);
	for (size_t i = 0; i < query->n_users && r == 0; i++)
		if (users_is_foreign(query->users[i].uid))
			r = visit_foreign(visit, &query->users[i], n--, end);
	return r;
}

int states_visit(struct state_query *query, state_fn fn, void *data)
{
	struct visit visit = {.query = query, .fn = fn, .data = data, .max_entries = MAX_ENTRIES};
	struct state_place place = {.root = query->request->root, .user = -EBADF};
	int r;

	if (snprintf(place.path, sizeof(place.path), "%s", place.root) >= (int)sizeof(place.path))
		return -ENAMETOOLONG;
	r = visit_known(&visit, &place, system_places, ELEMENTS(system_places));
	return r == 0 ? visit_users(&visit) : r;
}

struct find {
	pid_t pid;
	struct state *ret;
};

static int find_one(const struct state *state, void *data)
{
	const struct find *find = data;

	if (find->pid != 0 && find->pid != state->pid)
		return 0;
	*find->ret = *state;
	return 1;
}

int state_find(struct state_query *query, pid_t pid, struct state *ret)
{
	struct find find = {pid, ret};
	int r = states_visit(query, find_one, &find);

	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

int state_users_new(const struct engine_request *request, struct state_user **ret, size_t *ret_n)
{
	_cleanup_free_ uid_t *uids = NULL;
	struct state_user *users;
	size_t n;
	int r = users_list(request, &uids, &n);

	if (r < 0)
		return r;
	users = calloc(n + 1, sizeof(*users));
	if (!users)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		users[i] = (struct state_user){.uid = uids[i], .fd = -EBADF};
	*ret = users;
	*ret_n = n;
	return 0;
}

void state_users_done(struct state_user *users, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close_fd(&users[i].fd);
}
