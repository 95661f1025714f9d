/* SPDX-License-Identifier: MIT */
#include "engine/peer.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/proc.h"

enum { ARGUMENTS_MAX = 1 << 20 };

int peer_read(pid_t peer, const char *program, struct bytes *ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int proc = -EBADF;
	const char *slash;
	int r = peer > 0 ? proc_open(peer, &proc, NULL) : -ESRCH;

	if (r == 0)
		r = proc_read(proc, "cmdline", ARGUMENTS_MAX, &text);
	if (r < 0)
		return r;
	if (!text.data)
		return -ESRCH;
	slash = strrchr(text.data, '/');
	if (strcmp(slash ? slash + 1 : text.data, program) != 0)
		return -ESRCH;
	*ret = text;
	text = (struct bytes)BYTES_INIT;
	return 0;
}

/* What follows the name in the argument: "" for the argument as it is, "=…"; NULL: another one. */
static const char *after_name(const char *argument, const char *const *names)
{
	for (; *names; names++) {
		size_t length = strlen(*names);

		if (strncmp(argument, *names, length) == 0 &&
		    (argument[length] == '\0' || argument[length] == '='))
			return argument + length;
	}
	return NULL;
}

const char *peer_option(const struct bytes *arguments, const char *const *names)
{
	const char *end, *found = NULL;

	if (!arguments->data)
		return NULL; /* nobody's */
	end = arguments->data + arguments->size;
	/* The last argument may lack its NUL, but what was read has one behind it. */
	for (const char *at = arguments->data; at < end; at += strlen(at) + 1) {
		const char *value = after_name(at, names);
		const char *next = at + strlen(at) + 1;

		if (value && *value == '=')
			found = value + 1;
		else if (value && next < end)
			at = found = next;
	}
	return found;
}
