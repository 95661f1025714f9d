/* SPDX-License-Identifier: MIT
 *
 * Programs of the host's that are started with sockets, here and not in a container: one that listens by itself, as a service manager starts
 * it (sd_listen_fds(3)), or one for each connection, as inetd does.
 * Not here: accepting (inetd.h), when they are to end (listen.c).
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <conjoin/error.h>

enum { WORKER_SOURCE = 64 };

struct worker {
	pid_t pid;
	bool leads;		    /* a process group of its own */
	char source[WORKER_SOURCE]; /* whose connection it has; empty: none */
};

struct workers {
	struct worker *list;
	size_t n, room;
	bool ends_groups; /* what is left of a group when its leader has ended is killed */
};

#define WORKERS_INIT {.list = NULL}

struct worker_start {
	char *const *argv;
	const int *fds; /* become 3, 4, …; or, with `inetd`, the only one 0 and 1 */
	size_t n_fds;
	bool inetd;
	bool leads; /* a process group of its own, to whose members all signals go */
	const char *const *
		environment; /* NAME=VALUE, `n_environment` of them: set; of what we got, what is about sockets isn't passed on */
	size_t n_environment;
	const sigset_t *mask; /* of signals, for it */
	bool ignores_pipe;    /* SIGPIPE, as the caller does */
	const char *source;   /* NULL: none */
};

/*
 * Returns when it's executed. It gets SIGTERM when we end, however. LISTEN_PID is set if there are sockets for 3 and on. Errors: of execvp(3), fork(2).
 */
int workers_start(struct workers *workers, const struct worker_start *start, struct cj_error *err);

/* One that has ended, and how, as waitpid(2) tells; it's no longer among them. False: none. */
bool workers_reap(struct workers *workers, struct worker *ret, int *ret_status);

/* To all, and to the groups of those that lead one. */
void workers_signal(const struct workers *workers, int signal);

size_t workers_of(const struct workers *workers, const char *source);
void workers_done(struct workers *workers);
