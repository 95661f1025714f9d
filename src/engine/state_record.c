/* SPDX-License-Identifier: MIT */
#include "engine/state_record.h"

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

/* Of one whom passwd doesn't know; for config.json of a container that was chosen. */
enum { NO_GROUP = 65534, CONFIG_MS = 2000 };

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

/* "ID/NAME" in it, to be read from its user's directory on, if it has one. */
static int place_path(const struct state_place *place, const char *id, const char *name,
		      char buf[PATH_MAX])
{
	const char *path = place->path + (place->user < 0 ? 0 : place->begin);

	return snprintf(buf, PATH_MAX, "%s/%s/%s", path, id, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/*
 * Others may make us read a lot of nothing. crun's status is 1 KiB; runc's state.json has the whole
 * configuration, which with a seccomp profile and many mounts is 60 KiB.
 */
enum { FOREIGN_LIMIT = 64 * 1024, FOREIGN_RUNC_LIMIT = 256 * 1024 };

static size_t limit_of(const struct state_place *place)
{
	if (!users_is_foreign(place->owner))
		return JSON_TEXT_MAX;
	return place->layout == STATE_RUNC ? FOREIGN_RUNC_LIMIT : FOREIGN_LIMIT;
}

static int read_file(const struct state_place *place, const char *id, const char *name,
		     struct bytes *ret)
{
	char path[PATH_MAX];
	int r = place_path(place, id, name, path);

	if (r < 0)
		return r;
	return place->user < 0 ? state_read_file(path, JSON_TEXT_MAX, ret)
			       : users_read_file(place->user, path, limit_of(place), ret);
}

static bool has_file(const struct state_place *place, const char *id, const char *name)
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

static int read_json(const struct state_place *place, const char *id, const char *name,
		     json_t **ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	int r = read_file(place, id, name, &text);

	return r < 0 ? r : json_parse(text.data, text.size, ret, NULL);
}

static int read_pid_file(const struct state_place *place, const char *id, const char *name,
			 pid_t *ret)
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
static int set_bundle(const struct state_place *place, const char *bundle, char config[PATH_MAX],
		      struct state *state)
{
	if (!bundle || *bundle != '/' ||
	    snprintf(config, PATH_MAX, "%s%s/config.json", place->root, bundle) >= PATH_MAX)
		return -EINVAL;
	(void)snprintf(state->bundle, sizeof(state->bundle), "%s", bundle);
	return 0;
}

/* The bundle that the record lies in. */
static int set_own_bundle(const struct state_place *place, const char *id, const char *below,
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

static int read_runc(const struct state_place *place, const char *id, struct state *state)
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
static int read_crun(const struct state_place *place, const char *id, struct state *state)
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

static int read_containerd(const struct state_place *place, const char *id, struct state *state)
{
	int r = set_own_bundle(place, id, "", state);

	return r < 0 ? r : read_pid_file(place, id, "init.pid", &state->pid);
}

static int read_podman(const struct state_place *place, const char *id, struct state *state)
{
	int r = set_own_bundle(place, id, "/userdata", state);

	if (r == 0 && place->user < 0 &&
	    snprintf(state->config[1], PATH_MAX, "%s" PODMAN_STORE "/%s/userdata/config.json",
		     place->root, id) >= PATH_MAX)
		r = -ENAMETOOLONG;
	return r < 0 ? r : read_pid_file(place, id, "userdata/pidfile", &state->pid);
}

int state_record_read(const struct state_place *place, const char *id, struct state *ret)
{
	static int (*const readers[])(const struct state_place *, const char *, struct state *) = {
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
	struct state_place place = {.layout = layout, .root = root, .user = -EBADF};

	if (snprintf(place.path, sizeof(place.path), "%s", directory) >= (int)sizeof(place.path))
		return -ENAMETOOLONG;
	return state_record_read(&place, id, ret);
}

/* Of another user it's a path of that user's choice, to wherever. */
static int read_config(const struct state *state, const char *path, struct bytes *ret)
{
	static const struct cj_engine_options options = CJ_ENGINE_OPTIONS_INIT;
	static const struct engine_request request = {.options = &options, .root = ""};
	struct file_reader reader = {.uid = state->owner, .gid = NO_GROUP, .ms = CONFIG_MS};
	_cleanup_free_ char *home = NULL;
	_cleanup_fd_ int root = -EBADF;

	if (!users_is_foreign(state->owner))
		return state_read_file(path, JSON_TEXT_MAX, ret);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	(void)users_home(&request, state->owner, &home, &reader.gid); /* for the group */
	return container_file_read_as(root, path, JSON_TEXT_MAX, &reader, ret, NULL);
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
