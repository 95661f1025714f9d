/* SPDX-License-Identifier: MIT
 *
 * Decides what the kernel is to keep for the command beside its credentials: limits, oom score,
 * scheduling, io priority, affinity, umask, personality, timer slack, core filter, LSM label, keys.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/parse.h"
#include "lib/plan.h"

static bool we_have(const struct planning *p, int capability)
{
	return p->facts->ours.status.effective & CAPABILITY(capability);
}

/* --- limits --- */

static int parse_limit_value(const char *text, rlim64_t *ret)
{
	uint64_t n;
	int r;

	if (strcmp(text, "unlimited") == 0 || strcmp(text, "-1") == 0) {
		*ret = RLIM64_INFINITY;
		return 0;
	}
	r = parse_u64(text, 0, UINT64_MAX, &n);
	if (r == 0)
		*ret = n;
	return r;
}

/* "NAME=SOFT" or "NAME=SOFT:HARD" */
static int parse_limit(const char *text, struct limits *limits, uint32_t *asked)
{
	_cleanup_free_ char *copy = strdup(text);
	char *value, *hard;
	struct rlimit64 limit;
	int i;

	value = copy ? strchr(copy, '=') : NULL;
	if (!value)
		return -EINVAL;
	*value++ = '\0';
	hard = strchr(value, ':');
	if (hard)
		*hard++ = '\0';
	i = limit_index(copy);
	if (i < 0 || parse_limit_value(value, &limit.rlim_cur) < 0 ||
	    parse_limit_value(hard ? hard : value, &limit.rlim_max) < 0 ||
	    limit.rlim_cur > limit.rlim_max)
		return -EINVAL;
	limits->of[i] = limit;
	*asked |= UINT32_C(1) << i;
	return 0;
}

static const char *limit_text(struct planning *p, rlim64_t n)
{
	return n == RLIM64_INFINITY ? "unlimited"
				    : plan_text(p->plan, "%llu", (unsigned long long)n);
}

/*
 * A hard limit can't be raised without CAP_SYS_RESOURCE, which containers' own launchers often lack
 * as well: then ours is as near as we get, and one warning says so.
 */
static void decide_limit(struct planning *p, int i, bool asked, char *clamped, size_t size)
{
	struct rlimit64 *limit = &p->plan->limits.of[i];
	const struct rlimit64 *ours = &p->facts->ours.limits.of[i];
	bool raises = limit->rlim_max > ours->rlim_max;

	if (raises && !asked && !we_have(p, CAP_SYS_RESOURCE)) {
		size_t n = strlen(clamped);

		(void)format_safe(clamped + n, size - n, "%s%s", n ? "," : "", limit_kinds[i].name);
		limit->rlim_max = ours->rlim_max;
		if (limit->rlim_cur > limit->rlim_max)
			limit->rlim_cur = limit->rlim_max;
		raises = false;
	}
	if (limit->rlim_cur == ours->rlim_cur && limit->rlim_max == ours->rlim_max)
		return;
	p->plan->set_limits |= UINT32_C(1) << i;
	plan_do(p, PART_RLIMITS, limit_kinds[i].name, "set",
		raises ? CAP_SYS_RESOURCE : NEEDS_NOTHING, "%s:%s", limit_text(p, limit->rlim_cur),
		limit_text(p, limit->rlim_max));
}

static int decide_limits(struct planning *p, struct cj_error *err)
{
	char clamped[200] = "";
	uint32_t asked = 0;
	int r = 0;

	p->plan->limits = p->facts->ours.limits;
	if (!plan_skips(p, PART_RLIMITS)) {
		r = plan_wants_read(p, PART_RLIMITS, err);
		p->plan->limits = p->base->limits;
	}
	if (r < 0)
		return r;
	for (const char *const *at = p->options->rlimits; at && *at; at++)
		if (parse_limit(*at, &p->plan->limits, &asked) < 0)
			return cj_fail(err, EINVAL, "rlimit \"%s\" (NAME=SOFT[:HARD])", *at);
	for (int i = 0; i < LIMITS; i++)
		decide_limit(p, i, asked >> i & 1, clamped, sizeof(clamped));
	if (clamped[0])
		plan_note(p, PART_RLIMITS, clamped, "warn",
			  "the target's hard limit is above ours and CAP_SYS_RESOURCE is lacking: "
			  "ours is kept");
	return 0;
}

