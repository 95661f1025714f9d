/* SPDX-License-Identifier: MIT
 *
 * What CRI runtimes leave on disk: each container's config.json, in which annotations tell the names.
 * containerd's are bundles of its namespace k8s.io, CRI-O's lie where podman's do.
 * Not here: which of them is meant (cri_find.c).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/containerd.h"
#include "engine/cri.h"
#include "engine/json.h"
#include "engine/state.h"
#include "sys/pidref.h"

#define CRIO "/run/containers/storage/overlay-containers"

enum { MAX_ENTRIES = 16384 };

/* Annotations of one runtime. */
struct dialect {
	enum state_layout layout;
	const char *kind; /* "sandbox", or "container" */
	const char *container, *pod, *ns, *sandbox, *image;
};

static const struct dialect containerd = {
	.layout = STATE_CONTAINERD,
	.kind = "io.kubernetes.cri.container-type",
	.container = "io.kubernetes.cri.container-name",
	.pod = "io.kubernetes.cri.sandbox-name",
	.ns = "io.kubernetes.cri.sandbox-namespace",
	.sandbox = "io.kubernetes.cri.sandbox-id",
	.image = "io.kubernetes.cri.image-name",
};

static const struct dialect crio = {
	.layout = STATE_PODMAN,
	.kind = "io.kubernetes.cri-o.ContainerType",
	.container = "io.kubernetes.container.name",
	.pod = "io.kubernetes.pod.name",
	.ns = "io.kubernetes.pod.namespace",
	.sandbox = "io.kubernetes.cri-o.SandboxID",
	.image = "io.kubernetes.cri-o.ImageName",
};

struct looking {
	const struct dialect *dialect;
	struct cri_query query;
	struct cri_list list;
};

static const char *annotation(const json_t *config, const char *key)
{
	const char *value =
		json_string_value(json_object_get(json_object_get(config, "annotations"), key));

	return value && *value ? value : NULL;
}

static int set_all(struct cri_container *item, const struct dialect *dialect, const json_t *config)
{
	const struct {
		char **field;
		const char *value;
	} fields[] = {
		{&item->ns, annotation(config, dialect->ns)},
		{&item->pod, annotation(config, dialect->pod)},
		{&item->sandbox, annotation(config, dialect->sandbox)},
		{&item->container.image, annotation(config, dialect->image)},
		{&item->short_name,
		 annotation(config, item->is_sandbox ? dialect->pod : dialect->container)},
	};
	int r = 0;

	for (size_t i = 0; i < ELEMENTS(fields) && r == 0; i++)
		r = container_set(fields[i].field, fields[i].value);
	return r;
}

static int add_item(struct looking *looking, const struct state *state, const char *bundle,
		    const json_t *config)
{
	const char *kind = annotation(config, looking->dialect->kind);
	_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;
	struct cri_container *item;
	int r;

	if (!kind)
		return 0; /* it isn't of CRI */
	r = cri_list_add(&looking->list, &item);
	if (r < 0)
		return r;
	item->is_sandbox = strcmp(kind, "sandbox") == 0;
	item->container.pid = state->pid;
	if (pidref_open(state->pid, &ref, NULL) < 0)
		item->container.state = CONTAINER_STOPPED;
	r = container_set(&item->container.id, state->id);
	if (r == 0)
		r = container_set(&item->container.bundle, bundle);
	return r < 0 ? r : set_all(item, looking->dialect, config);
}

static int visit(const char *directory, const char *ns, const char *id, void *data)
{
	struct looking *looking = data;
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_json_ json_t *config = NULL;
	struct state state;
	char path[PATH_MAX], *slash;

	(void)ns;
	if (!cri_query_may_be(&looking->query, id) ||
	    state_read(looking->dialect->layout, "", directory, id, &state) < 0 ||
	    state_read_config(&state, &text, path, NULL) < 0 ||
	    json_parse(text.data, text.size, &config, NULL) < 0)
		return 0; /* it's about to come or to go */
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	return add_item(looking, &state, path, config);
}

static int look_at_crio(struct looking *looking, const char *path, struct cj_error *err)
{
	_cleanup_dir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	int left = MAX_ENTRIES, r = 0;

	if (!dir)
		return cj_fail(err, errno, "read %s", path);
	looking->dialect = &crio;
	while (r == 0 && (entry = readdir(dir)) && left-- > 0)
		if (container_id_is_valid(entry->d_name))
			r = visit(path, "", entry->d_name, looking);
	return r < 0 ? cj_fail(err, -r, "read %s", path) : 0;
}

/* A socket that isn't CRI-O's may be containerd's; without one it's either, or both. */
static int look(struct source *source, struct looking *looking, struct cj_error *err)
{
	const char *address = source->address;
	bool is_crio = address && strstr(address, "crio");
	struct containerd_places places = {.n = 0};
	char path[PATH_MAX];
	int r = 0;

	if (!is_crio)
		containerd_places_find(source, &places);
	looking->dialect = &containerd;
	for (size_t i = 0; i < places.n && r == 0; i++)
		r = containerd_visit(places.paths[i], "k8s.io", visit, looking, err);
	if (r == 0 && places.n > 0)
		r = source_read_from(source, places.paths[0]);
	if (r < 0 || (address && !is_crio) ||
	    snprintf(path, sizeof(path), "%s" CRIO, source->request->root) >= (int)sizeof(path) ||
	    access(path, F_OK) < 0)
		return r < 0 || places.n > 0 ? r : -ENOENT;
	r = look_at_crio(looking, path, err);
	return r < 0 ? r : source_read_from(source, path);
}

int cri_look(struct source *source, struct cj_error *err)
{
	struct looking looking = {.list = CRI_LIST_INIT};
	int r;

	cri_query_init(&looking.query, source);
	r = look(source, &looking, err);
	if (r == 0) {
		cri_list_match(&looking.list, &looking.query);
		r = cri_list_give(&looking.list, source);
	}
	cri_list_done(&looking.list);
	return r;
}
