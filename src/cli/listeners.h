/* SPDX-License-Identifier: MIT
 *
 * The sockets that a command line asks for, [NAME=]ADDRESS each, all in one place.
 * Not here: who uses them (workers.h, inetd.h, forward.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <conjoin/socket.h>

#include "base/told_file.h"
#include "cli/cli.h"

struct listeners {
	struct cj_listener *list;
	const char **names; /* of each; what the command line gave, "" for none */
	bool *seconds;	    /* the other family of a loopback that stands before it */
	size_t n;
};

#define LISTENERS_INIT {.list = NULL}

/* [NAME=]ADDRESS: where the address begins, and the length of the name. */
const char *listener_split(const char *text, size_t *ret_name);

/* "127.0.0.1:80" of "tcp:127.0.0.1:80", for people; others as they are. */
const char *listener_place(const char *address);
/* "80" of that; NULL: it has no port. Of an address as cj_listen() writes it. */
const char *listener_port(const char *address);

/* What is wrong with one is told. 0, or an exit status. */
int listeners_check(struct cli *cli, char *const *texts, size_t n);

/* All of them, or none. `target` NULL: here. */
int listeners_open(struct listeners *listeners, const struct cj_target *target, char *const *texts,
		   size_t n, const struct cj_listen_options *options, struct cj_error *err);

/* "listening on 127.0.0.1:80 in web (net:[4026532281])", a line each, to stderr. */
void listeners_tell(const struct cli *cli, const struct listeners *listeners,
		    const struct cj_target *target);

/* Their TCP ports, one a line: of a loopback once. */
int listeners_write_ports(const struct listeners *listeners, struct told_file *file,
			  struct cj_error *err);

/* Does one have a file, which goes with its container's file system? */
bool listeners_have_files(const struct listeners *listeners);

/* cj_listener_done(); but after `end` of clock_ms() its file stays: a file system that doesn't answer costs that once. */
void listener_close(const struct cj_target *target, struct cj_listener *listener, int64_t end);

/* Closes them and removes their files. */
void listeners_done(struct listeners *listeners, const struct cj_target *target);