/* --- parts that are one number --- */

struct number {
	enum part part;
	const char *option; /* for messages */
	const char *asked;  /* the option's text, or NULL */
	unsigned int base;
	int64_t min, max;
	int64_t ours, target;
	int (*needs)(const struct planning *p, int64_t value);
};

static int parse_number(const struct number *number, int64_t *ret)
{
	uint64_t n;
	int r;

	if (number->base == 10)
		return parse_i64(number->asked, number->min, number->max, ret);
	r = parse_base(number->asked, number->base, &n);
	if (r == 0 && n > (uint64_t)number->max)
		r = -ERANGE;
	if (r == 0)
		*ret = (int64_t)n;
	return r;
}

/* Decides it; `*ret_value` is only written when a step is to be taken. */
static int decide_number(struct planning *p, const struct number *number, int64_t *ret_value,
			 struct cj_error *err)
{
	int64_t value = number->target;
	const char *text;
	int r;

	/* Whose umask we have nobody can tell without setting it. */
	if (!number->asked && number->part == PART_UMASK && plan_is_own_identity(p))
		return 0;
	if (number->asked) {
		if (parse_number(number, &value) < 0)
			return cj_fail(err, EINVAL, "%s \"%s\"", number->option, number->asked);
	} else {
		if (plan_skips(p, number->part))
			return 0;
		if (number->part == PART_TIMER_SLACK && p->base->unread[number->part] == EPERM) {
			/* Of another process it's told to CAP_SYS_NICE only; hardly anybody changes it. */
			plan_note(p, number->part, "", "warn",
				  "unreadable without CAP_SYS_NICE, ours is kept");
			return 0;
		}
		r = plan_wants_read(p, number->part, err);
		if (r < 0)
			return r;
	}
	text = number->base == 16 ? plan_text(p->plan, "%llx", (unsigned long long)value)
				  : plan_text(p->plan, "%lld", (long long)value);
	if (number->base == 8)
		text = plan_text(p->plan, "0%u%u%u", (unsigned int)value >> 6 & 7,
				 (unsigned int)value >> 3 & 7, (unsigned int)value & 7);
	if (value == number->ours) {
		plan_note(p, number->part, text, "nothing", "same as ours, nothing to do");
		return 0;
	}
	*ret_value = value;
	plan_do(p, number->part, text, "set",
		number->needs ? number->needs(p, value) : NEEDS_NOTHING, "%s",
		number->asked ? "asked for" : "the target's");
	return 0;
}

static int oom_needs(const struct planning *p, int64_t value)
{
	return value < p->facts->ours.oom_score_adj ? CAP_SYS_RESOURCE : NEEDS_NOTHING;
}

static int nice_needs(const struct planning *p, int64_t value)
{
	return value < p->facts->ours.nice ? CAP_SYS_NICE : NEEDS_NOTHING;
}

static int decide_numbers(struct planning *p, struct cj_error *err)
{
	const struct identity *ours = &p->facts->ours, *target = p->base;
	const struct cj_exec_options *o = p->options;
	struct cj_plan *plan = p->plan;
	int64_t oom = 0, core = 0, personality = 0, slack = 0;
	int64_t mask = target->status.has_umask ? target->status.umask : 022;
	int64_t nice = ours->nice;
	const struct {
		struct number number;
		int64_t *value;
	} all[] = {
		{{PART_OOM, "oom score", o->oom_score_adj, 10, -1000, 1000, ours->oom_score_adj,
		  target->oom_score_adj, oom_needs},
		 &oom},
		{{PART_CORE_FILTER, "core filter", o->core_filter, 16, 0, 0x1ff, ours->core_filter,
		  target->core_filter, NULL},
		 &core},
		{{PART_NICE, "nice", o->nice, 10, -20, 19, ours->nice, target->nice, nice_needs},
		 &nice},
		/* Ours can't be asked for without setting it, so it's always set. */
		{{PART_UMASK, "umask", o->umask, 8, 0, 0777, -1, mask, NULL}, &mask},
		{{PART_PERSONALITY, "personality", o->personality, 16, 0, 0xfffffffe,
		  ours->personality, target->personality, NULL},
		 &personality},
		{{PART_TIMER_SLACK, "timer slack", o->timer_slack, 10, 1, INT64_MAX,
		  ours->timer_slack, target->timer_slack, NULL},
		 &slack},
	};

	for (size_t i = 0; i < ELEMENTS(all); i++) {
		int r = decide_number(p, &all[i].number, all[i].value, err);

		if (r < 0)
			return r;
	}
	plan->oom_score_adj = (int)oom;
	plan->core_filter = (unsigned int)core;
	plan->nice = (int)nice;
	plan->umask = (unsigned int)mask;
	plan->personality = (unsigned long)personality;
	plan->timer_slack = (unsigned long)slack;
	return 0;
}

