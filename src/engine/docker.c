/* SPDX-License-Identifier: MIT
 *
 * docker:NAME, docker:ID, docker:BEGINNING-OF-ID: where dockerd's sockets are.
 * Not here: what is asked there (docker_api.c), what lies on disk (docker_disk.c).
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/disk.h"
#include "engine/docker_api.h"
#include "engine/engine.h"

static int step(struct source *source, struct cj_error *err)
{
	int r = docker_api_step(source, err);

	if (r > 0 && source->request->ref && docker_disk_complete(source) < 0)
		return cj_fail(err, ENOMEM, "read what docker keeps on disk");
	return r;
}

static const struct source_type type = {
	.step = step,
	.look = docker_disk_look,
	.done = docker_api_done,
};

static int add_sources(const struct engine_request *request, struct sources *sources,
		       struct cj_error *err)
{
	return disk_add_sources(
		&(const struct disk_places){
			.type = &type,
			.engine = &engine_docker,
			.variable = request->options->docker_host,
			.socket = "/run/docker.sock",
			.user_socket = "/docker.sock",
		},
		request, sources, err);
}

const struct engine engine_docker = {.scheme = "docker", .listens = true, .sources = add_sources};
