/* SPDX-License-Identifier: MIT
 *
 * What a process may do and how it runs, as items.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "lib/inspect_view.h"
#include "sys/capabilities.h"

void limit_item(struct cj_inspection *to, const char *field, uint64_t value)
{
	if (value > INT64_MAX) /* USAGE_NO_LIMIT, RLIM64_INFINITY */
		item_text(to, field, "unlimited");
	else
		item_number(to, field, (int64_t)value);
}

static void id_items(struct cj_inspection *to, const char *object, const uint32_t ids[4])
{
	static const char *const which[] = {"real", "effective", "saved", "fs"};

	items_of(to, "credentials", object);
	for (int i = 0; i < 4; i++)
		item_number(to, which[i], ids[i]);
}

static void groups_item(struct cj_inspection *to, const struct proc_status *status)
{
	_cleanup_free_ char(*texts)[12] = calloc(status->n_groups + 1, sizeof(*texts));
	_cleanup_free_ const char **list = calloc(status->n_groups + 1, sizeof(*list));

	if (!texts || !list) {
		to->out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < status->n_groups; i++) {
		(void)format_safe(texts[i], sizeof(texts[i]), "%u", status->groups[i]);
		list[i] = texts[i];
	}
	item_list(to, "groups", list, status->n_groups);
}

static void label_items(struct cj_inspection *to, const struct view *view)
{
	static const char *const modules[] =
		{[LABEL_NONE] = "none", [LABEL_APPARMOR] = "apparmor", [LABEL_SELINUX] = "selinux"};

	items_of(to, "credentials", "label");
	if (view->is.unread[PART_LABEL]) {
		item_unread(to, "text", view->is.unread[PART_LABEL]);
		return;
	}
	item_text(to, "module", modules[view->is.label.module]);
	item_text(to, "text", view->is.label.text);
}

static void add_credentials(struct cj_inspection *to, const struct view *view)
{
	static const char *const modes[] = {"off", "strict", "filter"};
	const struct proc_status *status = &view->is.status;

	id_items(to, "uid", status->uid);
	id_items(to, "gid", status->gid);
	items_of(to, "credentials", "");
	groups_item(to, status);
	item_bool(to, "no_new_privs", status->no_new_privs);
	items_of(to, "credentials", "seccomp");
	item_text(to, "mode",
		  status->seccomp >= 0 && status->seccomp < 3 ? modes[status->seccomp] : "unknown");
	if (status->seccomp_filters >= 0) /* 5.9 */
		item_number(to, "filters", status->seccomp_filters);
	label_items(to, view);
}

static void capability_item(struct cj_inspection *to, const char *field, uint64_t set)
{
	char names[64][24];
	const char *list[64];
	size_t n = 0;

	for (int i = 0; i < 64; i++) {
		if (!(set & CAPABILITY(i)))
			continue;
		capability_name(i, names[n], sizeof(names[n]));
		list[n] = names[n];
		n++;
	}
	item_list(to, field, list, n);
}

static void add_capabilities(struct cj_inspection *to, const struct view *view)
{
	const struct proc_status *status = &view->is.status;

	items_of(to, "capabilities", "");
	capability_item(to, "inheritable", status->inheritable);
	capability_item(to, "permitted", status->permitted);
	capability_item(to, "effective", status->effective);
	capability_item(to, "bounding", status->bounding);
	capability_item(to, "ambient", status->ambient);
}

static void add_limits(struct cj_inspection *to, const struct view *view)
{
	if (view->is.unread[PART_RLIMITS]) {
		items_of(to, "limits", "");
		item_unread(to, "all", view->is.unread[PART_RLIMITS]);
		return;
	}
	for (int i = 0; i < LIMITS; i++) {
		items_of(to, "limits", limit_kinds[i].name);
		limit_item(to, "soft", view->is.limits.of[i].rlim_cur);
		limit_item(to, "hard", view->is.limits.of[i].rlim_max);
	}
}

/* A number, or why there is none. `base` 8 and 16 are written as people know them. */
static void part_item(struct cj_inspection *to, const struct view *view, enum part part,
		      const char *field, int64_t value)
{
	if (view->is.unread[part])
		item_unread(to, field, view->is.unread[part]);
	else
		item_number(to, field, value);
}

