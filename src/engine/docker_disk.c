/* SPDX-License-Identifier: MIT
 *
 * What dockerd keeps on disk: DATA/containers/ID/config.v2.json. With userns-remap DATA is
 * DATA/UID.GID.
 * Not here: records of runtimes (state.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "engine/disk.h"
#include "engine/docker_api.h"
#include "engine/engine.h"
#include "engine/json.h"
#include "engine/peer.h"
#include "engine/state.h"
#include "engine/users.h"

/*
 * FOREIGN_LIMIT: a user's record is 4 KiB, and more only with a large environment or a health check, of which
 * it keeps five outputs of 4 KiB.
 */
enum { PID_LIMIT = 4194304, FOREIGN_MAX = 256, FOREIGN_LIMIT = 128 * 1024 };

struct docker_disk {
	struct source *source;
	const char *ref;		     /* without a "/" before it; NULL: all with a process */
	char data[PATH_MAX], runc[PATH_MAX]; /* without request->root; runc's with it */
	gid_t gid;			     /* of another user */
	int failed;			     /* why a record couldn't be read */
};

/* --- where --- */

static int take_path(char path[PATH_MAX], const char *value)
{
	return value && value[0] == '/' ? disk_path(path, value, "", "") : 0;
}

static size_t limit_of(const struct docker_disk *disk)
{
	return source_is_foreign(disk->source) ? FOREIGN_LIMIT : JSON_TEXT_MAX;
}

/* What neither the command line nor a file says. */
static int set_defaults(struct docker_disk *disk, char config[PATH_MAX], char exec[PATH_MAX])
{
	const struct source *source = disk->source;
	_cleanup_free_ char *home = NULL;
	char path[PATH_MAX];
	int r;

	if (source->owner == 0) {
		r = disk_path(disk->data, "/var/lib/docker", "", "");
		if (r == 0)
			r = disk_path(config, "/etc/docker/daemon.json", "", "");
		return r < 0 ? r : disk_path(exec, "/run/docker", "", "");
	}
	r = users_home(source->request, source->owner, &home, &disk->gid);
	if (r == 0)
		r = disk_path(disk->data, home, "/.local/share/docker", "");
	if (r == 0)
		r = disk_path(config, home, "/.config/docker/daemon.json", "");
	if (r == 0)
		r = users_path(source->request, source->owner, "/docker", path, sizeof(path));
	/* That one has the root before it already. */
	return r < 0 ? r : disk_path(exec, path + strlen(source->request->root), "", "");
}

static int read_config(struct docker_disk *disk, const char *path, char exec[PATH_MAX])
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_json_ json_t *json = NULL;
	const char *data;
	int r = disk_read(disk->source, disk->gid, path, limit_of(disk), &text);

	if (r == -ETIMEDOUT && source_is_foreign(disk->source))
		return r;
	if (r == 0)
		r = json_parse(text.data, text.size, &json, NULL);
	if (r < 0)
		return 0; /* the default it is: without the daemon nobody can tell */
	data = json_string_value(json_object_get(json, "data-root"));
	if (!data)
		data = json_string_value(json_object_get(json, "graph")); /* until 23.0 */
	r = take_path(disk->data, data);
	return r < 0 ? r : take_path(exec, json_string_value(json_object_get(json, "exec-root")));
}

static int find_places(struct docker_disk *disk)
{
	static const char *const data_root[] = {"--data-root", "--graph", "-g", NULL};
	static const char *const exec_root[] = {"--exec-root", NULL};
	static const char *const config_file[] = {"--config-file", NULL};
	_cleanup_(bytes_done) struct bytes arguments = BYTES_INIT;
	char config[PATH_MAX] = "", exec[PATH_MAX] = "";
	int r = set_defaults(disk, config, exec);

	(void)peer_read(disk->source->peer, "dockerd", &arguments); /* none: the defaults */
	if (r == 0)
		r = take_path(config, peer_option(&arguments, config_file));
	if (r == 0)
		r = read_config(disk, config, exec);
	if (r == 0)
		r = take_path(disk->data, peer_option(&arguments, data_root));
	if (r == 0)
		r = take_path(exec, peer_option(&arguments, exec_root));
	if (r < 0)
		return r;
	return disk_path(disk->runc, disk->source->request->root, exec, "/runtime-runc/moby");
}

/* --- a record --- */

/* As `docker ps` has it. */
static enum container_state state_of(const json_t *state)
{
	const char *started = json_string_value(json_object_get(state, "StartedAt"));

