/* SPDX-License-Identifier: MIT
 *
 * Many engines, one answer: who is meant by a word, and what there is.
 * Not here: asking (source.h), what TARGET looks like (lib/target.c).
 */
#pragma once

#include <conjoin/engine.h>
#include <conjoin/error.h>

#include "engine/container.h"
#include "engine/engine.h"
#include "sys/pidref.h"

/*
 * Finds the container that `ref` names, in one engine or (NULL) in all of them at the same time, and
 * pins its first process, verified. Several engines' words for the same process are one hit, which the
 * first of the table names.
 *
 *	EINVAL	not in the engine's grammar
 *	ENOTNAM	nobody knows it; the text says who was asked
 *	ESRCH	what an engine names isn't (any more) the container's
 *	ENOTUNIQ several; the text lists them
 *	ESHUTDOWN it's there, but has no process: it's stopped, say
 *	others	an engine that is there failed, and nothing was found
 */
int engines_find(const struct engine *engine, const char *ref,
		 const struct cj_engine_options *options, struct pidref *ret,
		 struct container *ret_container, struct cj_error *err);

/*
 * All containers with a process that the engines know, those of users included, in the order of the table:
 * a container may be told several times, by several engines. Not verified; `pid` may be 0. Engines that
 * fail are only logged.
 */
int engines_list(const struct cj_engine_options *options, struct containers *ret,
		 struct cj_error *err);
