/* SPDX-License-Identifier: MIT
 *
 * A walk over the status of all processes, past which none slips: also not one that leaves a child and
 * ends, again and again, to be where nobody looks.
 * Not here: what is looked for (lib/guard.h), what a list wants to know (scan.h).
 *
 * Numbers are given out in order, until they begin again at the bottom. Every process that is there at
 * the start is in the listing of /proc. One that ends before it's its turn has left children with
 * numbers from the time of the walk: those are looked up one by one behind the listing, in order, until
 * no new number was given out meanwhile. A parent's number comes before its child's in that order, so
 * whoever isn't there yet is seen in its parent. What was seen may change later: that's for the caller to
 * allow for. Numbers that have begun again end the walk with EAGAIN. Thus within one walk a number means
 * one process. Only who has CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN over our own pid namespace's user
 * namespace can choose its number (clone3(2), set_tid) and get round that.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <conjoin/error.h>

struct walk_task {
	pid_t pid;  /* its number: a thread's own, too */
	bool again; /* of the second look: a process that was told of before may be told again */
};

struct walk;

/*
 *	ENOTSUP	what is mounted on /proc isn't procfs, or another pid namespace's
 *	ENOMEM
 */
int walk_new(struct walk **ret, struct cj_error *err);
void walk_free(struct walk *walk);

/*
 * The next number that may be a process's; among those told `again`, a thread's, too. 1, or 0 at the end.
 *
 *	EAGAIN	too many come and go for this walk to mean anything: take another
 */
int walk_next(struct walk *walk, struct walk_task *ret);

/*
 * Its status: NUL-ended, the walk's own until it's asked for the next one.
 *
 *	ESRCH	there is none, or it has ended
 *	EACCES	hidepid=noaccess, proc(5)
 */
int walk_status(struct walk *walk, const char **ret);

/*
 * The next thread, but for the main one, of the process that walk_next() told last, and its status: 1, or
 * 0 at the end. EAGAIN: as above.
 */
int walk_next_thread(struct walk *walk, struct walk_task *ret, const char **ret_status);

/* The directory beneath /proc of the process that walk_next() told last: the walk's own, until the next
 * call of that. ESRCH: it has ended. */
int walk_directory(struct walk *walk);

/*
 * Had a listed process ended when its status was asked for? If it left a child whose creation had taken so
 * long that its number is from well before the walk, only another walk finds that one.
 */
bool walk_missed(const struct walk *walk);

/* Does this /proc hide processes of others from us (hidepid=invisible, proc(5))? */
bool walk_is_blind(const struct walk *walk);

/* kernel.yama.ptrace_scope; 0 where there is no Yama, too. */
int walk_ptrace_scope(const struct walk *walk);
