/* SPDX-License-Identifier: MIT
 *
 * A target that ends and comes back: a container that is restarted keeps its name and nothing else.
 *
 *	cj_follow_new()  →  poll(2) cj_follow_fd(), cj_follow_timeout()  →  cj_follow_step()  …  →  cj_follow_free()
 *
 * Not here: what is done with it meanwhile.
 */
#pragma once

#include <conjoin/engine.h>
#include <conjoin/error.h>
#include <conjoin/target.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cj_follow;

/*
 * Finds the target as cj_target_find() does, whose `options` these are: they must live as long, like `text`. Free with cj_follow_free().
 *
 *	ENOTNAM	a PID, a handle, or `self`: what has ended never comes back under these
 *	others	of cj_target_find()
 */
int cj_follow_new(const char *text, const struct cj_engine_options *options, struct cj_follow **ret,
		  struct cj_error *err);

/* The target, also when it has just ended; lives until cj_follow_step() tells CJ_FOLLOW_BACK. */
struct cj_target *cj_follow_target(const struct cj_follow *follow);

enum cj_follow_event {
	CJ_FOLLOW_NOTHING,
	CJ_FOLLOW_GONE, /* it has ended; from now on it's looked for, each second, unless an engine hangs */
	CJ_FOLLOW_BACK, /* it's there again: another process, perhaps in the same net namespace */
};

/* Readable when it ends; the follow's own. -1 while it's gone. */
int cj_follow_fd(const struct cj_follow *follow);
/* Milliseconds until it's looked for again; -1: it's there. */
int cj_follow_timeout(const struct cj_follow *follow);

/*
 * Looks. With CJ_FOLLOW_BACK `*ret_before`, if that isn't NULL, is the target of before, the caller's to free once nothing refers to
 * it any more; with NULL it's freed.
 * An engine that hangs keeps this call for as long as its options allow.
 */
enum cj_follow_event cj_follow_step(struct cj_follow *follow, struct cj_target **ret_before);

void cj_follow_free(struct cj_follow *follow);

#ifdef __cplusplus
}
#endif
