/* SPDX-License-Identifier: MIT */
#include "lib/socket/relay_pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/io.h"

/*
 * PIPE_SIZE counts places for pages (a place takes a piece of what a socket has received, which is up to 32 KiB); FILL is what may lie in it.
 * Of a pipe-user-pages-soft (16384 pages) an ordinary user's kept ones take an eighth. pipe(7)
 */
enum {
	PIPE_SIZE = 256 << 10,
	FILL = 256 << 10,
	MEMORY = 64 << 10,
	KEPT_PIPES = 32,
	KEPT_MEMORIES = 8,
};

static struct vessel *make(size_t room)
{
	struct vessel *vessel = malloc(sizeof(*vessel) + room);

	if (vessel)
		*vessel = (struct vessel){.in = -EBADF, .out = -EBADF, .room = room};
	return vessel;
}

static void destroy(struct vessel *vessel)
{
	close_fd(&vessel->in);
	close_fd(&vessel->out);
	free(vessel);
}

static struct vessel *unkeep(struct vessel **kept, size_t *n)
{
	struct vessel *vessel = *kept;

	*kept = vessel->next;
	--*n;
	return vessel;
}

static void keep(struct vessel **kept, size_t *n, struct vessel *vessel)
{
	vessel->next = *kept;
	*kept = vessel;
	++*n;
}

struct vessel *vessel_take_memory(struct vessels *vessels)
{
	if (vessels->memories)
		return unkeep(&vessels->memories, &vessels->n_memories);
	return make(MEMORY);
}

struct vessel *vessel_take_pipe(struct vessels *vessels)
{
	struct vessel *vessel;
	int fds[2];

	if (vessels->pipes)
		return unkeep(&vessels->pipes, &vessels->n_pipes);
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) /* EMFILE: one that is there goes on */
		return vessel_take_memory(vessels);
	vessel = make(0);
	if (!vessel) {
		close_fd(&fds[0]);
		close_fd(&fds[1]);
		return NULL;
	}
	vessel->out = fds[0];
	vessel->in = fds[1];
	(void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE); /* EPERM, EBUSY: as it is */
	return vessel;
}

void vessel_return(struct vessels *vessels, struct vessel *vessel)
{
	if (!vessel)
		return;
	if (vessel->in >= 0 && vessel->load == 0 && vessels->n_pipes < KEPT_PIPES) {
		keep(&vessels->pipes, &vessels->n_pipes, vessel);
	} else if (vessel->in < 0 && vessel->room == MEMORY &&
		   vessels->n_memories < KEPT_MEMORIES) {
		vessel->load = 0;
		keep(&vessels->memories, &vessels->n_memories, vessel);
	} else {
		destroy(vessel);
	}
}

/* A filter that denies splice(2) is like a socket that doesn't know it. */
static ssize_t splice_error(void)
{
	return errno == ENOSYS || errno == EPERM ? -EINVAL : -errno;
}

ssize_t vessel_fill(struct vessel *vessel, int socket)
{
	ssize_t n;

	do
		n = vessel->in >= 0 ? splice(socket, NULL, vessel->in, NULL, FILL,
					     SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
				    : recv(socket, vessel->memory, vessel->room, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return vessel->in >= 0 ? splice_error() : -errno;
	vessel->begin = 0;
	vessel->load = (size_t)n;
	return n;
}

ssize_t vessel_drain(struct vessels *vessels, struct vessel *vessel, int socket)
{
	ssize_t n;

	do
		n = vessel->in >= 0 ? splice(vessel->out, NULL, socket, NULL, vessel->load,
					     SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
				    : send(socket, vessel->memory + vessel->begin, vessel->load,
					   MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EPIPE && vessel->in >= 0)
		vessels->broken_pipe = true;
	if (n < 0)
		return vessel->in >= 0 ? splice_error() : -errno;
	vessel->begin += (size_t)n;
	vessel->load -= (size_t)n;
	return n;
}

int vessel_pour(struct vessels *vessels, struct vessel **vessel)
{
	struct vessel *pipe = *vessel, *memory = make(pipe->load);

	if (!memory)
		return -ENOMEM;
	while (memory->load < memory->room) {
		ssize_t n = io_read(pipe->out, memory->memory + memory->load,
				    memory->room - memory->load);

		if (n <= 0) {
			destroy(memory);
			return n < 0 ? (int)n : -EIO;
		}
		memory->load += (size_t)n;
	}
	pipe->load = 0;
	vessel_return(vessels, pipe);
	*vessel = memory;
	return 0;
}

void vessels_done(struct vessels *vessels)
{
	while (vessels->pipes)
		destroy(unkeep(&vessels->pipes, &vessels->n_pipes));
	while (vessels->memories)
		destroy(unkeep(&vessels->memories, &vessels->n_memories));
}
