/* SPDX-License-Identifier: MIT
 *
 * Signals by their names, as they cross the network: numbers differ between architectures, names don't. signal(7)
 */
#pragma once

#include <stddef.h>

enum { SIGNAL_NAME_SIZE = 16 };

/* "TERM" or "SIGTERM", "RTMIN+3", in upper case. -1: there is no such signal. */
int signal_of(const char *name, size_t length);

/* "TERM", "RTMIN+3"; a number for what has no name. Returns `buf`, which has SIGNAL_NAME_SIZE bytes: letters, digits, "+" and "-". */
const char *signal_to_text(int number, char *buf);
