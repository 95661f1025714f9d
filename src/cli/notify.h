/* SPDX-License-Identifier: MIT
 *
 * --notify: the service manager that runs us hears of the command's readiness. Not here: how (conjoin/notify.h).
 */
#pragma once

#include "cli/cli.h"
#include "cli/options.h"

/*
 * Adds NOTIFY_SOCKET to the command's variables. Without one of our own there is nobody to tell: a note with -v, and
 * `*ret` stays.
 */
int notify_open(struct cli *cli, struct text_list *env, struct cj_notify **ret,
		struct cj_error *err);
