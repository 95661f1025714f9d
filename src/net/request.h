/* SPDX-License-Identifier: MIT
 *
 * What is to be run, as a client asks for it: the body of `POST /v1/popen`.
 * Not here: what the server lets it run, as whom and where; HTTP itself; WebSocket's way to ask (query.h, channels.h).
 *
 * A body that isn't JSON is a shell command, bytes as they are. JSON, which is only what says so by its Content-Type:
 *
 *	{
 *		"argv": ["ls", "-l"],		or "command": "ls -l | wc", for a shell
 *		"env": {"LANG": "C"},		beside, or in place of, what the server gives
 *		"cwd": "/tmp",
 *		"stdin": "text",		or "stdin_base64": "AAEC"; without both it's empty
 *		"timeout": 10,			seconds, or a text: "1.5m"
 *		"tty": true, "rows": 24, "columns": 80
 *	}
 *
 * What isn't known, has another type, is there twice or holds a NUL is refused: a server that overlooks what was asked for
 * does something else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <conjoin/error.h>

#include "base/io.h"

enum {
	NET_REQUEST_ARGS_MAX = 4096,
	NET_REQUEST_ENV_MAX = 4096,
	NET_REQUEST_TEXT_MAX =
		128 * 1024 - 1, /* one argument or variable: what execve(2) takes, MAX_ARG_STRLEN */
	NET_REQUEST_CWD_MAX = 4095,
};

/* May a body name no command? */
enum net_request_rule {
	NET_REQUEST_NAMES_COMMAND, /* no, what else would run */
	NET_REQUEST_MAY_BE_EMPTY,  /* yes: the server has a command of its own */
};

/* Owned: net_request_done(). All texts are without NULs and not always UTF-8. */
struct net_request {
	char **argv;   /* NULL-ended, its first not empty; NULL: */
	char *command; /* for a shell; NULL with `argv`, or where both may be missing */
	char **env;    /* "NAME=VALUE", in their order, each name once, NULL-ended; NULL: none */
	char *cwd;     /* absolute; NULL: the server's choice */
	struct bytes input; /* stdin; may hold NULs */
	bool has_input;
	int64_t timeout_ms; /* 0: the server's choice */
	bool tty;
	unsigned short rows, columns; /* 0: not told */
};

#define NET_REQUEST_INIT {.argv = NULL}

/* Both: EINVAL, with a text that a client may see: in one line, without control characters. EMSGSIZE: an argument is too long. */
int net_request_from_text(enum net_request_rule rule, const char *body, size_t size,
			  struct net_request *ret, struct cj_error *err);
int net_request_from_json(enum net_request_rule rule, const char *body, size_t size,
			  struct net_request *ret, struct cj_error *err);

/* Is a body of this `Content-Type:` value JSON? Parameters ("; charset=utf-8") are left out. */
bool net_request_is_json(const char *type, size_t size);

void net_request_done(struct net_request *request);

/* The names of all members, NULL-ended. */
extern const char *const net_request_members[];
