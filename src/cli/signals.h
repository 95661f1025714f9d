/* SPDX-License-Identifier: MIT
 *
 * Signals by their names: signal(7).
 */
#pragma once

#include "cli/cli.h"

/* "TERM", "SIGHUP", "9", "RTMIN+3", as kill(1) takes them; -1: there is no such signal. */
int signal_parse(const char *text);

/* "TERM", "RTMIN+3": what signal_parse() takes. */
enum { SIGNAL_NAME_SIZE = 16 };
void signal_name(int number, char *buf, size_t size);

/* Prints them all. An exit status. */
int signals_list(const struct cli *cli);
