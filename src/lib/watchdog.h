/* SPDX-License-Identifier: MIT
 *
 * What ends the command when its supervisor dies without a word: the parent death signal is lost at
 * a setuid execve, and for callers with threads it would come with the wrong thread's end.
 * Not here: the ordinary end (child.c).
 */
#pragma once

#include "lib/child.h"

/* A command that has run for so long gets one: until then the parent death signal has to do. */
enum { WATCHDOG_AFTER_MS = 20 };

/*
 * Makes a process, in our own namespaces and cgroups, that waits for the end of the command or of
 * us, and in the second case kills the command. Once a child; 0 too if there is one already.
 */
int watchdog_start(struct cj_child *child, struct cj_error *err);
