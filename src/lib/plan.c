/* SPDX-License-Identifier: MIT */
#include "lib/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/grow.h"
#include "lib/elsewhere.h"
#include "lib/options.h"
#include "lib/target.h"

void *plan_own(struct cj_plan *plan, void *block)
{
	if (!block || !array_grow((void **)&plan->owned, sizeof(*plan->owned), &plan->owned_room,
				  plan->n_owned + 1)) {
		free(block);
		plan->out_of_memory = true;
		return NULL;
	}
	plan->owned[plan->n_owned++] = block;
	return block;
}

static const char *plan_text_v(struct cj_plan *plan, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static const char *plan_text_v(struct cj_plan *plan, const char *format, va_list args)
{
	char buf[PATH_MAX + 256];
	char *text;

	(void)format_safe_v(buf, sizeof(buf), format, args);
	text = plan_own(plan, strdup(buf));
	return text ? text : "";
}

const char *plan_text(struct cj_plan *plan, const char *format, ...)
{
	const char *text;
	va_list args;

	va_start(args, format);
	text = plan_text_v(plan, format, args);
	va_end(args);
	return text;
}

bool plan_crosses_users(const struct cj_plan *plan)
{
	return plan->join[NAMESPACE_USER];
}

/*
 * Once in the target's user namespace we hold every capability there, so what comes after the join
 * needs none of ours; what comes before it (and the join itself) does.
 */
static bool lacks(const struct planning *p, enum part part, int needs)
{
	if (needs == NEEDS_NOTHING)
		return false;
	if (part > PART_NAMESPACES && plan_crosses_users(p->plan))
		return false;
	return !(p->facts->ours.status.effective & CAPABILITY(needs));
}

static void add_row(struct planning *p, enum part part, const char *object, const char *action,
		    int needs, const char *reason)
{
	struct cj_plan *plan = p->plan;
	struct cj_plan_row *rows = reallocarray(plan->rows, plan->n_rows + 1, sizeof(*rows));
	const char *capability = NULL;

	if (!rows) {
		plan->out_of_memory = true;
		return;
	}
	plan->rows = rows;
	if (needs != NEEDS_NOTHING) {
		char name[32];

		capability_name(needs, name, sizeof(name));
		capability = plan_text(plan, "%s", name);
	}
	plan->rows[plan->n_rows++] = (struct cj_plan_row){
		.step = part_name(part),
		.object = plan_text(plan, "%s", object),
		.action = action,
		.reason = reason,
		.needs = capability,
		.lacking = lacks(p, part, needs),
	};
}

void plan_do(struct planning *p, enum part part, const char *object, const char *action, int needs,
	     const char *format, ...)
{
	va_list args;

	p->plan->steps |= UINT32_C(1) << part;
	if (!p->options->explain)
		return;
	va_start(args, format);
	add_row(p, part, object, action, needs, plan_text_v(p->plan, format, args));
	va_end(args);
}

void plan_note(struct planning *p, enum part part, const char *object, const char *action,
	       const char *format, ...)
{
	va_list args;

	if (!p->options->explain && strcmp(action, "warn") != 0)
		return;
	va_start(args, format);
	add_row(p, part, object, action, NEEDS_NOTHING, plan_text_v(p->plan, format, args));
	va_end(args);
}

bool plan_skips(struct planning *p, enum part part)
{
	if (!(p->skip >> part & 1))
		return false;
	plan_note(p, part, "", "skip", "left out as asked (--skip)");
	return true;
}

int plan_wants_read(struct planning *p, enum part part, struct cj_error *err)
{
	int code = p->base->unread[part], own = p->facts->ours.unread[part];

	if (code == 0 && own == 0)
		return 0;
	cj_hint(err, "--skip %s leaves it out", part_name(part));
	return cj_fail(err, code ? code : own, "read %s %s", code ? "the target's" : "our own",
		       part_name(part));
}

bool plan_is_own_identity(const struct planning *p)
{
	return p->base == &p->facts->ours;
}

bool plan_has_step(const struct cj_plan *plan, enum part part)
{
	return plan->steps >> part & 1;
}

static int decide(struct planning *p, struct cj_error *err)
{
	int (*const decisions[])(struct planning *, struct cj_error *) = {
		plan_cgroups, plan_process, plan_places, plan_credentials,
		plan_seccomp, plan_command, plan_guard,
	};

	/* Which namespaces are joined decides what all else means, so it's known first. */
	int r = plan_namespaces(p, err);

	if (r == 0 && p->debug)
		r = plan_view(p, err);
	for (size_t i = 0; i < ELEMENTS(decisions) && r == 0; i++)
		r = decisions[i](p, err);
	if (r == 0 && p->plan->out_of_memory)
		r = cj_fail(err, ENOMEM, "make the plan");
	return r;
}

int plan_make(struct cj_target *target, struct facts *facts, const struct cj_exec_options *options,
	      const struct cj_debug_options *debug, struct cj_plan **ret, struct cj_error *err)
{
	struct planning p = {.options = options, .debug = debug, .account = ACCOUNT_INIT};
	int r = 0;

	p.plan = calloc(1, sizeof(*p.plan));
	if (!p.plan) {
		facts_done(facts);
		return cj_fail(err, ENOMEM, "make the plan");
	}
	p.plan->target = target;
	p.plan->facts = *facts;
	*facts = (struct facts)FACTS_INIT;
	p.facts = &p.plan->facts;
	p.base = debug && !debug->as_target ? &p.facts->ours : &p.facts->target;
	if (options->skip)
		r = parts_parse(options->skip, &p.skip, err);
	if (r == 0)
		r = decide(&p, err);
	account_done(&p.account);
	if (r < 0) {
		cj_plan_free(p.plan);
		return r;
	}
	*ret = p.plan;
	return 0;
}

static int make_plan(struct cj_target *target, const struct cj_exec_options *options,
		     const struct cj_debug_options *debug, struct cj_plan **ret,
		     struct cj_error *err)
{
	_cleanup_(facts_done) struct facts facts = FACTS_INIT;
	struct cj_plan *plan = NULL;
	int r = target_explain(target, facts_gather(target, options, debug, &facts, err), err);

	if (r < 0)
		return r;
	/* All was read through one directory, and it lived until now: so it was about the target. */
	if (pidref_verify(&target->ref) < 0)
		return cj_fail(err, ESRCH, "process %d ended meanwhile", target->ref.pid);
	r = plan_make(target, &facts, options, debug, &plan, err);
	if (r == 0 && options->rootfs)
		r = elsewhere_plan(plan, options, err);
	if (r < 0) {
		cj_plan_free(plan);
		return r;
	}
	*ret = plan;
	return 0;
}

int cj_plan_exec(struct cj_target *target, const struct cj_exec_options *options,
		 struct cj_plan **ret, struct cj_error *err)
{
	struct cj_exec_options own = CJ_EXEC_OPTIONS_INIT;
	int r = options_take(options, &own, sizeof(own), "options", err);

	return r < 0 ? r : make_plan(target, &own, NULL, ret, err);
}

int cj_plan_debug(struct cj_target *target, const struct cj_debug_options *options,
		  struct cj_plan **ret, struct cj_error *err)
{
	struct cj_debug_options own = CJ_DEBUG_OPTIONS_INIT;
	struct cj_exec_options exec = CJ_EXEC_OPTIONS_INIT;
	int r = options_take(options, &own, sizeof(own), "options", err);

	if (r == 0 && own.exec)
		r = options_take(own.exec, &exec, sizeof(exec), "options", err);
	if (r < 0)
		return r;
	if (exec.root || exec.rootfs)
		return cj_fail(err, EINVAL,
			       "another root for a command that has a view of its own");
	own.exec = &exec;
	return make_plan(target, &exec, &own, ret, err);
}

static void cgroup_done(struct plan_cgroup *cgroup)
{
	free(cgroup->name);
	free(cgroup->directory);
	for (size_t i = 0; i < ELEMENTS(cgroup->limits); i++)
		free(cgroup->limits[i]);
}

void cj_plan_free(struct cj_plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->n_cgroups; i++)
		cgroup_done(&plan->cgroups[i]);
	for (size_t i = 0; i < plan->n_owned; i++)
		free(plan->owned[i]);
	free(plan->cgroups);
	free(plan->owned);
	free(plan->rows);
	free(plan->candidates);
	facts_done(&plan->facts);
	free(plan);
}

const struct cj_plan_row *cj_plan_rows(const struct cj_plan *plan, size_t *ret_count)
{
	*ret_count = plan->n_rows;
	return plan->rows;
}

const char *const *cj_plan_argv(const struct cj_plan *plan)
{
	return (const char *const *)plan->argv;
}
