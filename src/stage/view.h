/* SPDX-License-Identifier: MIT
 *
 * Mount namespaces of our own, and what is mounted in them. Each is made private before anything is
 * mounted, so that nothing shows anywhere else, and vanishes with the last process in it.
 */
#pragma once

#include "stage/stage.h"

/*
 * Lays out what is brought, in a mount namespace that is thrown away, and takes it along as one detached
 * tree. Before anything is joined: these are files of ours.
 */
int view_gather(const struct order_view *view, int *ret_tree, struct cj_error *err);

/* After all but the user namespace were joined; what can't be had of the host view is a warning. */
int view_make_host(const struct orders *orders, struct cj_error *err);

/* … of the target; `brought` is that tree, or -EBADF. Changes root and working directory, too. */
int view_make_target(const struct orders *orders, int brought, struct cj_error *err);

/*
 * By the child, in the target's pid namespace, where the kernel can't do it from outside: a step of its
 * own. proc(5)
 */
int view_mount_proc(const struct orders *orders, struct cj_error *err);
