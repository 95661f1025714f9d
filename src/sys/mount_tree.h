/* SPDX-License-Identifier: MIT
 *
 * The files of another process as a tree of mounts that is attached nowhere yet: open_tree(2).
 */
#pragma once

#include <stdbool.h>

/*
 * Clones the tree of mounts at the directory `root` (O_PATH) of the mount namespace that the process
 * behind `pidfd` is in: without set-user-ID programs and devices, private, and read-only if that is wanted.
 * Only who is in a mount namespace may clone its mounts, so the caller goes there and comes back, with
 * the root and the working directory that it had; it must have one thread only, and be in no pid
 * namespace of the target's. Async-signal-safe.
 *
 *	EPERM		no right to
 *	ESRCH		the process has ended
 *	ENOTRECOVERABLE	there is no way back: the caller had better end
 */
int mount_tree_clone(int pidfd, int root, bool readonly, int *ret_tree);