	if (json_is_true(json_object_get(state, "Restarting")))
		return CONTAINER_RESTARTING;
	if (json_is_true(json_object_get(state, "Running")))
		return json_is_true(json_object_get(state, "Paused")) ? CONTAINER_PAUSED
								      : CONTAINER_RUNNING;
	if (json_is_true(json_object_get(state, "RemovalInProgress")) ||
	    json_is_true(json_object_get(state, "Dead")))
		return CONTAINER_DEAD;
	return started && strncmp(started, "0001-", 5) != 0 ? CONTAINER_STOPPED : CONTAINER_CREATED;
}

static int fill(struct docker_disk *disk, const json_t *json, struct container *container)
{
	const json_t *config = json_object_get(json, "Config");
	const json_t *state = json_object_get(json, "State");
	const char *name = json_string_value(json_object_get(json, "Name"));
	json_int_t pid = json_integer_value(json_object_get(state, "Pid"));
	int r;

	container->state = state_of(state);
	if (name && *name == '/')
		name++;
	r = container_set(&container->name, name);
	if (r == 0)
		r = container_set(&container->image,
				  json_string_value(json_object_get(config, "Image")));
	if (r == 0)
		r = docker_set_labels(container, json_object_get(config, "Labels"));
	if (r == 0 && pid > 0 && pid <= PID_LIMIT &&
	    (container->state == CONTAINER_RUNNING || container->state == CONTAINER_PAUSED))
		r = disk_set_process(disk->source, container, (pid_t)pid, disk->runc);
	return r;
}

/* A record that doesn't hold the word isn't that container's: parsing takes the most time. */
static bool may_be_meant(const struct docker_disk *disk, const char *id, const struct bytes *text)
{
	return !disk->ref || container_id_begins_with(id, disk->ref) ||
	       memmem(text->data, text->size, disk->ref, strlen(disk->ref));
}

static int add(struct docker_disk *disk, const char *id, const json_t *json)
{
	const struct source *source = disk->source;
	struct container *container = containers_add(&disk->source->found);
	int r = container ? container_set(&container->id, id) : -ENOMEM;

	if (r < 0)
		return r;
	container->scheme = source->engine->scheme;
	container->owner = source->owner;
	r = fill(disk, json, container);
	if (r == 0 && !disk->ref && container->pid == 0)
		containers_remove(&disk->source->found, disk->source->found.n - 1);
	return r;
}

/* What can't be read is told, and doesn't hide the rest. */
static int read_record(struct docker_disk *disk, const char *directory, const char *id)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_json_ json_t *json = NULL;
	char parent[PATH_MAX], path[PATH_MAX];
	int r;

	if (disk_path(parent, directory, "/", id) < 0 ||
	    disk_path(path, parent, "/config.v2.json", "") < 0)
		return -ENAMETOOLONG;
	r = disk_read(disk->source, disk->gid, path, limit_of(disk), &text);
	if (r == 0 && !may_be_meant(disk, id, &text))
		return 0;
	if (r == 0)
		r = json_parse_lenient(text.data, text.size, &json, NULL);
	if (r == -ENOENT || r == -ENOMEM)
		return r == -ENOENT ? 0 : r; /* being made, or being removed */
	if (r < 0) {
		disk_warn(disk->source, path, -r);
		disk->failed = r;
		return 0;
	}
	return add(disk, id, json);
}

/* --- all records --- */

/* A user's that didn't answer once, or for which no time is left. */
static bool is_late(const struct docker_disk *disk)
{
	return source_is_foreign(disk->source) &&
	       (disk->failed == -ETIMEDOUT || users_time(disk->source->request) <= 0);
}

static int read_directory(struct docker_disk *disk, DIR *dir, const char *directory, size_t max)
{
	const struct dirent *entry;
	int r = 0;

	for (size_t n = 0; r == 0 && n < max && !is_late(disk) && (entry = readdir(dir));)
		if (docker_id_is_valid(entry->d_name)) {
			r = read_record(disk, directory, entry->d_name);
			n++;
		}
	return r;
}

/* The system's, or the caller's own. */
static int read_containers(struct docker_disk *disk, const char *data)
{
	_cleanup_dir_ DIR *dir = NULL;
	char directory[PATH_MAX], path[PATH_MAX];

	if (disk_path(directory, data, "/containers", "") < 0 ||
	    disk_path(path, disk->source->request->root, directory, "") < 0)
		return -ENAMETOOLONG;
	if (disk->ref && docker_id_is_valid(disk->ref))
		return access(path, F_OK) < 0 ? -errno : read_record(disk, directory, disk->ref);
	dir = opendir(path);
	return dir ? read_directory(disk, dir, directory, SIZE_MAX) : -errno;
}

/* "231072.231072": a directory of userns-remap. */
static bool is_remapped(const char *name)
{
	size_t uid = strspn(name, "0123456789");

	return uid > 0 && name[uid] == '.' && name[uid + 1] &&
	       name[uid + 1 + strspn(name + uid + 1, "0123456789")] == '\0';
}

