/* SPDX-License-Identifier: MIT
 *
 * A container as an engine tells it: data, and the rules by which a word names one of many.
 * Not here: asking (source.h), whether what was told is true (verify.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum container_state {
	CONTAINER_UNKNOWN, /* it isn't told; a process that is alive will do */
	CONTAINER_CREATED, /* and never started */
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_RESTARTING,
	CONTAINER_STOPPED,
	CONTAINER_DEAD, /* can't be started any more */
};

/* "running" … for people. */
const char *container_state_name(enum container_state state);

/* The one that an engine's word means: "exited" is stopped, "removing" dead. Any other: unknown. */
enum container_state container_state_parse(const char *word);

/* Texts are owned, and hostile: bytes as they came. NULL: it isn't told. */
struct container {
	const char *scheme; /* of the engine that tells; static */
	char *id;
	char *name; /* as the engine's own listing has it; "NAMESPACE/POD/CONTAINER" of Kubernetes */
	char *image;
	char *bundle;  /* directory of the OCI bundle */
	char **labels; /* NULL-ended, "KEY=VALUE" */
	enum container_state state;
	pid_t pid; /* first process, as our pid namespace numbers it; 0: none, or it isn't told */
	uint64_t start; /* start time of that process, field 22 of stat; 0: it isn't told */
	/* 0, or the user whose engine it is: what users' engines tell is believed of their own only. */
	uid_t owner;
	/*
	 * What must be in the path of one of the process's cgroups, where that isn't the id; NULL: the id.
	 * Unused with `start`. With an owner and no `start` it means that the kernel's cgroups were read, and
	 * not what a user wrote.
	 */
	char *cgroup_word;
};

void container_done(struct container *container);

/* Puts a copy of `value` (NULL: nothing) in place of what was there. ENOMEM */
int container_set(char **field, const char *value);

/*
 * Moves what only the other one tells of the same container: image, bundle. Nothing, if the one is another
 * user's than the other.
 */
void container_complete(struct container *container, struct container *other);

/* Adds "KEY=VALUE". ENOMEM */
int container_add_label(struct container *container, const char *key, const char *value);
/* The value of a label, or NULL. */
const char *container_label(const struct container *container, const char *key);

/* Owned. */
struct containers {
	struct container *items;
	size_t n, room;
};

#define CONTAINERS_INIT {.items = NULL}

/* A new, empty one at the end; NULL: memory is out. Pointers to others don't survive it. */
struct container *containers_add(struct containers *containers);
/* Moves all of `from` behind those that are there. ENOMEM: both are as they were. */
int containers_move(struct containers *containers, struct containers *from);
void containers_remove(struct containers *containers, size_t i);
void containers_done(struct containers *containers);

/*
 * Leaves those that `ref` names, by the first rule that names any: it's the whole id, the whole name
 * (with or without a "/" before it), the beginning of the id. More than one may be left.
 */
void containers_match(struct containers *containers, const char *ref);

/* Is it the beginning of an id, and not of nothing? */
bool container_id_begins_with(const char *id, const char *ref);

#ifdef __cplusplus
}
#endif
