/* SPDX-License-Identifier: MIT
 *
 * Decides what a command of `debug` sees as files, and whether it may be seen by the target at all.
 * Not here: which processes could reach it (guard.c), what is brought (bring.c).
 */
#include <errno.h>
#include <linux/capability.h>

#include "lib/plan.h"

static int check_together(const struct planning *p, struct cj_error *err)
{
	const struct cj_debug_options *debug = p->debug;
	bool host = p->facts->view.kind == VIEW_HOST;

	if (host && p->plan->join[NAMESPACE_MNT]) {
		cj_hint(err, "--view target: a private copy of the target's");
		return cj_fail(err, EINVAL,
			       "join mnt namespace: the view of the host has one of its own");
	}
	if (host && (list_has_any(debug->bring) || list_has_any(debug->bring_dirs)))
		return cj_fail(err, EINVAL,
			       "bring programs to the view of the host, which has them (--view "
			       "target)");
	if (!host && debug->writable)
		return cj_fail(
			err, EINVAL,
			"a writable $CONJOIN_ROOT in the view of the target, which has none");
	return 0;
}

static void decide_proc(struct planning *p)
{
	const struct facts *facts = p->facts;
	struct plan_view *view = &p->plan->view;

	if (!p->plan->join[NAMESPACE_PID]) {
		bool shared = facts->target.namespaces.inode[NAMESPACE_PID] ==
			      facts->ours.namespaces.inode[NAMESPACE_PID];

		plan_note(p, PART_VIEW, PROC_PATH, shared ? "warn" : "skip", "%s",
			  shared ? "stays: the target has no pid namespace of its own"
				 : "stays: the target's pid namespace isn't joined");
		return;
	}
	view->proc = true;
	view->proc_from_outside = facts->view.pidns >= 0;
	plan_do(p, PART_VIEW, PROC_PATH, "mount", CAP_SYS_ADMIN, "of the target's pid namespace%s",
		view->proc_from_outside ? "" : ", from inside: this kernel's procfs has no pidns=");
}

static void decide_sys(struct planning *p)
{
	if (!p->plan->join[NAMESPACE_NET]) {
		plan_note(p, PART_VIEW, "/sys", "nothing", "stays: it's of the same net namespace");
		return;
	}
	p->plan->view.sys = true;
	plan_do(p, PART_VIEW, "/sys", "mount", CAP_SYS_ADMIN, "of the target's net namespace");
	for (char **path = p->facts->view.sys_back; path && *path; path++)
		plan_note(p, PART_VIEW, plan_text(p->plan, "/sys/%s", *path), "bind",
			  "the host's, as it is");
}

static void decide_root(struct planning *p)
{
	struct plan_view *view = &p->plan->view;

	view->base = p->facts->view.base;
	view->show_root = true;
	view->writable = p->debug->writable;
	plan_do(p, PART_VIEW, plan_text(p->plan, "%s/root", view->base->point), "mount",
		CAP_SYS_ADMIN, "the target's files, %s", view->writable ? "writable" : "read-only");
}

static void decide_brought(struct planning *p)
{
	const struct bring *bring = &p->facts->view.bring;

	for (size_t i = 0; i < bring->n_notes; i++)
		plan_note(p, PART_VIEW, "bring", "warn", "%s", bring->notes[i]);
	if (bring->n == 0)
		return;
	p->plan->view.base = p->facts->view.base;
	plan_do(p, PART_VIEW, p->plan->view.base->point, "bring", CAP_SYS_ADMIN,
		"%zu files, links and directories, read-only%s", bring->n,
		p->plan->view.base->base[1] ? "" : ", in a root of their own");
}

int plan_view(struct planning *p, struct cj_error *err)
{
	struct plan_view *view = &p->plan->view;
	int r = check_together(p, err);

	if (r < 0)
		return r;
	view->kind = p->facts->view.kind;
	/*
	 * What is mounted shall belong to our user namespace, so that root of the target's can't change it;
	 * who has no rights here needs those that joining brings.
	 */
	view->user_last = p->plan->join[NAMESPACE_USER] &&
			  (p->facts->ours.status.effective & CAPABILITY(CAP_SYS_ADMIN));
	plan_do(p, PART_VIEW, "mnt", "copy", CAP_SYS_ADMIN, "a private one of %s mount namespace",
		view->kind == VIEW_HOST ? "our" : "the target's");
	if (view->kind == VIEW_HOST) {
		decide_root(p);
		decide_sys(p);
		decide_proc(p);
	} else {
		decide_brought(p);
	}
	return 0;
}

/* The least that the command may have permitted after execve. capabilities(7), "Transformation" */
static uint64_t least_permitted(const struct planning *p)
{
	const struct cj_plan *plan = p->plan;
	const struct proc_status *ours = &p->facts->ours.status;
	struct capability_sets sets = plan->capabilities;
	uint64_t all;

	if (p->skip >> PART_CAPABILITIES & 1)
		sets = (struct capability_sets){ours->inheritable, ours->permitted, ours->effective,
						ours->bounding, ours->ambient};
	all = sets.bounding | sets.inheritable;
	if (plan->no_new_privs)
		all &= sets.permitted;
	/* Some securebits keep root from getting them, some nothing of the kind: the lesser. */
	return plan->uid[1] == 0 && !p->facts->view.securebits ? all : sets.ambient;
}

static unsigned int outside(const struct planning *p, const struct idmap *map, unsigned int id)
{
	unsigned int ours = id;

	if (plan_crosses_users(p->plan) && !idmap_to_outside(map, id, &ours))
		ours = id;
	return ours;
}

int plan_guard(struct planning *p, struct cj_error *err)
{
	const struct identity *target = &p->facts->target;
	struct guard_child child;
	struct guard_finding finding = {.text = ""};

	if (!p->debug)
		return 0;
	child = (struct guard_child){
		.uid = outside(p, &target->uid_map, p->plan->uid[1]),
		.gid = outside(p, &target->gid_map, p->plan->gid[1]),
		.permitted = least_permitted(p),
		.bare = p->options->clear_env && !list_has_any(p->options->env),
		.host_view = p->plan->view.kind == VIEW_HOST,
		.brings = p->facts->view.bring.n > 0 && !p->plan->view.user_last,
	};
	if (guard_judge(&p->facts->view.guard, &child, &finding) == GUARD_SAFE) {
		plan_note(p, PART_GUARD, "", "nothing", "%s",
			  "no process of the target could open what the command has");
		return 0;
	}
	if (p->debug->expose_host) {
		plan_note(p, PART_GUARD, "", "warn", "%s (--expose-host)", finding.text);
		return 0;
	}
	cj_hint(err, "%s", finding.hint);
	return cj_fail(err, ECANCELED, "%s", finding.text);
}
