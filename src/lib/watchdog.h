/* SPDX-License-Identifier: MIT
 *
 * What puts things in order when a supervisor dies without a word (SIGKILL): it kills the command, what runs in
 * the command's session, and all in cgroups that were made for it; removes these; gives the caller's terminal its
 * mode back. The parent death signal alone leaves the command's children, is lost at a set-user-ID execve, and for
 * callers with threads comes with the wrong thread's end.
 * Not here: the ordinary end (child.c, session.c).
 */
#pragma once

#include <termios.h>

#include "lib/own_cgroup.h"
#include "sys/session.h"
#include "sys/spawn_command.h"

struct cj_child;

/* A command that has run for so long gets one: until then the parent death signal has to do. */
enum { WATCHDOG_AFTER_MS = 20 };

/* What the supervisor learns when there is a watchdog already: in memory of both. */
struct watch_board {
	pid_t command;	/* 0: not yet */
	uint64_t start; /* its start time; before `command` */
	int guards;	/* 1: `before` is the terminal's mode, from which it is being changed */
	struct termios before;
};

/* The commands of a spawner, as a watchdog of all of them must know them: in memory of both. */
enum { ROLL_PLACES = 4096 };

struct watch_roll {
	struct spawn_report starting; /* one that is being made, and may not be in its cgroup yet */
	struct session_leader places[ROLL_PLACES]; /* those that no cgroup holds; PID 0: nobody */
};

/* What there is to put in order. */
struct watch {
	int life,
		life_w; /* of the pipe that ends with the supervisor, and with whom it has forked and who holds it */
	int supervisor;			 /* its pidfd; set by watchdog_spawn() */
	int pidfd;			 /* of the command; -EBADF: by `board` */
	const struct watch_board *board; /* NULL: of none */
	const struct watch_roll *roll;	 /* NULL: not of a spawner */
	const pid_t *
		child; /* written by the kernel before the command's process runs, in memory of both; NULL */
	struct own_cgroups own; /* the supervisor's list, which it keeps */
	int terminal;		/* -EBADF: none */
};

/* Makes the process, in our own namespaces and cgroups: its pidfd, or -errno. */
int watchdog_spawn(const struct watch *watch);

/* One for a command that runs. Once a child; 0 too if there is one already. */
int watchdog_start(struct cj_child *child, struct cj_error *err);
