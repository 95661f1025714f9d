/* SPDX-License-Identifier: MIT
 *
 * Values of options that several commands have. A text of NULL is an option that wasn't given: what is there stays. Each returns 0, or an
 * exit status after an error that was printed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <conjoin/socket.h>

#include "cli/cli.h"

/* "10", "1.5m", "500ms": milliseconds, more than 0. */
int value_duration(struct cli *cli, const char *option, const char *text, int64_t *ret_ms);

/* A number above 0. */
int value_number(struct cli *cli, const char *option, const char *text, size_t *ret);

/* --mode OCTAL of a UNIX socket's file. */
int value_mode(struct cli *cli, const char *text, unsigned int *ret);

/* --resolve target|here. Also forgets what the environment tells resolvers, which c-ares would read: it's about here. resolv.conf(5) */
int value_resolve(struct cli *cli, const char *text, enum cj_resolve *ret);
