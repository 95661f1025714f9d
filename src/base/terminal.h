/* SPDX-License-Identifier: MIT
 *
 * What mode a terminal is in.
 */
#pragma once

#include <stdbool.h>
#include <termios.h>

/* As cfmakeraw(3) leaves it. Line editors of shells keep their signals and post-processing. Async-signal-safe. */
static inline bool terminal_is_raw(int fd)
{
	struct termios now;

	return tcgetattr(fd, &now) == 0 && !(now.c_lflag & (tcflag_t)(ICANON | ECHO | ISIG)) &&
	       !(now.c_oflag & (tcflag_t)OPOST);
}
