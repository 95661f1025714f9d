/* SPDX-License-Identifier: MIT
 *
 * What is behind the public struct cj_child.
 */
#pragma once

#include <conjoin/child.h>

#include "lib/own_cgroup.h"

struct cj_child {
	pid_t pid;
	int pidfd;
	int life; /* our end of the life pipe; open as long as the command may live */
	bool ended;
	struct cj_exit end;
	struct own_cgroups own;
};