static int read_remapped(struct docker_disk *disk)
{
	_cleanup_dir_ DIR *dir = NULL;
	char path[PATH_MAX];
	const struct dirent *entry;
	int r = disk_path(path, disk->source->request->root, disk->data, "");

	if (r == 0) {
		dir = opendir(path);
		r = dir ? 0 : -errno;
	}
	while (r == 0 && dir && (entry = readdir(dir))) {
		if (!is_remapped(entry->d_name))
			continue;
		r = disk_path(path, disk->data, "/", entry->d_name);
		if (r == 0)
			r = read_containers(disk, path);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

/*
 * A user's, read by root: which containers there are say the records in the user's runtime directory, where
 * nothing can make us wait. So stopped ones aren't known.
 */
static int read_foreign(struct docker_disk *disk)
{
	const struct source *source = disk->source;
	_cleanup_dir_ DIR *dir = NULL;
	_cleanup_fd_ int user = -EBADF;
	char directory[PATH_MAX];
	int r = users_open(source->request, source->owner, &user);

	if (r == 0)
		r = users_opendir(user, "docker/runtime-runc/moby", &dir);
	if (r == 0)
		r = find_places(disk);
	if (r == 0)
		r = disk_path(directory, disk->data, "/containers", "");
	return r < 0 ? r : read_directory(disk, dir, directory, FOREIGN_MAX);
}

static int read_own(struct docker_disk *disk)
{
	int r = find_places(disk), remapped;

	if (r < 0)
		return r;
	r = read_containers(disk, disk->data);
	if (r < 0 && r != -ENOENT)
		return r;
	remapped = read_remapped(disk);
	return remapped == -ENOENT ? r : remapped;
}

int docker_disk_look(struct source *source, struct cj_error *err)
{
	_cleanup_free_ struct docker_disk *disk = calloc(1, sizeof(*disk));
	const char *ref = source->request->ref;
	char place[PATH_MAX];
	int r;

	if (!disk)
		return cj_fail(err, ENOMEM, "read what docker keeps on disk");
	disk->source = source;
	disk->ref = ref && *ref == '/' ? ref + 1 : ref;
	if (ref && !docker_ref_is_possible(ref))
		return -ENOENT;
	r = source_is_foreign(source) ? read_foreign(disk) : read_own(disk);
	if (r == -ENOENT)
		return r;
	if (r == 0 && ref)
		containers_match(&source->found, disk->ref);
	if (r == 0 && source->found.n == 0)
		r = disk->failed; /* else what could be read is the answer */
	if (r == 0)
		r = disk_path(place, disk->data, "/containers", "");
	if (r == 0)
		r = source_read_from(source, place);
	if (r < 0 && !disk->data[0])
		return cj_fail(err, -r, "read what docker of user %u keeps on disk", source->owner);
	return r < 0 ? cj_fail(err, -r, "read %s/containers", disk->data) : 0;
}

#define USUAL_RECORDS "/run/docker/runtime-runc/moby"

/* There it's found anyway. */
static bool is_at_usual_place(const struct source *source, const struct container *container)
{
	char place[PATH_MAX], path[PATH_MAX];

	return container->id &&
	       disk_path(place, source->request->root, USUAL_RECORDS "/", container->id) == 0 &&
	       disk_path(path, place, "/state.json", "") == 0 && access(path, F_OK) == 0;
}

/* The first of them with a process whose record lies elsewhere, from `i` on; or their number. */
static size_t next_elsewhere(const struct source *source, size_t i)
{
	const struct containers *found = &source->found;

	while (i < found->n &&
	       (found->items[i].pid == 0 || is_at_usual_place(source, &found->items[i])))
		i++;
	return i;
}

int docker_disk_complete(struct source *source)
{
	_cleanup_free_ struct docker_disk *disk = NULL;
	char usual[PATH_MAX];
	size_t i = 0;
	int r = 0;

	/* To learn where this daemon keeps its records takes several files. */
	if (source->owner == 0)
		i = next_elsewhere(source, 0);
	if (source->owner != 0 || i == source->found.n)
		return 0;
	disk = calloc(1, sizeof(*disk));
	if (!disk)
		return -ENOMEM;
	disk->source = source;
	if (disk_path(usual, source->request->root, USUAL_RECORDS, "") < 0)
		return 0;
	r = source_see_as_peer(source);
	if (r < 0 || find_places(disk) < 0 || strcmp(disk->runc, usual) == 0)
		return r;
	for (; i < source->found.n && r == 0; i = next_elsewhere(source, i + 1))
		r = disk_set_record(source, &source->found.items[i], source->found.items[i].pid,
				    disk->runc);
	return r;
}
