/* SPDX-License-Identifier: MIT
 *
 * What lies between two sockets for a moment: in a pipe, where the kernel moves it (splice(2)), else in memory. A pipe is
 * two descriptors, so who has nothing to keep gives it back; a few are kept for the next.
 * Not here: when to read and write (relay.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Owned by who took it. */
struct vessel {
	struct vessel *next; /* of those that are kept */
	int in, out;	     /* of the pipe; -EBADF: it's memory */
	size_t load;	     /* bytes that lie in it */
	size_t begin, room;  /* of `memory`: where they lie, how many there may be */
	char memory[];
};

struct vessels {
	struct vessel *pipes, *memories; /* empty */
	size_t n_pipes, n_memories;
	bool broken_pipe; /* splice(2) has raised SIGPIPE, which can't be told not to */
};

#define VESSELS_INIT {.pipes = NULL}

/* An empty pipe, or where none can be had, memory. NULL: there is none either. */
struct vessel *vessel_take_pipe(struct vessels *vessels);
struct vessel *vessel_take_memory(struct vessels *vessels);

/* What lies in it is lost. Takes NULL. */
void vessel_return(struct vessels *vessels, struct vessel *vessel);

/*
 * Fills an empty one from a socket that doesn't block. Returns how many bytes; 0: there won't be any more.
 *
 *	EAGAIN	there are none
 *	EINVAL	of a pipe: not from such a socket
 */
ssize_t vessel_fill(struct vessel *vessel, int socket);

/*
 * Empties it into one, as far as that takes it. Returns how many bytes.
 *
 *	EAGAIN	it takes none
 *	EINVAL	of a pipe: not into such a socket; see vessel_pour()
 */
ssize_t vessel_drain(struct vessels *vessels, struct vessel *vessel, int socket);

/* Moves what lies in a pipe into memory, which takes its place in `*vessel`. */
int vessel_pour(struct vessels *vessels, struct vessel **vessel);

/* Lets go of those that are kept. */
void vessels_done(struct vessels *vessels);
