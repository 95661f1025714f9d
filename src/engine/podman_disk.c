/* SPDX-License-Identifier: MIT
 *
 * What podman keeps on disk: GRAPHROOT/DRIVER-containers/containers.json knows the containers, and
 * RUNROOT/DRIVER-containers/ID/userdata the process of each. containers-storage.conf(5)
 * Not here: records of runtimes (state.h); labels, which are in podman's own database.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "engine/disk.h"
#include "engine/docker_api.h"
#include "engine/engine.h"
#include "engine/json.h"
#include "engine/peer.h"
#include "engine/state.h"
#include "engine/users.h"

/* Of another user: an entry of the list is 1 KiB, and there are some hundreds at most. */
enum { LIST_MAX = 32 << 20, FOREIGN_LIST_MAX = 4 << 20 };
enum { CONFIG_MAX = 1 << 20, FOREIGN_CONFIG_MAX = 64 * 1024, PID_FILE_MAX = 64 };

struct podman_disk {
	struct source *source;
	const char *ref;
	char graph[PATH_MAX], run[PATH_MAX]; /* without request->root */
	int user;			     /* a foreign user's runtime directory, or -EBADF */
	const char *driver;		     /* whose list is read */
	size_t lists;			     /* that were read */
	gid_t gid;			     /* of another user */
	bool late;			     /* that one's files take too long: no more of them */
};

/* Of containers/storage. */
static const char *const drivers[] = {"overlay", "vfs", "btrfs", "zfs"};

/* --- where --- */

/*
 * The value of KEY = "VALUE" in [storage]: of TOML what people write there. A copy, owned; NULL: it
 * isn't there.
 */
static char *storage_value(const struct bytes *text, const char *key)
{
	_cleanup_free_ char *copy = text->data ? strdup(text->data) : NULL;
	bool inside = false;
	char *save = NULL;

	for (char *line = copy ? strtok_r(copy, "\r\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\r\n", &save)) {
		char quote, *end;

		line += strspn(line, " \t");
		if (*line == '[')
			inside = strncmp(line, "[storage]", 9) == 0;
		if (!inside || strncmp(line, key, strlen(key)) != 0)
			continue;
		line += strlen(key);
		line += strspn(line, " \t");
		if (*line++ != '=')
			continue;
		line += strspn(line, " \t");
		quote = *line;
		end = quote == '"' || quote == '\'' ? strchr(line + 1, quote) : NULL;
		if (end) {
			*end = '\0';
			return strdup(line + 1);
		}
	}
	return NULL;
}

static int take_value(char path[PATH_MAX], const struct bytes *text, const char *key)
{
	_cleanup_free_ char *value = storage_value(text, key);

	return value && value[0] == '/' && !strchr(value, '$') ? disk_path(path, value, "", "") : 0;
}

static int read_file(struct podman_disk *disk, const char *path, size_t limit, struct bytes *ret)
{
	int r = disk_read(disk->source, disk->gid, path, limit, ret);

	disk->late = disk->late || (r == -ETIMEDOUT && source_is_foreign(disk->source));
	return r;
}

static int read_config(struct podman_disk *disk, const char *path)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	bool foreign = source_is_foreign(disk->source);
	int r = read_file(disk, path, foreign ? FOREIGN_CONFIG_MAX : CONFIG_MAX, &text);

	if (r == 0)
		r = take_value(disk->graph, &text, "graphroot");
	return r < 0 ? r : take_value(disk->run, &text, "runroot");
}

static int find_system_places(struct podman_disk *disk)
{
	int r = disk_path(disk->graph, "/var/lib/containers/storage", "", "");

	if (r == 0)
		r = disk_path(disk->run, "/run/containers/storage", "", "");
	if (r == 0 && read_config(disk, "/etc/containers/storage.conf") < 0)
		(void)read_config(disk, "/usr/share/containers/storage.conf"); /* defaults */
	return r;
}

static int find_user_places(struct podman_disk *disk)
{
	const struct source *source = disk->source;
	_cleanup_free_ char *home = NULL;
	char path[PATH_MAX];
	int r = users_home(source->request, source->owner, &home, &disk->gid);

	if (r == 0)
		r = disk_path(disk->graph, home, "/.local/share/containers/storage", "");
	if (r == 0)
		r = users_path(source->request, source->owner, "/containers", path, sizeof(path));
	if (r == 0) /* that one has the root before it already */
		r = disk_path(disk->run, path + strlen(source->request->root), "", "");
	if (r == 0)
		r = disk_path(path, home, "/.config/containers/storage.conf", "");
	if (r == 0)
		(void)read_config(disk, path); /* defaults */
	return disk->late ? -ETIMEDOUT : r;
}

