/* SPDX-License-Identifier: MIT
 *
 * --exit-as: what our own end tells of a command that a signal has ended.
 */
#pragma once

#include "cli/cli.h"

/* "code" or "signal"; NULL is code. 0, or a failure of usage that was told. */
int exit_as_parse(const struct cli *cli, const char *text, bool *ret_signal);

/* Dies of that signal, and dumps no core. Returns where that isn't to be: for the init of a pid namespace. */
void die_of(int signal);
