/* SPDX-License-Identifier: MIT
 *
 * Text of others (a container, an engine, a file) before a terminal sees it.
 */
#pragma once

#include <stddef.h>

/*
 * Copies `text` with everything that a terminal could take as a command written as \xNN: control
 * characters (C0, DEL and C1), bytes that aren't UTF-8, and the marks that turn the direction of
 * writing around. NUL-ended, cut between characters where it doesn't fit. Returns the length.
 */
size_t text_escape(char *buf, size_t size, const char *text);
