/* SPDX-License-Identifier: MIT
 *
 * What the kernel tells of a command that was killed, or stands still: did its target end, was there want of
 * memory, is the target paused?
 * Not here: the end itself (child.h), and what is to be done about it (session.c).
 */
#pragma once

#include <conjoin/session.h>

#include "lib/own_cgroup.h"

struct ending {
	const struct cj_plan *plan;    /* NULL: nobody wants to know */
	const struct own_cgroups *own; /* the child's */
	int memory;		       /* where its memory cgroup counts; -EBADF: not open */
	int64_t kills;		       /* what that said in the beginning; negative: nothing */
	int64_t since;		       /* clock_ms(): when that was; 0: early enough */
	int pauses; /* v2: ready for POLLPRI when that may have changed; -EBADF */
};

/* Costs nothing; `plan` may be NULL. Both stay the caller's, and as long as this. */
void ending_init(struct ending *ending, const struct cj_plan *plan, const struct own_cgroups *own);
void ending_done(struct ending *ending);

/* Reads what the end will be compared with: while the command runs, the sooner the better. Once. */
void ending_begin(struct ending *ending);

/* Is the command frozen with its target? Also takes the word that `pauses` is ready for. */
bool ending_is_paused(struct ending *ending);

/* Why did it end like this? Who was killed is waited for a moment: its target ends after it. */
enum cj_ending ending_judge(struct ending *ending, const struct cj_exit *end);

/* Has the kernel killed somebody of its memory cgroup for want of memory? As far as that was looked at. */
bool ending_oom(struct ending *ending);

/* How often memory.events.local or memory.oom_control says that it did; -EBADMSG: not such a file. */
int64_t ending_parse_kills(const char *text);
