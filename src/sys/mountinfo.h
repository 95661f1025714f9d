/* SPDX-License-Identifier: MIT
 *
 * Lines of /proc/PID/mountinfo. proc(5)
 * Not here: which of them are cgroups (sys/cgroup.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part of a line: not NUL-ended, and still escaped. */
struct mount_word {
	const char *at;
	size_t length;
};

struct mount_line {
	struct mount_word id, device;		 /* "36", "98:0" */
	struct mount_word root;			 /* what of the file system is mounted */
	struct mount_word point;		 /* where, beneath the process's root */
	struct mount_word attributes;		 /* of this mount: "ro,nosuid,relatime" */
	struct mount_word type, source, options; /* the options of the super block */
};

/* Takes the line at `*text` and steps over it. False at the end; a line cut short has empty words. */
bool mountinfo_next(const char **text, struct mount_line *ret);

bool mount_word_is(struct mount_word word, const char *text);

/* A word without its escapes (\040 and the like). Returns its length. ENAMETOOLONG */
int mount_word_copy(struct mount_word word, char *buf, size_t size);

/* The same in a string that the caller frees. NULL: out of memory. */
char *mount_word_text(struct mount_word word);

/* The value of "name=VALUE" among comma-separated options; a comma in it is escaped as "\,". */
bool mount_option(struct mount_word options, const char *name, struct mount_word *ret);