static int find_places(struct podman_disk *disk)
{
	static const char *const root[] = {"--root", NULL};
	static const char *const runroot[] = {"--runroot", NULL};
	_cleanup_(bytes_done) struct bytes arguments = BYTES_INIT;
	const char *graph, *run;
	int r = disk->source->owner ? find_user_places(disk) : find_system_places(disk);

	if (r < 0 || peer_read(disk->source->peer, "podman", &arguments) < 0)
		return r;
	graph = peer_option(&arguments, root);
	run = peer_option(&arguments, runroot);
	if (graph && graph[0] == '/')
		r = disk_path(disk->graph, graph, "", "");
	if (r == 0 && run && run[0] == '/')
		r = disk_path(disk->run, run, "", "");
	return r;
}

/* --- a container --- */

/* "RUNROOT/overlay-containers/ID/userdata/NAME", or of GRAPHROOT */
static int userdata_path(char path[PATH_MAX], const struct podman_disk *disk, const char *top,
			 const char *id, const char *name)
{
	int n = snprintf(path, PATH_MAX, "%s/%s-containers/%s/userdata%s", top, disk->driver, id,
			 name);

	return n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Of a user's the part below the runtime directory is read by users.h. */
static int read_run_file(struct podman_disk *disk, const char *path, struct bytes *ret)
{
	char below[PATH_MAX];
	size_t length;

	if (disk->user < 0)
		return read_file(disk, path, PID_FILE_MAX, ret);
	if (users_path(disk->source->request, disk->source->owner, "/", below, sizeof(below)) < 0)
		return -ENAMETOOLONG;
	length = strlen(below) - strlen(disk->source->request->root);
	if (strncmp(path, below + strlen(disk->source->request->root), length) != 0)
		return read_file(disk, path, PID_FILE_MAX, ret); /* a runroot elsewhere */
	return users_read_file(disk->user, path + length, PID_FILE_MAX, ret);
}

static int read_pid(struct podman_disk *disk, const char *id, pid_t *ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	char path[PATH_MAX];
	int r = userdata_path(path, disk, disk->run, id, "/pidfile");

	if (r == 0)
		r = read_run_file(disk, path, &text);
	if (r < 0)
		return r;
	text.data[strcspn(text.data, "\n")] = '\0';
	return parse_pid(text.data, ret);
}

/* To look into another user's home costs a process: for one container at least. */
static bool is_there(struct podman_disk *disk, const char *path)
{
	int r = 1;

	if (!source_is_foreign(disk->source) || disk->ref)
		r = disk_has_file(disk->source, disk->gid, path);
	disk->late = disk->late || r == -ETIMEDOUT;
	return r != 0;
}

/* The bundle is made when it's started for the first time. */
static int set_bundle(struct podman_disk *disk, struct container *container)
{
	char bundle[PATH_MAX], path[PATH_MAX];

	if (userdata_path(bundle, disk, disk->graph, container->id, "") < 0 ||
	    disk_path(path, bundle, "/config.json", "") < 0)
		return -ENAMETOOLONG;
	if (!is_there(disk, path)) {
		container->state = CONTAINER_CREATED;
		return 0;
	}
	/* Of another user the runtime's record tells it. */
	return source_is_foreign(disk->source) ? 0 : container_set(&container->bundle, bundle);
}

static int set_state(struct podman_disk *disk, struct container *container)
{
	pid_t pid;
	int r;

	container->state = CONTAINER_STOPPED;
	r = set_bundle(disk, container);
	if (r < 0 || read_pid(disk, container->id, &pid) < 0)
		return r;
	container->state = CONTAINER_RUNNING;
	return disk_set_process(disk->source, container, pid, NULL);
}

/* Podman says of its containers what others that use the same store don't: CRI-O has pods, buildah no name. */
static int read_metadata(const char *text, const char *id, json_t **ret)
{
	int r = text ? json_parse_lenient(text, strlen(text), ret, NULL) : -ENOENT;

	if (r == 0 && docker_id_is_valid(id) && json_object_get(*ret, "name") &&
	    !json_object_get(*ret, "pod-id"))
		return 0;
	return r == -ENOMEM ? r : -ENOENT;
}

static int fill(struct podman_disk *disk, const json_t *json, const json_t *metadata)
{
	struct container *container = containers_add(&disk->source->found);
	const json_t *names = json_object_get(json, "names");
	int r;

	if (!container)
		return -ENOMEM;
	container->scheme = disk->source->engine->scheme;
	container->owner = disk->source->owner;
	r = container_set(&container->id, json_string_value(json_object_get(json, "id")));
	if (r == 0)
		r = container_set(&container->name, json_string_value(json_array_get(names, 0)));
	if (r == 0)
		r = container_set(&container->image,
				  json_string_value(json_object_get(metadata, "image-name")));
	return r;
}

/* Has it the word for a name or at the beginning of its id? Only of those the process is looked up. */
static bool is_meant(const struct podman_disk *disk, const json_t *json)
{
	const json_t *names = json_object_get(json, "names");
	const char *name = json_string_value(json_array_get(names, 0));

	return !disk->ref || (name && strcmp(name, disk->ref) == 0) ||
	       container_id_begins_with(json_string_value(json_object_get(json, "id")), disk->ref);
}

static int add_stored(const json_t *json, void *data)
{
	struct podman_disk *disk = data;
	struct containers *found = &disk->source->found;
	_cleanup_json_ json_t *metadata = NULL;
	int r;

	if (disk->late || !is_meant(disk, json))
		return 0;
	if (source_is_foreign(disk->source) && users_time(disk->source->request) <= 0) {
		disk->late = true;
		return 0;
	}
	r = read_metadata(json_string_value(json_object_get(json, "metadata")),
			  json_string_value(json_object_get(json, "id")), &metadata);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = fill(disk, json, metadata);
	if (r == 0)
		r = set_state(disk, &found->items[found->n - 1]);
	if (r == 0 && !disk->ref && found->items[found->n - 1].pid == 0)
		containers_remove(found, found->n - 1);
	return r;
}

/* --- all containers --- */

static int read_list(struct podman_disk *disk, const char *name, struct cj_error *err)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	struct cj_error why = CJ_ERROR_INIT;
	size_t limit = source_is_foreign(disk->source) ? FOREIGN_LIST_MAX : LIST_MAX;
	char path[PATH_MAX];
	int r = snprintf(path, sizeof(path), "%s/%s-containers/%s", disk->graph, disk->driver,
			 name) >= (int)sizeof(path)
			? -ENAMETOOLONG
			: read_file(disk, path, limit, &text);

	if (r == -ENOENT || r == -ENOTDIR || (disk->late && disk->lists > 0))
		return 0; /* what could be read is the answer */
	if (r == 0 && text.size > 0)
		r = json_parse_list(text.data, text.size, add_stored, disk, &why);
	if (r < 0)
		return cj_fail(err, -r, "read %s%s%s", path, why.text[0] ? ": " : "", why.text);
	disk->lists++;
	return 0;
}

