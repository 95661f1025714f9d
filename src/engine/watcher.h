/* SPDX-License-Identifier: MIT
 *
 * Processes that watch over a container and are known by what they are called: LXC's monitors,
 * systemd-nspawn. Anybody may call a process so; which of them are root's own.
 * Not here: how they are called (lxc_find.h, machine.h), whose child is the container (first.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Namespaces that a watcher of root's is in: ours. */
struct watcher_place {
	uint64_t pid, user;
};

int watcher_place_read(struct watcher_place *ret);

/*
 * Is the process, by its open /proc/PID, root's, in these namespaces, and with the rights that it takes to
 * start a container? All four ids: a set-user-ID program has root's effective one. Root in a container with the
 * host's network or PIDs is root as well, and may listen or be called as it likes; what it lacks is
 * CAP_SYS_ADMIN, or else it could do all the rest.
 */
bool watcher_is_roots(int proc, const struct watcher_place *ours);

#ifdef __cplusplus
}
#endif
