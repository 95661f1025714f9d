/* SPDX-License-Identifier: MIT
 *
 * Addresses as people write them: what may be left out of the library's (conjoin/socket.h).
 */
#pragma once

#include <stdbool.h>

#include <conjoin/socket.h>

/*
 * "80", "db:5432", "[::1]:80", "/run/x.sock" and "@name" get the scheme that they lack, all else stays. Writes at most CJ_ADDRESS_SIZE
 * bytes; false: it's longer.
 */
bool address_complete(const char *text, char ret[CJ_ADDRESS_SIZE]);
