/* SPDX-License-Identifier: MIT
 *
 * Decides which seccomp filter is loaded, and checks that it lets our own last steps through.
 * Not here: where filters come from (facts.c, seccomp_profile.c).
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "lib/plan.h"
#include "lib/seccomp_program.h"

enum { SECCOMP_OFF, SECCOMP_STRICT, SECCOMP_FILTERED };

/* What the stage and the child do after the stage has loaded the filter: stage.c, command.c. */
static const struct seccomp_call after_stage[] = {
	{"write", SYS_write, {0}},
	{"capset", SYS_capset, {0}},
	{"clone", SYS_clone, {0x8000 | 17 /* CLONE_PARENT | SIGCHLD */}},
	{"exit_group", SYS_exit_group, {0}},
	{"setsid", SYS_setsid, {0}},
	{"ioctl", SYS_ioctl, {0, TIOCSCTTY}},
	{"prctl", SYS_prctl, {PR_SET_PDEATHSIG, 9}},
	{"prctl", SYS_prctl, {PR_SET_DUMPABLE, 0}},
	{"read", SYS_read, {0}},
	{"rt_sigprocmask", SYS_rt_sigprocmask, {0}},
	{"execve", SYS_execve, {0}},
};

/* The same when the child loads it, last of all. */
static const struct seccomp_call after_child[] = {
	{"write", SYS_write, {0}},
	{"execve", SYS_execve, {0}},
	{"exit_group", SYS_exit_group, {0}},
};

/* The first of the calls that the filter doesn't let through, or NULL. */
static int find_forbidden(const struct cj_plan *plan, const struct seccomp_call *calls, size_t n,
			  const char **ret, struct cj_error *err)
{
	size_t index = 0;
	int r = seccomp_programs_forbid(&plan->facts.seccomp, calls, n, &index);

	if (r < 0)
		return cj_fail(err, -r, "check the seccomp filter, which no kernel would take");
	*ret = r ? calls[index].name : NULL;
	return 0;
}

/*
 * With no_new_privs a filter can also be loaded right before execve, when there's next to nothing
 * that it could hinder. But until then somebody who may trace the child would have a process without
 * that filter: only where nobody of the target's kind may.
 */
static bool may_load_last(const struct cj_plan *plan)
{
	return plan->no_new_privs &&
	       !(plan->facts.target.status.bounding & CAPABILITY(CAP_SYS_PTRACE));
}

int plan_check_seccomp(struct cj_plan *plan, struct cj_error *err)
{
	const char *forbidden = NULL;
	int r = find_forbidden(plan, after_stage, ELEMENTS(after_stage), &forbidden, err);

	plan->seccomp_last = false;
	if (r == 0 && forbidden && may_load_last(plan)) {
		plan->seccomp_last = true;
		r = find_forbidden(plan, after_child, ELEMENTS(after_child), &forbidden, err);
	}
	if (r < 0 || !forbidden)
		return r;
	cj_hint(err, "--skip seccomp goes without it, --seccomp FILE names another");
	return cj_fail(err, EPERM,
		       "load the seccomp filter: it forbids %s, which is needed to start "
		       "the command",
		       forbidden);
}

static int decide_copy(struct planning *p)
{
	if (p->facts->target.status.seccomp != SECCOMP_FILTERED) {
		plan_note(p, PART_SECCOMP, "", "nothing", "the target has no filter");
		return 0;
	}
	p->plan->copy_seccomp = p->plan->load_seccomp = true;
	plan_note(p, PART_SECCOMP, "copy", "warn", "stops the target briefly to read its filter");
	plan_do(p, PART_SECCOMP, "copy", "load",
		p->plan->no_new_privs ? NEEDS_NOTHING : CAP_SYS_ADMIN,
		"the target's own, by ptrace");
	return 0;
}

static void note_absence(struct planning *p)
{
	const char *how = p->options->seccomp;

	if (p->facts->target.status.seccomp == SECCOMP_STRICT)
		plan_note(p, PART_SECCOMP, "", "warn",
			  "the target is in strict mode, in which no command can run");
	else if (p->facts->target.status.seccomp == SECCOMP_OFF)
		plan_note(p, PART_SECCOMP, "", "nothing", "the target has no filter");
	else if (p->facts->seccomp_missing[0])
		plan_note(p, PART_SECCOMP, "", "warn",
			  "the target has a seccomp filter and the command goes without: %s",
			  p->facts->seccomp_missing);
	else
		plan_note(p, PART_SECCOMP, "", "skip", "%s",
			  how ? "no filter, as asked (--seccomp off)"
			      : "no filter for a privileged command");
}

int plan_seccomp(struct planning *p, struct cj_error *err)
{
	const struct facts *facts = p->facts;

	if (plan_skips(p, PART_SECCOMP))
		return 0;
	if (plan_is_own_identity(p) && !p->options->seccomp) {
		plan_note(p, PART_SECCOMP, "", "nothing", "the caller's, if it has one");
		return 0;
	}
	if (p->options->seccomp && strcmp(p->options->seccomp, "copy") == 0)
		return decide_copy(p);
	if (facts->seccomp.count == 0) {
		note_absence(p);
		return 0;
	}
	p->plan->load_seccomp = true;
	plan_do(p, PART_SECCOMP, "filter", "load",
		p->plan->no_new_privs ? NEEDS_NOTHING : CAP_SYS_ADMIN, "from %s",
		facts->seccomp_source);
	if (facts->seccomp_unknown[0])
		plan_note(p, PART_SECCOMP, "names", "nothing", "unknown here and left out: %s",
			  facts->seccomp_unknown);
	return plan_check_seccomp(p->plan, err);
}
