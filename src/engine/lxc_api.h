/* SPDX-License-Identifier: MIT
 *
 * The command socket at which the monitor of each running LXC container listens: how it's called, and
 * the messages. liblxc, src/lxc/commands.h and af_unix.c; tried with 5.0.
 * Not here: the conversation (lxc.c).
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/container.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One of a connection: the monitor closes it afterwards. */
enum lxc_command {
	LXC_GET_STATE = 3,
	LXC_GET_INIT_PID = 4,
	LXC_GET_NAME = 8, /* 3.0: for sockets whose name doesn't tell it */
};

/* As liblxc sends them: its own structs, in memory order. The pointer is a number, or says nothing. */
struct lxc_request {
	int32_t command;
	int32_t data_size;
	const void *data;
};

struct lxc_answer {
	int32_t result; /* -errno */
	int32_t data_size;
	uintptr_t data; /* the answer itself, or there are data_size bytes behind */
};

enum { LXC_DATA_MAX = 4096 };

/*
 * Who listens at an abstract name: "LXCPATH/NAME/command", or "lxc/HASH/command" where that is too long.
 * `ret` gets NAME, or "".
 *
 *	ENOENT	it's no such socket
 */
int lxc_socket_name(const char *listener, char ret[NAME_MAX + 1]);

/*
 * What an answer says, `size` bytes of which have come: 1 when it's whole, 0 when more is to come.
 *
 *	EBADMSG	it isn't an answer
 *	others	what the monitor says
 */
int lxc_answer_state(const char *data, size_t size, enum container_state *ret);
int lxc_answer_pid(const char *data, size_t size, pid_t *ret);
int lxc_answer_name(const char *data, size_t size, char ret[NAME_MAX + 1]);

#ifdef __cplusplus
}
#endif
