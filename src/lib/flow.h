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

#include "lib/keys.h"

/* A pty gives 4 KiB at a time: some of these are passed on at once. */
enum { FLOW_CHUNK = 32768 };

/*
 * The caller's own description must not become non-blocking, others read it as well. What then keeps a
 * read(2) or write(2) from waiting, when somebody else was quicker than we?
 */
enum flow_care {
	FLOW_AT_EASE, /* non-blocking and ours alone, or a file, which waits for nobody */
	FLOW_SOCKET,  /* doesn't wait if it's asked not to */
	FLOW_PIPE, /* of another user's: the same from Linux 6.4 on; before that little is moved at a time */
	FLOW_TERMINAL, /* of another user's, and not our controlling one: very little is moved */
};

struct flow {
	struct cj_relay relay; /* fds owned; -EBADF when closed */
	enum flow_care from_care, to_care;
	bool to_terminal; /* the command's terminal: its end is a character */
	bool own_from;	  /* of the command's, and reading from it never waits */
	int slave;	  /* of the pty that's read, as long as the command has none open; -EBADF */
	bool last;	  /* nothing comes any more: closes when all is written */
	size_t budget;	  /* bytes still to be read, at most */
	int write_error;  /* errno of the write that ended it; 0: none did */
	char newest;	  /* the last byte that was read */
	struct cj_recording *recording; /* of all that passes; NULL: none */
	struct keys *keys;		/* looked for in what is read; NULL: none */
	char buf[FLOW_CHUNK];
	size_t start, end;
};

/* Takes the relay's fds over. One whose `from` is -1 is closed from the start. */
void flow_init(struct flow *flow, const struct cj_relay *relay, bool to_terminal);
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