static void ioprio_item(struct cj_inspection *to, const struct view *view)
{
	static const char *const classes[] = {"none", "realtime", "best-effort", "idle"};
	int class = IOPRIO_CLASS(view->is.ioprio);
	char text[32];

	if (view->is.unread[PART_IOPRIO]) {
		item_unread(to, "ioprio", view->is.unread[PART_IOPRIO]);
		return;
	}
	(void)format_safe(text, sizeof(text), "%s:%d",
			  class >= 0 && class < 4 ? classes[class] : "unknown",
			  IOPRIO_LEVEL(view->is.ioprio));
	item_text(to, "ioprio", text);
}

static void add_scheduling(struct cj_inspection *to, const struct view *view)
{
	char text[4096];

	items_of(to, "scheduling", "");
	if (view->is.unread[PART_SCHEDULER]) {
		item_unread(to, "policy", view->is.unread[PART_SCHEDULER]);
	} else {
		item_text(to, "policy", scheduler_name(view->is.sched.sched_policy));
		item_number(to, "priority", view->is.sched.sched_priority);
	}
	part_item(to, view, PART_NICE, "nice", view->is.nice);
	ioprio_item(to, view);
	if (view->is.unread[PART_AFFINITY]) {
		item_unread(to, "affinity", view->is.unread[PART_AFFINITY]);
	} else {
		affinity_format(&view->is.affinity, text, sizeof(text));
		item_text(to, "affinity", text);
	}
	part_item(to, view, PART_TIMER_SLACK, "timer_slack", view->is.timer_slack);
}

static void hexadecimal_item(struct cj_inspection *to, const struct view *view, enum part part,
			     const char *field, int64_t value)
{
	char text[24];

	if (view->is.unread[part]) {
		item_unread(to, field, view->is.unread[part]);
		return;
	}
	(void)format_safe(text, sizeof(text), "0x%llx", (unsigned long long)value);
	item_text(to, field, text);
}

static void add_attributes(struct cj_inspection *to, const struct view *view)
{
	unsigned int umask = view->is.status.umask;

	items_of(to, "attributes", "");
	part_item(to, view, PART_OOM, "oom_score_adj", view->is.oom_score_adj);
	if (view->is.status.has_umask) {
		char text[8] = {'0', (char)('0' + (umask >> 6 & 7)), (char)('0' + (umask >> 3 & 7)),
				(char)('0' + (umask & 7)), '\0'};

		item_text(to, "umask", text);
	}
	hexadecimal_item(to, view, PART_PERSONALITY, "personality", view->is.personality);
	hexadecimal_item(to, view, PART_CORE_FILTER, "core_filter", view->is.core_filter);
}

/* One entry; what has no "=" is a name without a value. A name that comes again is numbered. */
static void environment_item(struct cj_inspection *to, const char *entry)
{
	const char *equals = strchr(entry, '=');
	_cleanup_free_ char *name =
		strndup(entry, equals ? (size_t)(equals - entry) : strlen(entry));

	if (!name) {
		to->out_of_memory = true;
		return;
	}
	items_of(to, "environment", name[0] ? name : "=");
	if (equals)
		item_text(to, "value", equals + 1);
	else
		item_bool(to, "bare", true);
}

static void add_environment(struct cj_inspection *to, const struct view *view)
{
	const struct bytes *all = &view->is.environ;

	if (view->is.unread[PART_ENVIRONMENT]) {
		items_of(to, "environment", "");
		item_unread(to, "all", view->is.unread[PART_ENVIRONMENT]);
		return;
	}
	for (size_t at = 0; at < all->size; at += strlen(all->data + at) + 1)
		environment_item(to, all->data + at);
}

void add_properties(struct cj_inspection *to, const struct view *view, bool environment)
{
	add_credentials(to, view);
	add_capabilities(to, view);
	add_limits(to, view);
	add_scheduling(to, view);
	add_attributes(to, view);
	if (environment)
		add_environment(to, view);
}