/* Asking for a user's files costs a process each: the runtime directory says which there are. */
static bool is_used(const struct podman_disk *disk, const char *driver)
{
	_cleanup_dir_ DIR *dir = NULL;
	char path[64];

	if (disk->user < 0)
		return true;
	(void)snprintf(path, sizeof(path), "containers/%s-containers", driver);
	return users_opendir(disk->user, path, &dir) == 0;
}

static int read_lists(struct podman_disk *disk, struct cj_error *err)
{
	/* The other one has what is gone when the machine is: containers run with --rm, since 4.4. */
	static const char *const names[] = {"containers.json", "volatile-containers.json"};
	int r = 0;

	for (size_t i = 0; i < ELEMENTS(drivers) && r == 0 && !disk->late; i++) {
		disk->driver = drivers[i];
		for (size_t n = 0; n < ELEMENTS(names) && r == 0 && !disk->late; n++)
			if (is_used(disk, drivers[i]))
				r = read_list(disk, names[n], err);
	}
	return r;
}

static bool any_is_used(const struct podman_disk *disk)
{
	for (size_t i = 0; i < ELEMENTS(drivers); i++)
		if (is_used(disk, drivers[i]))
			return true;
	return false;
}

static int look(struct podman_disk *disk, struct cj_error *err)
{
	struct source *source = disk->source;
	char place[PATH_MAX];
	int r = 0;

	if (source_is_foreign(source))
		r = users_open(source->request, source->owner, &disk->user);
	if (r == 0 && !any_is_used(disk))
		return -ENOENT;
	if (r == 0)
		r = find_places(disk);
	if (r == 0)
		r = read_lists(disk, err);
	if (r == 0 && disk->lists == 0)
		return -ENOENT;
	if (r == 0 && disk->ref)
		containers_match(&source->found, disk->ref);
	if (r == 0)
		r = disk_path(place, disk->graph, "", "");
	if (r == 0)
		r = source_read_from(source, place);
	if (r < 0 && r != -ENOENT)
		return cj_fail(err, -r, "read what podman keeps on disk in %s", disk->graph);
	return r;
}

int podman_disk_look(struct source *source, struct cj_error *err)
{
	_cleanup_free_ struct podman_disk *disk = calloc(1, sizeof(*disk));
	const char *ref = source->request->ref;
	int r;

	if (!disk)
		return cj_fail(err, ENOMEM, "read what podman keeps on disk");
	if (ref && !docker_ref_is_possible(ref))
		return -ENOENT;
	disk->source = source;
	disk->ref = ref && *ref == '/' ? ref + 1 : ref;
	disk->user = -EBADF;
	r = look(disk, err);
	close_fd(&disk->user);
	return r;
}
