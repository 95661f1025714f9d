/* SPDX-License-Identifier: MIT
 *
 * k8s:[NS/]POD[/CONTAINER], and k8s:NS/POD/ for the sandbox. It's the runtime of CRI that is asked, so a
 * bare word, and everything that there is, is left to cri.
 */
#include <errno.h>
#include <string.h>

#include "engine/cri.h"
#include "engine/engine.h"

/* The grammar of DNS, less strict than Kubernetes' own. */
static bool is_name(const char *text, size_t length)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";

	return length > 0 && length <= POD_NAME_MAX && strspn(text, allowed) == length;
}

static int copy_name(char ret[POD_NAME_MAX + 1], const char *text, size_t length, const char *what,
		     struct cj_error *err)
{
	size_t n = length < POD_NAME_MAX ? length : POD_NAME_MAX;

	memcpy(ret, text, n);
	ret[n] = '\0';
	return is_name(ret, length)
		       ? 0
		       : cj_fail(err, EINVAL, "\"%s\" can't be the name of a %s", ret, what);
}

/* "POD", "NS/POD", "NS/POD/CONTAINER", "NS/POD/" */
static int split(const char *ref, struct pod_name *name, struct cj_error *err)
{
	const char *slash = strchr(ref, '/');
	const char *pod = slash ? slash + 1 : ref;
	const char *second = slash ? strchr(pod, '/') : NULL;
	int r = 0;

	if (slash)
		r = copy_name(name->ns, ref, (size_t)(slash - ref), "namespace", err);
	if (r == 0)
		r = copy_name(name->pod, pod, second ? (size_t)(second - pod) : strlen(pod), "pod",
			      err);
	if (r < 0 || !second)
		return r;
	if (!second[1]) {
		name->is_sandbox = true;
		return 0;
	}
	return copy_name(name->container, second + 1, strlen(second + 1), "container", err);
}

/* What an option says, in place of what the name leaves out. */
static int fill(char part[POD_NAME_MAX + 1], const char *option, const char *what,
		struct cj_error *err)
{
	if (!option || strcmp(part, option) == 0)
		return 0;
	if (*part)
		return cj_fail(err, EINVAL, "%s %s is named, and %s by option", what, part, option);
	return copy_name(part, option, strlen(option), what, err);
}

int pod_name_parse(const struct engine_request *request, struct pod_name *ret, struct cj_error *err)
{
	struct pod_name name = {.is_sandbox = false};
	int r = split(request->ref, &name, err);

	if (r == 0)
		r = fill(name.ns, request->options->pod_namespace, "namespace", err);
	if (r == 0 && name.is_sandbox && request->options->container)
		return cj_fail(err, EINVAL,
			       "the sandbox of pod %s is named, and container %s by option",
			       name.pod, request->options->container);
	if (r == 0)
		r = fill(name.container, request->options->container, "container", err);
	if (r < 0)
		return r;
	*ret = name;
	return 0;
}

static int add_sources(const struct engine_request *request, struct sources *sources,
		       struct cj_error *err)
{
	struct pod_name name;
	int r;

	if (request->bare || !request->ref)
		return 0;
	r = pod_name_parse(request, &name, err);
	return r < 0 ? r : cri_sources_add(&engine_k8s, request, sources, err);
}

const struct engine engine_k8s = {.scheme = "k8s", .listens = true, .sources = add_sources};
