/* SPDX-License-Identifier: MIT
 *
 * Kubernetes' remote command over WebSocket: binary messages whose first byte is a channel. Both ways, and how both sides
 * agree on a version.
 * Not here: WebSocket itself, and the query that says what is to be run (query.h).
 *
 *	v4.channel.k8s.io	0 stdin, 1 stdout, 2 stderr, 3 how it ended, 4 the terminal's size
 *	v5.channel.k8s.io	v4, and {255, CHANNEL} ends that channel: so stdin's end is told
 *	v1.conjoin		v5, and {5, "TERM"} is a signal for the command
 *
 * `channel.k8s.io` and the base64 forms, which are older, aren't spoken.
 */
#pragma once

#include <stddef.h>

#include <conjoin/error.h>

#include "net/buffer.h"
#include "net/outcome.h"

enum channel {
	CHANNEL_STDIN = 0,
	CHANNEL_STDOUT = 1,
	CHANNEL_STDERR = 2,
	CHANNEL_STATUS = 3,
	CHANNEL_RESIZE = 4,
	CHANNEL_SIGNAL = 5,
	CHANNEL_CLOSE = 255,
};

enum channel_protocol { CHANNELS_V4, CHANNELS_V5, CHANNELS_V1_CONJOIN, CHANNELS_PROTOCOLS };

/* "v4.channel.k8s.io" … */
const char *channels_protocol_name(enum channel_protocol protocol);

/*
 * The first of the subprotocols in the value of `Sec-WebSocket-Protocol:` that we speak: the order is the client's.
 *
 *	ENOENT	none of them
 */
int channels_choose(const char *offer, size_t size, enum channel_protocol *ret);

/* --- what a client says --- */

enum channel_event {
	CHANNEL_NOTHING, /* an empty message, as clients send them at the start; a size of 0, which means "not known" */
	CHANNEL_INPUT, /* `data` for stdin, not empty */
	CHANNEL_SIZE,  /* `rows` and `columns`, 1 … 65535 */
	CHANNEL_KILL,  /* `signal`, 1 … SIGRTMAX */
	CHANNEL_END, /* `ended` gets nothing more from the client, or the client wants nothing more of it */
};

struct channel_message {
	enum channel_event event;
	const char *data; /* within the message */
	size_t size;
	unsigned short rows, columns;
	int signal;
	enum channel ended; /* CHANNEL_STDIN, _STDOUT or _STDERR */
};

/*
 * Reads a whole message. The connection is to be closed on what it refuses:
 *
 *	EPROTO	a channel that isn't the client's to write to, or that this version doesn't have; a size or a signal that isn't one
 */
int channel_parse(enum channel_protocol protocol, const char *data, size_t size,
		  struct channel_message *ret, struct cj_error *err);

/* --- what a server says: bytes of a message, added to what is in `out` --- */

void channel_add(struct buffer *out, enum channel channel, const void *data, size_t size);

/* The last message: how it ended, in Kubernetes' words. A signal's name is a cause of our own, beside the exit code that clients know. */
void channel_add_status(struct buffer *out, const struct outcome *outcome);

/* --- what a client of ours says --- */

void channel_add_size(struct buffer *out, unsigned short rows, unsigned short columns);
/* Not in v4, and a signal only in v1.conjoin. */
void channel_add_end(struct buffer *out, enum channel ended);
void channel_add_signal(struct buffer *out, int number);

/*
 * Reads what came on CHANNEL_STATUS, from this server or another. `ret->failure` points into `text`, NUL-ended, of `room` bytes.
 *
 *	EPROTO	not such a status
 */
int channel_read_status(const char *data, size_t size, char *text, size_t room, struct outcome *ret,
			struct cj_error *err);
