/* SPDX-License-Identifier: MIT */
#include "engine/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/parse.h"
#include "engine/json.h"
#include "engine/state_text.h"
#include "engine/users.h"
#include "sys/container_file.h"

/* Where podman's root keeps what outlives a container's run. */
#define PODMAN_STORE "/var/lib/containers/storage/overlay-containers"

bool container_id_is_valid(const char *id)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-";
	size_t length = strlen(id);

	return length > 0 && length <= NAME_MAX && strspn(id, allowed) == length &&
	       strcmp(id, ".") != 0 && strcmp(id, "..") != 0;
}

int state_read_file(const char *path, size_t limit, struct bytes *ret)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return io_read_all(fd, limit, ret);
}

/* A directory of records, while it's searched. */
struct place {
	enum state_layout layout;
	const char *root; /* goes before paths that stand in a record */
	char path[PATH_MAX / 2];
	size_t begin; /* of what comes behind the user's runtime directory */
	int user;     /* that directory, or -EBADF: the path is the system's */
	uid_t owner;
};

/* "ID/NAME" in it, to be read from its user's directory on, if it has one. */
static int place_path(const struct place *place, const char *id, const char *name,
		      char buf[PATH_MAX])
{
	const char *path = place->path + (place->user < 0 ? 0 : place->begin);

	return snprintf(buf, PATH_MAX, "%s/%s/%s", path, id, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int read_file(const struct place *place, const char *id, const char *name, struct bytes *ret)
{
	char path[PATH_MAX];
	int r = place_path(place, id, name, path);

	if (r < 0)
		return r;
	return place->user < 0 ? state_read_file(path, JSON_TEXT_MAX, ret)
			       : users_read_file(place->user, path, JSON_TEXT_MAX, ret);
}

static bool has_file(const struct place *place, const char *id, const char *name)
{
	_cleanup_fd_ int fd = -EBADF;
	char path[PATH_MAX];

	if (place_path(place, id, name, path) < 0)
		return false;
	if (place->user < 0)
		return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	fd = users_open_path(place->user, path);
	return fd >= 0;
}

static int read_json(const struct place *place, const char *id, const char *name, json_t **ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	int r = read_file(place, id, name, &text);

	return r < 0 ? r : json_parse(text.data, text.size, ret, NULL);
}

static int read_pid_file(const struct place *place, const char *id, const char *name, pid_t *ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	int r = read_file(place, id, name, &text);

	if (r < 0)
		return r;
	text.data[strcspn(text.data, "\n")] = '\0';
	return parse_pid(text.data, ret);
}

static int get_pid(const json_t *json, const char *pid_key, const char *start_key,
		   struct state *state)
{
	uint64_t pid;

	if (json_u64(json_object_get(json, pid_key), &pid) < 0 || pid == 0 || pid > INT_MAX)
		return -EINVAL;
	state->pid = (pid_t)pid;
	state->has_start = json_u64(json_object_get(json, start_key), &state->start) == 0;
	return state->has_start ? 0 : -EINVAL;
}

/* The bundle that a record names, and config.json in it. */
static int set_bundle(const struct place *place, const char *bundle, char config[PATH_MAX],
		      struct state *state)
{
	if (!bundle || *bundle != '/' ||
	    snprintf(config, PATH_MAX, "%s%s/config.json", place->root, bundle) >= PATH_MAX)
		return -EINVAL;
	(void)snprintf(state->bundle, sizeof(state->bundle), "%s", bundle);
	return 0;
}

/* The bundle that the record lies in. */
static int set_own_bundle(const struct place *place, const char *id, const char *below,
			  struct state *state)
{
	if (snprintf(state->config[0], PATH_MAX, "%s/%s%s/config.json", place->path, id, below) >=
	    PATH_MAX)
		return -ENAMETOOLONG;
	(void)snprintf(state->bundle, sizeof(state->bundle), "%s/%s%s", place->path, id, below);
	return 0;
}

/* What both runtimes make for a created container's first process to wait at; `start` removes it. */
static const char start_fifo[] = "exec.fifo";

static int read_runc(const struct place *place, const char *id, struct state *state)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	struct state_text found;
	int r = read_file(place, id, "state.json", &text);

	if (r == 0)
		r = state_text_read(text.data, text.size, &found);
	if (r == 0 && (found.pid == 0 || found.pid > INT_MAX))
		r = -EINVAL;
	if (r == 0)
		r = set_bundle(place, found.bundle, state->config[0], state);
	if (r < 0)
		return r;
	state->pid = (pid_t)found.pid;
	state->start = found.start;
	state->has_start = true;
	state->created = has_file(place, id, start_fifo);
	return 0;
}

/* The copy is what crun read at the start; the bundle may have been edited since. */
static int read_crun(const struct place *place, const char *id, struct state *state)
{
	_cleanup_json_ json_t *json = NULL;
	int r = read_json(place, id, "status", &json);

	if (r == 0)
		r = get_pid(json, "pid", "process-start-time", state);
	if (r == 0)
		r = set_bundle(place, json_string_value(json_object_get(json, "bundle")),
			       state->config[1], state);
	if (r < 0)
		return r;
	if (snprintf(state->config[0], PATH_MAX, "%s/%s/config.json", place->path, id) >= PATH_MAX)
		return -ENAMETOOLONG;
	state->created = has_file(place, id, start_fifo);
	return 0;
}

static int read_containerd(const struct place *place, const char *id, struct state *state)
{
	int r = set_own_bundle(place, id, "", state);

	return r < 0 ? r : read_pid_file(place, id, "init.pid", &state->pid);
}

static int read_podman(const struct place *place, const char *id, struct state *state)
{
	int r = set_own_bundle(place, id, "/userdata", state);

	if (r == 0 && place->user < 0 &&
	    snprintf(state->config[1], PATH_MAX, "%s" PODMAN_STORE "/%s/userdata/config.json",
		     place->root, id) >= PATH_MAX)
		r = -ENAMETOOLONG;
	return r < 0 ? r : read_pid_file(place, id, "userdata/pidfile", &state->pid);
}

static int read_record(const struct place *place, const char *id, struct state *ret)
{
	static int (*const readers[])(const struct place *, const char *, struct state *) = {
		[STATE_RUNC] = read_runc,
		[STATE_CRUN] = read_crun,
		[STATE_CONTAINERD] = read_containerd,
		[STATE_PODMAN] = read_podman,
	};
	struct state state = {.layout = place->layout, .owner = place->owner};
	int r = readers[place->layout](place, id, &state);

	if (r < 0)
		return r;
	(void)snprintf(state.id, sizeof(state.id), "%s", id);
	(void)snprintf(state.directory, sizeof(state.directory), "%s", place->path);
	*ret = state;
	return 0;
}

int state_read(enum state_layout layout, const char *root, const char *directory, const char *id,
	       struct state *ret)
{
	struct place place = {.layout = layout, .root = root, .user = -EBADF};

	if (snprintf(place.path, sizeof(place.path), "%s", directory) >= (int)sizeof(place.path))
		return -ENAMETOOLONG;
	return read_record(&place, id, ret);
}

/* What lies in a user's home may lie on a file system that never answers. */
static int read_config(const struct state *state, const char *path, struct bytes *ret)
{
	_cleanup_fd_ int root = -EBADF;

	if (state->owner == 0 || state->owner == geteuid())
		return state_read_file(path, JSON_TEXT_MAX, ret);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -errno : container_file_read(root, path, JSON_TEXT_MAX, ret, NULL);
}

int state_read_config(const struct state *state, struct bytes *ret, char ret_path[PATH_MAX],
		      struct cj_error *err)
{
	for (size_t i = 0; i < ELEMENTS(state->config); i++) {
		const char *path = state->config[i];
		int r = *path ? read_config(state, path, ret) : -ENOENT;

		if (r == -ENOENT || r == -ENOTDIR)
			continue;
		if (r < 0)
			return cj_fail(err, -r, "read %s", path);
		(void)snprintf(ret_path, PATH_MAX, "%s", path);
		return 0;
	}
	return cj_fail(err, ENODATA, "find config.json of container %s", state->id);
}

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

enum { MAX_ENTRIES = 16384 };

struct visit {
	struct state_query *query;
	state_fn fn;
	void *data;
	size_t n_entries;
};

/* The first thing that can't be read. What isn't there is no failure. */
static void note(struct state_query *query, const char *path, const char *id, int r)
{
	if (query->unreadable || r == -ENOENT || r == -ENOTDIR)
		return;
	query->unreadable = -r;
	(void)snprintf(query->unreadable_path, sizeof(query->unreadable_path), "%s%s%s", path,
		       *id ? "/" : "", id);
}

static int visit_record(struct visit *visit, const struct place *place, const char *id)
{
	struct state state;
	int r = read_record(place, id, &state);

	if (r == 0)
		return visit->fn(&state, visit->data);
	/* A file without a record's content is none, be it by chance or being written. */
	if (r != -EINVAL && r != -ERANGE)
		note(visit->query, place->path, id, r);
	return 0;
}

static int open_directory(struct visit *visit, const struct place *place, DIR **ret)
{
	int r = 0;

	if (place->user >= 0)
		r = users_opendir(place->user, place->path + place->begin, ret);
	else if (!(*ret = opendir(place->path)))
		r = -errno;
	note(visit->query, place->path, "", r);
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
static int visit_place(struct visit *visit, const struct place *place)
{
	const char *id = visit->query->id;
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	int r = 0;

	if (id)
		return container_id_is_valid(id) ? visit_record(visit, place, id) : 0;
	if (open_directory(visit, place, &dir) < 0)
		return 0;
	while (r == 0 && (entry = readdir(dir)))
		if (is_wanted(visit, entry->d_name) && visit->n_entries++ < MAX_ENTRIES)
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

static int visit_nested(struct visit *visit, struct place *place)
{
	size_t length = strlen(place->path);
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	int r = 0;

	if (open_directory(visit, place, &dir) < 0)
		return 0;
	while (r == 0 && (entry = readdir(dir)))
		if (container_id_is_valid(entry->d_name) && may_hold_prefix(visit, entry->d_name) &&
		    visit->n_entries++ < MAX_ENTRIES &&
		    snprintf(place->path + length, sizeof(place->path) - length, "/%s",
			     entry->d_name) < (int)(sizeof(place->path) - length))
			r = visit_place(visit, place);
	return r;
}

/* `place` is the directory that the known ones are below. */
static int visit_known(struct visit *visit, struct place *place, const struct known_place *known,
		       size_t n)
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
	struct place place = {.root = request->root, .owner = user->uid};
	int r;

	if (users_path(request, user->uid, "", place.path, sizeof(place.path)) < 0)
		return 0;
	if (!user->tried) {
		r = users_open(request, user->uid, &user->fd);
		note(visit->query, place.path, "", r);
	}
	user->tried = true;
	if (user->fd < 0)
		return 0;
	place.user = user->fd;
	place.begin = strlen(place.path) + 1;
	return visit_known(visit, &place, user_places, ELEMENTS(user_places));
}

int states_visit(struct state_query *query, state_fn fn, void *data)
{
	struct visit visit = {.query = query, .fn = fn, .data = data};
	struct place place = {.root = query->request->root, .user = -EBADF};
	int r;

	if (snprintf(place.path, sizeof(place.path), "%s", place.root) >= (int)sizeof(place.path))
		return -ENAMETOOLONG;
	r = visit_known(&visit, &place, system_places, ELEMENTS(system_places));
	for (size_t i = 0; i < query->n_users && r == 0; i++)
		r = visit_user(&visit, &query->users[i]);
	return r;
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