/* --- scheduling --- */

/* "NAME" or "NAME:NUMBER", the number within [min, max] or not given: then `*ret_number` stays. */
static int parse_named(const char *text, char *name, size_t size, int min, int max, int *ret_number)
{
	size_t length = strcspn(text, ":");

	if (length >= size)
		return -EINVAL;
	memcpy(name, text, length);
	name[length] = '\0';
	return text[length] ? parse_int(text + length + 1, min, max, ret_number) : 0;
}

static int parse_policy(const char *text, struct scheduling *attr)
{
	char name[16];
	int priority = 0;

	if (parse_named(text, name, sizeof(name), 1, 99, &priority) < 0)
		return -EINVAL;
	if (scheduler_parse(name, &attr->sched_policy) < 0 ||
	    scheduler_is_realtime(attr->sched_policy) != (priority > 0))
		return -EINVAL;
	attr->sched_priority = (uint32_t)priority;
	return 0;
}

static int decide_scheduler(struct planning *p, struct cj_error *err)
{
	const struct scheduling *ours = &p->facts->ours.sched;
	struct scheduling attr = *ours;
	const char *asked = p->options->scheduler;
	const char *text;

	if (asked) {
		if (parse_policy(asked, &attr) < 0)
			return cj_fail(err, EINVAL,
				       "scheduler \"%s\" (other batch idle fifo:N rr:N)", asked);
	} else if (!plan_skips(p, PART_SCHEDULER)) {
		int r = plan_wants_read(p, PART_SCHEDULER, err);

		if (r < 0)
			return r;
		attr = p->base->sched;
		if (attr.sched_policy == SCHED_DEADLINE) {
			cj_hint(err, "--skip scheduler, or --scheduler POLICY");
			return cj_fail(err, EOPNOTSUPP,
				       "take on scheduler deadline, which no process can inherit");
		}
	}
	/*
	 * The nice value was decided before. What the kernel resets at a fork would be lost between
	 * stage and child, and utilisation clamps come with the cgroup.
	 */
	attr.sched_nice = p->plan->nice;
	attr.sched_flags = 0;
	p->plan->sched = attr;
	text = attr.sched_priority ? plan_text(p->plan, "%s:%u", scheduler_name(attr.sched_policy),
					       attr.sched_priority)
				   : scheduler_name(attr.sched_policy);
	if (attr.sched_policy == ours->sched_policy &&
	    attr.sched_priority == ours->sched_priority) {
		plan_note(p, PART_SCHEDULER, text, "nothing", "same as ours, nothing to do");
		return 0;
	}
	plan_do(p, PART_SCHEDULER, text, "set", attr.sched_priority ? CAP_SYS_NICE : NEEDS_NOTHING,
		"%s", asked ? "asked for" : "the target's");
	return 0;
}

enum { IO_NONE, IO_REALTIME, IO_BEST_EFFORT, IO_IDLE, IO_DEFAULT_LEVEL = 4 };

static const char *const io_classes[] = {
	[IO_NONE] = "none",
	[IO_REALTIME] = "realtime",
	[IO_BEST_EFFORT] = "best-effort",
	[IO_IDLE] = "idle",
};

static int parse_ioprio(const char *text, int *ret)
{
	char name[16];
	int level = -1;

	if (parse_named(text, name, sizeof(name), 0, 7, &level) < 0)
		return -EINVAL;
	for (int i = 0; i < (int)ELEMENTS(io_classes); i++) {
		bool has_levels = i == IO_REALTIME || i == IO_BEST_EFFORT;

		if (strcmp(io_classes[i], name) != 0)
			continue;
		if (level >= 0 && !has_levels)
			return -EINVAL;
		*ret = IOPRIO_MAKE(i, level >= 0 ? level : has_levels ? IO_DEFAULT_LEVEL : 0);
		return 0;
	}
	return -EINVAL;
}

