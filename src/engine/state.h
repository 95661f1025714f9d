/* SPDX-License-Identifier: MIT
 *
 * What a runtime keeps in a container's directory: the init process, and where config.json lies.
 * Not here: where those directories are, and whether the record is still true (bundle.c).
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/error.h>

#include "lib/bundle.h"

#ifdef __cplusplus
extern "C" {
#endif

enum bundle_layout {
	BUNDLE_RUNC,	   /* state.json, which names the bundle */
	BUNDLE_CRUN,	   /* status, which names the bundle; a copy of config.json */
	BUNDLE_CONTAINERD, /* init.pid; it's the bundle itself */
	BUNDLE_PODMAN,	   /* userdata/pidfile; the bundle is there, or where images are stored */
};

struct bundle_state {
	pid_t pid;	/* of the container's init process, as recorded */
	uint64_t start; /* its start time, field 22 of stat */
	bool has_start;
	char id[NAME_MAX + 1];
	char config[2][PATH_MAX]; /* config.json, or there; "" for none */
};

/*
 * May this be a container's id? It becomes part of a path: letters, digits and "_+.-", not "." or
 * "..", not longer than a file name.
 */
bool bundle_id_is_valid(const char *id);

/* Reads the record in `directory`/`id`. `root` goes before paths that stand in it. */
int bundle_state_read(enum bundle_layout layout, const char *root, const char *directory,
		      const char *id, struct bundle_state *ret);

/*
 * Reads config.json.
 *
 *	ENODATA	there is none any more
 */
int bundle_state_take_config(const struct bundle_state *state, struct bundle *ret,
			     struct cj_error *err);

#ifdef __cplusplus
}
#endif
