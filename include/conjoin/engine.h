/* SPDX-License-Identifier: MIT
 *
 * Engines: what names containers. How they are asked, and what they tell of a container.
 * Not here: the grammar of TARGET (target.h), what runs without any of them (list.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <conjoin/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * How to ask. Set `size` (CJ_ENGINE_OPTIONS_INIT does), and leave 0 what there is nothing to say about.
 * All strings stay the caller's. The library reads no environment: a program that wants DOCKER_HOST and
 * its kind to count passes them on here.
 *
 * Each engine is asked by its own API (docker, podman: HTTP; cri, k8s, containerd: gRPC; lxc: its
 * command socket), on the sockets given, else on the usual ones. One that isn't there, doesn't answer in
 * time, or refuses is replaced by what lies on disk. All are asked at the same time.
 */
struct cj_engine_options {
	size_t size;
	int64_t timeout; /* milliseconds for all answers together; 0: 2000 */
	/*
	 * NULL-ended, or NULL: "docker=/run/docker.sock", "cri=unix:///run/crio/crio.sock". Without
	 * "ENGINE=" it's for the engine of TARGET's scheme. The engine is asked there and nowhere else.
	 */
	const char *const *sockets;
	const char *docker_host;      /* DOCKER_HOST: unix://PATH */
	const char *container_host;   /* CONTAINER_HOST of podman */
	const char *runtime_endpoint; /* CONTAINER_RUNTIME_ENDPOINT of CRI's clients */
	const char *runtime_dir;      /* XDG_RUNTIME_DIR: the caller's own rootless engines */
	/* Kubernetes' namespace and container, where TARGET doesn't name them. */
	const char *pod_namespace;
	const char *container;
	/* Which way was taken, CJ_LOG_STEP; once more for each time it's asked again. NULL: nobody listens. */
	cj_log_function *log;
	void *log_data;
};

#define CJ_ENGINE_OPTIONS_INIT {.size = sizeof(struct cj_engine_options)}

/*
 * What an engine tells of a container. Bytes as the engine gave them, NUL-ended, and hostile. NULL is
 * what it doesn't tell. It belongs to the target that was named so (cj_target_container()), and lives as long.
 */
struct cj_container {
	const char *engine; /* "docker": the scheme */
	const char *id;
	const char *name; /* "web", "shop/cart-7d9/app" */
	const char *image;
	const char *bundle;	   /* directory of its OCI bundle */
	const char *const *labels; /* NULL-ended "KEY=VALUE" */
	const char *state;	   /* running, paused, … */
};

#ifdef __cplusplus
}
#endif
