/* SPDX-License-Identifier: MIT
 *
 * Bytes on their way from one fd to another, without ever blocking on the reader: what a session
 * waits for beside them must not wait for a terminal that nobody looks at.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include <conjoin/session.h>

#include "base/nowait.h"
#include "lib/keys.h"

/* A pty gives 4 KiB at a time: some of these are passed on at once. */
enum { FLOW_CHUNK = 32768 };

struct flow {
	struct cj_relay relay; /* fds owned; -EBADF when closed */
	enum nowait from_care, to_care;
	bool to_terminal; /* the command's terminal: its end is a character */
	bool own_from;	  /* of the command's, and reading from it never waits */
	bool shows;	  /* `to` is a terminal */
	bool gone;	  /* the pty that's read can't be read any more, though the command runs */
	int slave;	  /* of the pty that's read, as long as the command has none open; -EBADF */
	bool last;	  /* nothing comes any more: closes when all is written */
	size_t budget;	  /* bytes still to be read, at most */
	int write_error;  /* errno of the write that ended it; 0: none did */
	int read_error;	  /* the same of the read */
	bool at_end;	  /* of an input that is typed: just now; cleared by who has seen it */
	char newest;	  /* the last byte that was read */
	struct cj_recording *recording; /* of all that passes; NULL: none */
	struct keys *keys;		/* looked for in what is read; NULL: none */
	char *buf;			/* FLOW_CHUNK; NULL while it's closed */
	size_t start, end;
};

/* Takes the relay's fds over. One whose `from` is -1 is closed from the start. ENOMEM: it's closed, too. */
int flow_init(struct flow *flow, const struct cj_relay *relay, bool to_terminal);
void flow_close(struct flow *flow);

/* From now on it's recorded, too. The recording stays the caller's; NULL: nothing changes. */
void flow_record(struct flow *flow, struct cj_recording *recording);

/* The writer has ended: what can be in the pipe by now is still passed on, and no more than that. */
void flow_finish(struct flow *flow);

bool flow_is_open(const struct flow *flow);
/* Read and not written yet? */
bool flow_has_bytes(const struct flow *flow);

/* What to poll for. */
struct pollfd flow_wants(const struct flow *flow);
/* That is there: reads what there is, a chunk at most, and writes what can be written without waiting. */
void flow_step(struct flow *flow);
