/* SPDX-License-Identifier: MIT
 *
 * One thing that is brought into the private copy of a target's mount namespace: the stage makes it, in
 * this order, in a file system in memory that is mounted at BASE/conjoin.
 * Not here: what has to be brought (lib/bring.h).
 */
#pragma once

#include <stddef.h>

enum brought_kind {
	BROUGHT_DIRECTORY, /* an empty one, 0755 */
	BROUGHT_FILE,	   /* the host's file `source`, mounted read-only */
	BROUGHT_TREE, /* the host's directory `source`, mounted read-only, without what is mounted in it */
	BROUGHT_LINK,	 /* a symbolic link to `source` */
	BROUGHT_PROGRAM, /* a file of ours: `bytes`, 0555 */
};

struct brought {
	enum brought_kind kind;
	char *path; /* beneath BASE/conjoin: "bin/strace"; its directory comes earlier in the list */
	char *source; /* NULL where the kind has none */
	void *bytes;
	size_t size;
};