static int decide_ioprio(struct planning *p, struct cj_error *err)
{
	const char *asked = p->options->ioprio;
	int ioprio = p->base->ioprio, r;
	const char *text;

	if (asked) {
		if (parse_ioprio(asked, &ioprio) < 0)
			return cj_fail(
				err, EINVAL,
				"io priority \"%s\" (none idle best-effort[:0-7] realtime[:0-7])",
				asked);
	} else {
		if (plan_skips(p, PART_IOPRIO))
			return 0;
		r = plan_wants_read(p, PART_IOPRIO, err);
		if (r < 0)
			return r;
	}
	text = plan_text(p->plan, "%s:%d", io_classes[IOPRIO_CLASS(ioprio) & 3],
			 IOPRIO_LEVEL(ioprio));
	if (ioprio == p->facts->ours.ioprio) {
		plan_note(p, PART_IOPRIO, text, "nothing", "same as ours, nothing to do");
		return 0;
	}
	p->plan->ioprio = ioprio;
	plan_do(p, PART_IOPRIO, text, "set",
		IOPRIO_CLASS(ioprio) == 1 ? CAP_SYS_NICE : NEEDS_NOTHING, "%s",
		asked ? "asked for" : "the target's");
	return 0;
}

static int decide_affinity(struct planning *p, struct cj_error *err)
{
	const char *asked = p->options->affinity;
	char text[128];
	int r;

	p->plan->affinity = p->base->affinity;
	if (asked) {
		if (affinity_parse(asked, &p->plan->affinity) < 0)
			return cj_fail(err, EINVAL, "cpu affinity \"%s\"", asked);
	} else {
		if (plan_skips(p, PART_AFFINITY))
			return 0;
		r = plan_wants_read(p, PART_AFFINITY, err);
		if (r < 0)
			return r;
	}
	affinity_format(&p->plan->affinity, text, sizeof(text));
	if (affinity_equal(&p->plan->affinity, &p->facts->ours.affinity)) {
		plan_note(p, PART_AFFINITY, text, "nothing", "same as ours, nothing to do");
		return 0;
	}
	plan_do(p, PART_AFFINITY, text, "set", NEEDS_NOTHING, "%s",
		asked ? "asked for" : "the target's");
	return 0;
}

/* --- label and keys --- */

static int decide_label(struct planning *p, struct cj_error *err)
{
	struct label *label = &p->plan->label;
	const char *asked = p->options->label;
	int r;

	*label = p->base->label;
	if (asked) {
		label->module = p->facts->ours.label.module;
		if (label->module == LABEL_NONE)
			return cj_fail(err, EOPNOTSUPP,
				       "label \"%s\": no security module here labels processes",
				       asked);
		if (strlen(asked) >= sizeof(label->text))
			return cj_fail(err, ENAMETOOLONG, "label of %zu bytes", strlen(asked));
		(void)format_safe(label->text, sizeof(label->text), "%s", asked);
	} else {
		if (p->options->privileged || plan_skips(p, PART_LABEL))
			return 0;
		r = plan_wants_read(p, PART_LABEL, err);
		if (r < 0)
			return r;
	}
	if (label->module == LABEL_NONE || strcmp(label->text, p->facts->ours.label.text) == 0) {
		plan_note(p, PART_LABEL, label->text, "nothing", "%s",
			  label->module ? "same as ours, nothing to do"
					: "no security module labels processes here");
		return 0;
	}
	plan_do(p, PART_LABEL, label->text, "set", NEEDS_NOTHING, "%s, from execve on",
		label->module == LABEL_APPARMOR ? "AppArmor" : "SELinux");
	return 0;
}

static void decide_keyring(struct planning *p)
{
	if (!plan_skips(p, PART_KEYRING))
		plan_do(p, PART_KEYRING, "session", "make", NEEDS_NOTHING,
			"an empty one, so that the caller's keys stay outside");
}

int plan_process(struct planning *p, struct cj_error *err)
{
	int (*const decisions[])(struct planning *, struct cj_error *) = {
		decide_limits, decide_numbers,	decide_scheduler,
		decide_ioprio, decide_affinity, decide_label,
	};
	int r = 0;

	for (size_t i = 0; i < ELEMENTS(decisions) && r == 0; i++)
		r = decisions[i](p, err);
	if (r == 0)
		decide_keyring(p);
	return r;
}
