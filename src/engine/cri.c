/* SPDX-License-Identifier: MIT
 *
 * cri:REF, of any runtime with the Kubernetes Container Runtime Interface, and a bare word for both cri
 * and k8s.
 */
#include "engine/cri.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/engine.h"

static const struct source_type cri_source = {.step = cri_step,
					      .look = cri_look,
					      .done = cri_step_done};

static const char *const usual[] = {
	"/run/containerd/containerd.sock",
	"/run/crio/crio.sock",
	"/run/cri-dockerd.sock",
	"/run/k3s/containerd/containerd.sock",
	NULL,
};

/* --engine-socket cri=… is for k8s as well: it's the same daemon. */
static int add_wanted(const struct engine *engine, const struct engine_request *request,
		      struct sources *sources, struct cj_error *err)
{
	const char *endpoint = request->options->runtime_endpoint;
	const char *variable = engine == &engine_cri ? endpoint : NULL;
	size_t before = sources->n;
	int r = sources_add_wanted(sources, &cri_source, &engine_cri, request, variable, err);

	if (r == 0 && engine != &engine_cri)
		r = sources_add_wanted(sources, &cri_source, engine, request, endpoint, err);
	for (size_t i = before; i < sources->n; i++)
		sources->items[i].engine = engine;
	return r;
}

int cri_sources_add(const struct engine *engine, const struct engine_request *request,
		    struct sources *sources, struct cj_error *err)
{
	int r = add_wanted(engine, request, sources, err);

	if (r != 0)
		return r < 0 ? r : 0;
	return sources_add_usual(sources, &cri_source, engine, request, usual);
}

static bool has_pod_options(const struct engine_request *request)
{
	return request->options->pod_namespace || request->options->container;
}

/* -n and -c make a bare word a pod's name, and nothing else. */
static bool by_ref(const struct engine_request *request)
{
	return !request->bare || (!has_pod_options(request) && !strchr(request->ref, '/'));
}

void cri_query_init(struct cri_query *query, const struct source *source)
{
	const struct engine_request *request = source->request;
	bool is_k8s = source->engine == &engine_k8s;

	*query = (struct cri_query){.all = !request->ref};
	if (!request->ref)
		return;
	if (!is_k8s && by_ref(request))
		query->ref = request->ref;
	if (is_k8s || request->bare)
		query->by_pod = pod_name_parse(request, &query->pod, NULL) == 0;
}

static int add_sources(const struct engine_request *request, struct sources *sources,
		       struct cj_error *err)
{
	struct pod_name name;

	if (request->ref && !*request->ref)
		return request->bare
			       ? 0
			       : cj_fail(err, EINVAL, "find cri:, a container without a name");
	if (request->ref && !by_ref(request) && pod_name_parse(request, &name, NULL) < 0)
		return 0;
	return cri_sources_add(&engine_cri, request, sources, err);
}

const struct engine engine_cri = {.scheme = "cri", .listens = true, .sources = add_sources};
