/* SPDX-License-Identifier: MIT
 *
 * The client's side of text.h: replies in either form, however they are cut, from a server that's ours or an old one.
 * Not here: sending lines. Send TEXT_REPLY_HELLO first, and the next line after TEXT_REPLY_READY.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/outcome.h"
#include "net/text.h"

#define TEXT_REPLY_HELLO "#conjoin 1\n"

enum text_reply_event {
	TEXT_REPLY_MORE,  /* feed more */
	TEXT_REPLY_READY, /* the answer to the hello is over: `form` is known. An old server took it for a command, a comment of the shell's */
	TEXT_REPLY_OUTPUT, /* `*ret`: bytes of the command, until the next call */
	TEXT_REPLY_END, /* `outcome`; of the old form nothing is known but that it ended, by a line that output may hold as well */
	TEXT_REPLY_BROKEN, /* that's no such server: close */
};

struct text_reply {
	enum text_form form;
	struct outcome outcome; /* `failure` lives until the next call, without control characters */
	/* private */
	enum {
		TEXT_AT_FIRST,
		TEXT_AT_HEAD,
		TEXT_AT_OUTPUT,
		TEXT_AT_LINE,
		TEXT_AT_FRAME,
		TEXT_AT_BROKEN
	} state;
	bool hidden;	/* what the old server says of the hello; a channel that we don't know */
	size_t matched; /* bytes of the old form's end */
	size_t left;	/* of a frame */
	size_t used;
	char line[1280], failure[1280];
};

#define TEXT_REPLY_INIT {.form = TEXT_OLD}

/* Takes from `*data` up to the next thing that there is to say. Call it until it says TEXT_REPLY_MORE. */
enum text_reply_event text_reply_feed(struct text_reply *reply, const char **data, size_t *size,
				      const char **ret, size_t *ret_size);
