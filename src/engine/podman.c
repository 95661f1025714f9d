/* SPDX-License-Identifier: MIT
 *
 * podman:NAME, podman:ID, podman:BEGINNING-OF-ID: where the sockets of podman's service are. Mostly it
 * doesn't run.
 * Not here: what is asked there (docker_api.c), what lies on disk (podman_disk.c).
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/disk.h"
#include "engine/docker_api.h"
#include "engine/engine.h"
#include "engine/users.h"

enum { FOREIGN_MAX = 1024 }; /* containers that are listed of another user */

/* The list tells no PIDs, and without cgroups (rootless, v1) no cgroup tells whose it is. */
static int step(struct source *source, struct cj_error *err)
{
	int r = docker_api_step(source, err);
	bool foreign = source_is_foreign(source);

	if (r <= 0 || source->request->ref)
		return r;
	while (foreign && source->found.n > FOREIGN_MAX)
		containers_remove(&source->found, source->found.n - 1);
	for (size_t i = 0; i < source->found.n; i++)
		if (foreign && users_time(source->request) <= 0)
			return r; /* the rest stays without a process */
		else if (disk_find_process(source, &source->found.items[i]) < 0)
			return cj_fail(err, ENOMEM, "read what podman keeps on disk");
	return r;
}

static const struct source_type type = {
	.step = step,
	.look = podman_disk_look,
	.done = docker_api_done,
};

static int add_sources(const struct engine_request *request, struct sources *sources,
		       struct cj_error *err)
{
	return disk_add_sources(
		&(const struct disk_places){
			.type = &type,
			.engine = &engine_podman,
			.variable = request->options->container_host,
			.socket = "/run/podman/podman.sock",
			.user_socket = "/podman/podman.sock",
		},
		request, sources, err);
}

const struct engine engine_podman = {.scheme = "podman", .listens = true, .sources = add_sources};
