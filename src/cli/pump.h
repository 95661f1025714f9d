/* SPDX-License-Identifier: MIT
 *
 * Bytes between our own stdin and stdout and a connection.
 * Not here: making it (connect.c), many of them (the library's forward.h).
 */
#pragma once

#include <conjoin/error.h>

/*
 * Until both directions have ended, each of which ends by itself: the end of stdin is told to the other side, whose end closes stdout. What is typed at
 * a terminal isn't waited for once the other side has ended. `connection` is the pump's.
 */
int pump_run(int connection, struct cj_error *err);
