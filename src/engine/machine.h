/* SPDX-License-Identifier: MIT
 *
 * What is known of machines without asking machined: its files, and systemd-nspawn's command lines.
 * Not here: finding a machine by its name (machine.c).
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "engine/container.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MACHINE_NAME_MAX = 64 }; /* a host name: HOST_NAME_MAX of limits.h */

/* A file of /run/systemd/machines. Texts without their quotes and escapes; "": not told. */
struct machine_record {
	pid_t leader;
	uid_t owner; /* of a machine that a user registered */
	char unit[NAME_MAX + 1];
	char kind[16]; /* "container", "vm" */
	char service[NAME_MAX + 1];
	char root[PATH_MAX];
};

/* EBADMSG: there's no leader. A value that doesn't fit is left out. */
int machine_record_parse(const char *text, struct machine_record *ret);

/*
 * The name that systemd-nspawn gives to what it runs, by its command line (`size` bytes, arguments ended by
 * NULs) and its working directory: --machine=, else the last part of --image= or --directory=.
 *
 *	ENOENT	it can't be told: --ephemeral makes one up
 */
int nspawn_name(const char *cmdline, size_t size, const char *cwd, char ret[MACHINE_NAME_MAX + 1]);

/* 0 goes on. */
typedef int (*nspawn_fn)(const char *name, pid_t init, uint64_t start, void *data);

/*
 * Calls back with the first process of everything that a systemd-nspawn of root runs, and returns what
 * ended the visit. Looks at all processes.
 */
int nspawn_visit(nspawn_fn fn, void *data);

#ifdef __cplusplus
}
#endif
