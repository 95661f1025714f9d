/* SPDX-License-Identifier: MIT
 *
 * [LISTEN:]CONNECT of conjoin forward, as people know it from ssh -L.
 * Not here: what is done with it (forward.c).
 */
#pragma once

#include <stdbool.h>

#include <conjoin/socket.h>

struct way {
	char listen[CJ_ADDRESS_SIZE], connect[CJ_ADDRESS_SIZE]; /* the library's addresses */
};

/*
 * PORT, HOST:PORT, /PATH and @NAME on either side; alone it's where to connect to, and its port also the one to listen on. Brackets
 * hold an IPv6 address together; a path ends at the next colon. Whether these are addresses the library tells. False: not of that shape.
 */
bool way_parse(const char *text, struct way *ret);
