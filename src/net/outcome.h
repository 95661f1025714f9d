/* SPDX-License-Identifier: MIT
 *
 * How a request ended: the same thing for each of the forms in which it's told (channels.h, chunks.h, reply.h, text.h, audit.h).
 */
#pragma once

#include <stdbool.h>

struct outcome {
	/* 0 … 255: the command's own; 128+N for signal N; 124, 125, 126, 127 as exec has them. */
	int exit_code;
	int signal;	/* that ended it; 0: none */
	bool truncated; /* there was more output than is given away */
	const char *
		failure; /* why nothing ran, in words: our own fault; NULL: something ran. Then exit_code is 125, 126 or 127. */
};
