/* SPDX-License-Identifier: MIT
 *
 * containerd:[NAMESPACE/]ID, of containerd's own interface: also what isn't of Kubernetes or Docker.
 */
#include "engine/containerd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/engine.h"
#include "engine/state.h"

static const struct source_type containerd_source = {.step = containerd_step,
						     .look = containerd_look,
						     .done = containerd_step_done};

static const char *const usual[] = {
	"/run/containerd/containerd.sock",
	"/run/docker/containerd/containerd.sock",
	"/run/k3s/containerd/containerd.sock",
	NULL,
};

int containerd_name_parse(const char *ref, struct containerd_name *ret, struct cj_error *err)
{
	struct containerd_name name = {.ns = ""};
	const char *slash = strchr(ref, '/');
	const char *id = slash ? slash + 1 : ref;

	if (strlen(ref) < sizeof(name.ns)) {
		(void)snprintf(name.id, sizeof(name.id), "%s", id);
		if (slash)
			(void)snprintf(name.ns, sizeof(name.ns), "%.*s", (int)(slash - ref), ref);
	}
	if (!container_id_is_valid(name.id) || (slash && !container_id_is_valid(name.ns)))
		return cj_fail(err, EINVAL, "\"%s\" can't be [NAMESPACE/]ID of containerd", ref);
	*ret = name;
	return 0;
}

static int add_sources(const struct engine_request *request, struct sources *sources,
		       struct cj_error *err)
{
	const struct cj_engine_options *options = request->options;
	struct containerd_name name;
	int r;

	/* -n and -c speak of Kubernetes. */
	if (request->bare && (options->pod_namespace || options->container))
		return 0;
	r = request->ref ? containerd_name_parse(request->ref, &name, request->bare ? NULL : err)
			 : 0;
	if (r < 0)
		return request->bare ? 0 : r;
	r = sources_add_wanted(sources, &containerd_source, &engine_containerd, request, NULL, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return sources_add_usual(sources, &containerd_source, &engine_containerd, request, usual);
}

const struct engine engine_containerd = {.scheme = "containerd",
					 .listens = true,
					 .sources = add_sources};
