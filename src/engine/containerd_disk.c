/* SPDX-License-Identifier: MIT
 *
 * containerd's state on disk: STATE/io.containerd.runtime.v2.task/NAMESPACE/ID, which is the bundle, with
 * init.pid in it. Where STATE is, and who is there.
 * Not here: what CRI's annotations say (cri_disk.c).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/containerd.h"
#include "engine/json.h"
#include "engine/peer.h"
#include "engine/state.h"
#include "sys/pidref.h"

#define TASKS "io.containerd.runtime.v2.task"
#define DEFAULT_SOCKET "/run/containerd/containerd.sock"
#define DEFAULT_STATE "/run/containerd"
#define DEFAULT_CONFIG "/etc/containerd/config.toml"

enum { CONFIG_MAX = 1 << 20, MAX_ENTRIES = 16384 };

/* --- where --- */

static void add_place(struct containerd_places *places, const char *root, const char *state)
{
	char *path = places->paths[places->n];

	if (places->n == ELEMENTS(places->paths) || *state != '/' ||
	    snprintf(path, PATH_MAX, "%s%s/" TASKS, root, state) >= PATH_MAX ||
	    access(path, F_OK) < 0)
		return;
	for (size_t i = 0; i < places->n; i++)
		if (strcmp(places->paths[i], path) == 0)
			return;
	places->n++;
}

/* A value of TOML's top level: `state = "/run/containerd"`. Escapes aren't read: paths have none. */
static bool find_in_config(char *text, const char *key, char ret[PATH_MAX])
{
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		size_t length = strlen(key);
		const char *end;

		line += strspn(line, " \t");
		if (*line == '[')
			return false;
		if (strncmp(line, key, length) != 0)
			continue;
		line += length + strspn(line + length, " \t");
		if (*line++ != '=')
			continue;
		line += strspn(line, " \t");
		end = *line == '"' || *line == '\'' ? strchr(line + 1, *line) : NULL;
		if (!end || end - line > PATH_MAX)
			return false;
		(void)snprintf(ret, PATH_MAX, "%.*s", (int)(end - line - 1), line + 1);
		return true;
	}
	return false;
}

static bool read_config(const char *root, const char *path, char ret[PATH_MAX])
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	char whole[PATH_MAX];

	return snprintf(whole, sizeof(whole), "%s%s", root, path) < (int)sizeof(whole) &&
	       state_read_file(whole, CONFIG_MAX, &text) == 0 &&
	       find_in_config(text.data, "state", ret);
}

/* What the daemon was started with tells where its state is, also while it hangs. */
static bool ask_peer(const struct source *source, char ret[PATH_MAX])
{
	static const char *const state[] = {"--state", "-state", NULL};
	static const char *const config[] = {"--config", "-config", "-c", "--c", NULL};
	_cleanup_(bytes_done) struct bytes arguments = BYTES_INIT;
	const char *value;

	if (peer_read(source->peer, "containerd", &arguments) < 0)
		return false;
	value = peer_option(&arguments, state);
	if (value) {
		(void)snprintf(ret, PATH_MAX, "%s", value);
		return true;
	}
	value = peer_option(&arguments, config);
	return value && read_config(source->request->root, value, ret);
}

/* A socket usually lies in the state directory, or beside it. */
static void add_near_socket(struct containerd_places *places, const char *address)
{
	const char *slash = strrchr(address, '/');
	char path[PATH_MAX];

	if (!slash || snprintf(path, sizeof(path), "%.*s", (int)(slash - address), address) >=
			      (int)sizeof(path))
		return;
	add_place(places, "", path);
	if (snprintf(path, sizeof(path), "%.*s/daemon", (int)(slash - address), address) <
	    (int)sizeof(path))
		add_place(places, "", path);
}

static bool is_usual(const char *address, const char *root)
{
	size_t length = strlen(root);

	return strncmp(address, root, length) == 0 && strcmp(address + length, DEFAULT_SOCKET) == 0;
}

void containerd_places_find(const struct source *source, struct containerd_places *ret)
{
	const char *root = source->request->root, *address = source->address;
	/* The socket was mounted for us, wherever that is: its path tells nothing of the daemon's files. */
	bool elsewhere = source->own_request;
	char path[PATH_MAX];

	ret->n = 0;
	if (ask_peer(source, path)) {
		add_place(ret, root, path);
		return;
	}
	if (!address || elsewhere || is_usual(address, root))
		add_place(ret, root,
			  read_config(root, DEFAULT_CONFIG, path) ? path : DEFAULT_STATE);
	if (!address) {
		add_place(ret, root, "/run/k3s/containerd");
		add_place(ret, root, "/run/docker/containerd/daemon");
	} else if (!elsewhere) {
		add_near_socket(ret, address);
	}
}

int containerd_bundle(struct source *source, const char *ns, const char *id, char **ret)
{
	struct containerd_places places;
	char path[PATH_MAX];
	int r;

	if (!container_id_is_valid(ns) || !container_id_is_valid(id))
		return 0;
	r = source_see_as_peer(source);
	if (r < 0)
		return r;
	containerd_places_find(source, &places);
	for (size_t i = 0; i < places.n; i++)
		if (snprintf(path, sizeof(path), "%s/%s/%s", places.paths[i], ns, id) <
			    (int)sizeof(path) &&
		    access(path, F_OK) == 0)
			return container_set(ret, path);
	return 0;
}

