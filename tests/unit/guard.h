/* SPDX-License-Identifier: MIT
 *
 * What unit tests of the leak guard's look share: a target in a box, and processes that differ in
 * CAP_SYS_PTRACE. As root.
 */
#pragma once

#include "box.h"

#include <linux/nsfs.h>
#include <seccomp.h>

#include <linux/capability.h>
#include <pthread.h>

#include "lib/guard.h"
#include "sys/capabilities.h"
#include "sys/pidns.h"

#define PTRACE CAPABILITY(CAP_SYS_PTRACE)

static inline void drop_ptrace(void)
{
	struct capability_sets sets;

	need(capabilities_read_own(&sets) == 0 &&
	     capabilities_bound(sets.bounding & ~PTRACE) == 0 &&
	     capabilities_set(sets.inheritable & ~PTRACE, sets.permitted & ~PTRACE,
			      sets.effective & ~PTRACE) == 0);
}

static inline void *thread(void *data)
{
	sleep_for_ever();
	return data;
}

struct view {
	struct cj_target target;
	struct identity ours, theirs;
	struct guard_query query;
};

static inline void view_open(struct view *view, pid_t pid, bool joins_user)
{
	_cleanup_fd_ int own = -EBADF;

	*view = (struct view){
		.target.ref = PIDREF_INIT,
		.ours = IDENTITY_INIT,
		.theirs = IDENTITY_INIT,
	};
	assert_int_equal(pidref_open(pid, &view->target.ref, NULL), 0);
	assert_int_equal(proc_open(0, &own, NULL), 0);
	assert_int_equal(identity_read_own(own, &view->ours, NULL), 0);
	assert_int_equal(identity_look(pid, view->target.ref.proc, &view->theirs, NULL), 0);
	view->query = (struct guard_query){
		.target = &view->target,
		.ours = &view->ours,
		.theirs = &view->theirs,
		.joins_pid = true,
		.joins_user = joins_user,
	};
}

static inline void view_done(struct view *view)
{
	pidref_done(&view->target.ref);
	identity_done(&view->ours);
	identity_done(&view->theirs);
}

static inline const struct guard_process *find_tracer(const struct guard_facts *facts)
{
	for (size_t i = 0; i < facts->n; i++)
		if (facts->list[i].bounding & PTRACE)
			return &facts->list[i];
	return NULL;
}

#ifndef NS_GET_PID_IN_PIDNS
#define NS_GET_PID_IN_PIDNS _IOR(NSIO, 0x8, int)
#endif

/* A kernel before 6.11 from here on, for this process and its children: it doesn't answer by number. */
static inline void forget_asking(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	assert_non_null(filter);
	assert_int_equal(seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0), 0);
	assert_int_equal(
		seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1,
				 SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, NS_GET_PID_IN_PIDNS)),
		0);
	assert_int_equal(seccomp_load(filter), 0);
	seccomp_release(filter);
}

static inline int run_on_older_kernel(void **state)
{
	(void)state;
	forget_asking();
	return 0;
}
