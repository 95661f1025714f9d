/* SPDX-License-Identifier: MIT */
#include "lib/bundle_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/parse.h"
#include "lib/json.h"

/* Where podman's root keeps what outlives a container's run. */
#define PODMAN_STORE "/var/lib/containers/storage/overlay-containers"

bool bundle_id_is_valid(const char *id)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-";
	size_t length = strlen(id);

	return length > 0 && length <= NAME_MAX && strspn(id, allowed) == length &&
	       strcmp(id, ".") != 0 && strcmp(id, "..") != 0;
}

/* Nothing that blocks, and nothing at the other end of a link. */
static int read_file(const char *path, struct bytes *ret)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return io_read_all(fd, JSON_TEXT_MAX, ret);
}

static int read_json(const char *directory, const char *id, const char *name, json_t **ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	char path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s/%s/%s", directory, id, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = read_file(path, &text);
	return r < 0 ? r : json_parse(text.data, text.size, ret, NULL);
}

static int read_pid_file(const char *directory, const char *id, const char *name, pid_t *ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	char path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s/%s/%s", directory, id, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = read_file(path, &text);
	if (r < 0)
		return r;
	text.data[strcspn(text.data, "\n")] = '\0';
	return parse_pid(text.data, ret);
}

static int get_pid(const json_t *json, const char *pid_key, const char *start_key,
		   struct bundle_state *state)
{
	uint64_t pid;

	if (json_u64(json_object_get(json, pid_key), &pid) < 0 || pid == 0 || pid > INT_MAX)
		return -EINVAL;
	state->pid = (pid_t)pid;
	state->has_start = json_u64(json_object_get(json, start_key), &state->start) == 0;
	return state->has_start ? 0 : -EINVAL;
}

static int set_config(char config[PATH_MAX], const char *root, const char *bundle)
{
	if (!bundle || *bundle != '/' ||
	    snprintf(config, PATH_MAX, "%s%s/config.json", root, bundle) >= PATH_MAX)
		return -EINVAL;
	return 0;
}

/* libcontainer keeps what it doesn't need in labels, "bundle=/path" among them. */
static const char *find_bundle_label(const json_t *state)
{
	static const char key[] = "bundle=";
	const json_t *labels = json_object_get(json_object_get(state, "config"), "labels");

	for (size_t i = 0; i < json_array_size(labels); i++) {
		const char *label = json_string_value(json_array_get(labels, i));

		if (label && strncmp(label, key, strlen(key)) == 0)
			return label + strlen(key);
	}
	return NULL;
}

static int read_runc(const char *root, const char *directory, const char *id,
		     struct bundle_state *state)
{
	_cleanup_json_ json_t *json = NULL;
	int r = read_json(directory, id, "state.json", &json);

	if (r == 0)
		r = get_pid(json, "init_process_pid", "init_process_start", state);
	return r < 0 ? r : set_config(state->config[0], root, find_bundle_label(json));
}

/* The copy is what crun read at the start; the bundle may have been edited since. */
static int read_crun(const char *root, const char *directory, const char *id,
		     struct bundle_state *state)
{
	_cleanup_json_ json_t *json = NULL;
	int r = read_json(directory, id, "status", &json);

	if (r == 0)
		r = get_pid(json, "pid", "process-start-time", state);
	if (r == 0)
		r = set_config(state->config[1], root,
			       json_string_value(json_object_get(json, "bundle")));
	if (r < 0)
		return r;
	if (snprintf(state->config[0], PATH_MAX, "%s/%s/config.json", directory, id) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

static int read_containerd(const char *root, const char *directory, const char *id,
			   struct bundle_state *state)
{
	(void)root;
	if (snprintf(state->config[0], PATH_MAX, "%s/%s/config.json", directory, id) >= PATH_MAX)
		return -ENAMETOOLONG;
	return read_pid_file(directory, id, "init.pid", &state->pid);
}

static int read_podman(const char *root, const char *directory, const char *id,
		       struct bundle_state *state)
{
	if (snprintf(state->config[0], PATH_MAX, "%s/%s/userdata/config.json", directory, id) >=
		    PATH_MAX ||
	    snprintf(state->config[1], PATH_MAX, "%s" PODMAN_STORE "/%s/userdata/config.json", root,
		     id) >= PATH_MAX)
		return -ENAMETOOLONG;
	return read_pid_file(directory, id, "userdata/pidfile", &state->pid);
}

int bundle_state_read(enum bundle_layout layout, const char *root, const char *directory,
		      const char *id, struct bundle_state *ret)
{
	static int (*const readers[])(const char *, const char *, const char *,
				      struct bundle_state *) = {
		[BUNDLE_RUNC] = read_runc,
		[BUNDLE_CRUN] = read_crun,
		[BUNDLE_CONTAINERD] = read_containerd,
		[BUNDLE_PODMAN] = read_podman,
	};
	struct bundle_state state = {.pid = 0};
	int r = readers[layout](root, directory, id, &state);

	if (r < 0)
		return r;
	(void)snprintf(state.id, sizeof(state.id), "%s", id);
	*ret = state;
	return 0;
}

int bundle_state_take_config(const struct bundle_state *state, struct bundle *ret,
			     struct cj_error *err)
{
	_cleanup_(bytes_done) struct bytes config = BYTES_INIT;

	for (size_t i = 0; i < ELEMENTS(state->config); i++) {
		const char *path = state->config[i];
		int r = *path ? read_file(path, &config) : -ENOENT;

		if (r == -ENOENT || r == -ENOTDIR)
			continue;
		if (r < 0)
			return cj_fail(err, -r, "read %s", path);
		ret->config = config;
		config = (struct bytes)BYTES_INIT;
		(void)snprintf(ret->path, sizeof(ret->path), "%s", path);
		(void)snprintf(ret->id, sizeof(ret->id), "%s", state->id);
		return 0;
	}
	return cj_fail(err, ENODATA, "find config.json of container %s", state->id);
}