/* --- who --- */

typedef int (*visit_fn)(const char *directory, const char *ns, const char *id, void *data);

static int visit_namespace(const char *place, const char *ns, int *left, visit_fn visit, void *data)
{
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[PATH_MAX];
	int r = 0;

	if (snprintf(path, sizeof(path), "%s/%s", place, ns) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while (r == 0 && (entry = readdir(dir)) && (*left)-- > 0)
		if (container_id_is_valid(entry->d_name))
			r = visit(path, ns, entry->d_name, data);
	return r;
}

int containerd_visit(const char *place, const char *ns, visit_fn visit, void *data,
		     struct cj_error *err)
{
	_cleanup_dir_ DIR *dir = *ns ? NULL : opendir(place);
	const struct dirent *entry;
	int left = MAX_ENTRIES;
	int r = 0;

	if (!*ns && !dir)
		return cj_fail(err, errno, "read %s", place);
	if (*ns)
		r = visit_namespace(place, ns, &left, visit, data);
	while (dir && r == 0 && (entry = readdir(dir)))
		if (container_id_is_valid(entry->d_name))
			r = visit_namespace(place, entry->d_name, &left, visit, data);
	return r < 0 ? cj_fail(err, -r, "read %s", place) : r;
}

/* --- containerd's own answer from disk --- */

struct looking {
	struct source *source;
	struct containerd_name name;
};

/* CRI's containers say which image they are of, others don't. */
static int read_image(const struct state *state, char **ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_json_ json_t *json = NULL;
	char path[PATH_MAX];

	if (state_read_config(state, &text, path, NULL) < 0 ||
	    json_parse(text.data, text.size, &json, NULL) < 0)
		return 0;
	return container_set(ret,
			     json_string_value(json_object_get(json_object_get(json, "annotations"),
							       "io.kubernetes.cri.image-name")));
}

static int add(struct source *source, const char *ns, const struct state *state)
{
	struct container *container = containers_add(&source->found);
	char name[2 * (NAME_MAX + 1)];
	int r;

	if (!container)
		return -ENOMEM;
	container->scheme = "containerd";
	container->pid = state->pid;
	container->owner = source->owner;
	(void)snprintf(name, sizeof(name), "%s/%s", ns, state->id);
	r = container_set(&container->name, name);
	if (r == 0)
		r = container_set(&container->id, state->id);
	return r < 0 ? r : container_set(&container->bundle, state->bundle);
}

static int add_found(const char *directory, const char *ns, const char *id, void *data)
{
	struct looking *looking = data;
	_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;
	struct container *container;
	struct state state;
	int r;

	if (!container_id_begins_with(id, looking->name.id) && *looking->name.id)
		return 0;
	if (state_read(STATE_CONTAINERD, "", directory, id, &state) < 0)
		return 0; /* it's about to come or to go */
	r = add(looking->source, ns, &state);
	if (r < 0)
		return r;
	container = &looking->source->found.items[looking->source->found.n - 1];
	if (pidref_open(state.pid, &ref, NULL) < 0)
		container->state = CONTAINER_STOPPED;
	return read_image(&state, &container->image);
}

static int add_task(const char *directory, const char *ns, const char *id, void *data)
{
	struct state state;
	int r = state_read(STATE_CONTAINERD, "", directory, id, &state);

	if (r == -EACCES)
		return r;
	return r < 0 ? 0 : add(data, ns, &state);
}

int containerd_add_tasks(struct source *source, const struct containerd_places *places,
			 const char *ns)
{
	size_t before = source->found.n;
	char path[PATH_MAX];
	int r = -ENOENT;

	for (size_t i = 0; i < places->n && (r == 0 || r == -ENOENT); i++)
		if (snprintf(path, sizeof(path), "%s/%s", places->paths[i], ns) <
			    (int)sizeof(path) &&
		    access(path, F_OK) == 0)
			r = containerd_visit(places->paths[i], ns, add_task, source, NULL);
	while (r < 0 && source->found.n > before)
		containers_remove(&source->found, source->found.n - 1);
	return r == -EACCES ? -ENOENT : r;
}

int containerd_look(struct source *source, struct cj_error *err)
{
	struct looking looking = {.source = source};
	struct containerd_places places;
	int r = 0;

	if (source->request->ref)
		r = containerd_name_parse(source->request->ref, &looking.name, err);
	if (r < 0)
		return r;
	containerd_places_find(source, &places);
	if (places.n == 0)
		return -ENOENT;
	for (size_t i = 0; i < places.n && r == 0; i++)
		r = containerd_visit(places.paths[i], looking.name.ns, add_found, &looking, err);
	if (r == 0)
		r = source_read_from(source, places.paths[0]);
	if (r == 0 && source->request->ref)
		containers_match(&source->found, looking.name.id);
	return r;
}
