/* SPDX-License-Identifier: MIT
 *
 * The API of Docker's engine, which podman's service speaks as well: one container by name or id, or
 * all that have a process.
 * https://docs.docker.com/engine/api/ (ContainerInspect, ContainerList)
 * Not here: where the sockets are (docker.c, podman.c), what lies on disk (docker_disk.c,
 * podman_disk.c).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include <conjoin/error.h>

#include "engine/container.h"
#include "engine/source.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { DOCKER_ID_LENGTH = 64, DOCKER_REF_MAX = 4096 };

/* step() and done() of a source. */
int docker_api_step(struct source *source, struct cj_error *err);
void docker_api_done(struct source *source);

/*
 * May a container have this name, id or beginning of an id? What can't be isn't asked for: a "/" or
 * ".." would be another request. One "/" before a name is the engines' own way of writing it.
 */
bool docker_ref_is_possible(const char *ref);

/* 64 lower-case hexadecimal digits, which are fit for a path. */
bool docker_id_is_valid(const char *id);

/*
 * Reads the answers. Containers are added to `found`, with `scheme` and `owner`.
 *
 *	EBADMSG	it isn't what the API answers, or can't be true
 *	EFBIG	bigger than JSON_TEXT_MAX for one container
 */
int docker_parse_container(const char *text, size_t size, const char *scheme, uid_t owner,
			   struct containers *found, struct cj_error *err);
int docker_parse_list(const char *text, size_t size, const char *scheme, uid_t owner,
		      struct containers *found, struct cj_error *err);

/* Sets the labels from an object of texts: linear, however many there are. ENOMEM */
int docker_set_labels(struct container *container, const json_t *labels);

#ifdef __cplusplus
}
#endif
