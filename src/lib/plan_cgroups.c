/* SPDX-License-Identifier: MIT
 *
 * Decides which cgroups are joined: the target's in every hierarchy, ours, or a fresh one.
 * Not here: making and removing that (own_cgroup.c), finding where hierarchies lie (sys/cgroup.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "lib/plan.h"

enum mode { MODE_TARGET, MODE_KEEP, MODE_OWN, MODE_TRY };

static const char *const mode_names[] = {"target", "keep", "own", "try"};

static bool wants_limits(const struct cj_exec_options *options)
{
	return options->memory || options->cpus || options->pids_limit;
}

static int parse_mode(const struct planning *p, enum mode *ret, struct cj_error *err)
{
	const struct cj_exec_options *options = p->options;
	const char *text = options->cgroup ? options->cgroup : p->debug ? "own" : "target";

	for (size_t i = 0; i < ELEMENTS(mode_names); i++) {
		if (strcmp(mode_names[i], text) != 0)
			continue;
		if (i != MODE_OWN && wants_limits(options)) {
			cj_hint(err, "--cgroup own makes one that limits can be set in");
			return cj_fail(err, EINVAL,
				       "limits for a cgroup that isn't ours (--cgroup %s)", text);
		}
		*ret = (enum mode)i;
		return 0;
	}
	return cj_fail(err, EINVAL, "cgroup \"%s\" (there are: target keep own try)", text);
}

static struct plan_cgroup *add(struct planning *p, const char *name, const char *directory)
{
	struct cj_plan *plan = p->plan;
	struct plan_cgroup *grown =
		reallocarray(plan->cgroups, plan->n_cgroups + 1, sizeof(*grown));
	struct plan_cgroup *new;

	if (!grown) {
		plan->out_of_memory = true;
		return NULL;
	}
	plan->cgroups = grown;
	new = &grown[plan->n_cgroups];
	*new = (struct plan_cgroup){.name = strdup(name), .directory = strdup(directory)};
	plan->n_cgroups++;
	if (!new->name || !new->directory)
		plan->out_of_memory = true;
	return new;
}

static int unreachable(struct planning *p, const struct cgroup_entry *entry, int r, bool try_only,
		       struct cj_error *err)
{
	const char *name = cgroup_entry_name(entry);

	if (try_only) {
		plan_note(p, PART_CGROUPS, name, "warn", "%s can't be reached from here, left out",
			  entry->path);
		return 0;
	}
	cj_hint(err, "--cgroup keep stays in the caller's cgroups");
	return cj_fail(err, -r, "join %s cgroup %s, which isn't below what is mounted here", name,
		       entry->path);
}

static int join_entry(struct planning *p, const struct cgroup_entry *entry, bool try_only,
		      struct cj_error *err)
{
	const struct cgroup_entry *ours = cgroup_list_find(&p->facts->ours.cgroups, entry);
	const char *name = cgroup_entry_name(entry);
	_cleanup_free_ char *directory = NULL;
	struct plan_cgroup *cgroup;
	int r;

	if (ours && strcmp(ours->path, entry->path) == 0) {
		plan_note(p, PART_CGROUPS, name, "nothing", "%s, where we already are",
			  entry->path);
		return 0;
	}
	r = cgroup_directory(&p->facts->mounts, entry, &directory);
	if (r == -ENODEV) {
		/* Its limits won't hold; where ours is the same one they do, and that was seen before. */
		plan_note(p, PART_CGROUPS, name, "warn",
			  "%s left out, its hierarchy is mounted nowhere here", entry->path);
		return 0;
	}
	if (r < 0)
		return unreachable(p, entry, r, try_only, err);
	cgroup = add(p, name, directory);
	if (!cgroup)
		return 0;
	cgroup->unified = entry->unified;
	cgroup->try_only = try_only;
	plan_do(p, PART_CGROUPS, name, "join", NEEDS_NOTHING, "%s", entry->path);
	return 0;
}

static int join_all(struct planning *p, bool try_only, struct cj_error *err)
{
	const struct cgroup_list *list = &p->facts->target.cgroups;
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++)
		r = join_entry(p, &list->entries[i], try_only, err);
	return r;
}

/* A limit, and the controller that keeps it, in both versions. */
struct limit {
	const char *controller;
	char v1[2][64], v2[64]; /* "FILE=VALUE" */
};

static int parse_limits(const struct cj_exec_options *options, struct limit limits[3],
			size_t *ret_count, struct cj_error *err)
{
	enum { PERIOD = 100000 }; /* microseconds, the kernel's default */
	uint64_t n;
	size_t count = 0;

	if (options->memory) {
		if (parse_size(options->memory, &n) < 0 || n == 0)
			return cj_fail(err, EINVAL, "memory limit \"%s\"", options->memory);
		limits[count].controller = "memory";
		(void)snprintf(limits[count].v1[0], 64, "memory.limit_in_bytes=%llu",
			       (unsigned long long)n);
		(void)snprintf(limits[count++].v2, 64, "memory.max=%llu", (unsigned long long)n);
	}
	if (options->cpus) {
		if (parse_decimal(options->cpus, &n) < 0 || n < 10 || n > 1000 * 8192)
			return cj_fail(err, EINVAL, "cpus \"%s\" (a number from 0.01 on)",
				       options->cpus);
		limits[count].controller = "cpu";
		(void)snprintf(limits[count].v1[0], 64, "cpu.cfs_period_us=%d", PERIOD);
		(void)snprintf(limits[count].v1[1], 64, "cpu.cfs_quota_us=%llu",
			       (unsigned long long)(n * PERIOD / 1000));
		(void)snprintf(limits[count++].v2, 64, "cpu.max=%llu %d",
			       (unsigned long long)(n * PERIOD / 1000), PERIOD);
	}
	if (options->pids_limit) {
		if (parse_u64(options->pids_limit, 1, 4194304, &n) < 0)
			return cj_fail(err, EINVAL, "pids limit \"%s\"", options->pids_limit);
		limits[count].controller = "pids";
		(void)snprintf(limits[count].v1[0], 64, "pids.max=%llu", (unsigned long long)n);
		(void)snprintf(limits[count++].v2, 64, "pids.max=%llu", (unsigned long long)n);
	}
	*ret_count = count;
	return 0;
}

/* The planned cgroup of a hierarchy, or a new one at "MOUNT/conjoin". */
static struct plan_cgroup *own_in(struct planning *p, const struct cgroup_entry *entry)
{
	/* Below the root of what is mounted here, not below ours: our own may be a leaf with limits. */
	struct cgroup_entry root = {.unified = entry->unified,
				    .controllers = entry->controllers,
				    .path = (char *)(uintptr_t) "/conjoin"};
	_cleanup_free_ char *directory = NULL;
	struct plan_cgroup *cgroup;
	const char *name = cgroup_entry_name(entry);

	for (size_t i = 0; i < p->plan->n_cgroups; i++)
		if (strcmp(p->plan->cgroups[i].name, name) == 0)
			return &p->plan->cgroups[i];
	if (cgroup_directory(&p->facts->mounts, &root, &directory) < 0)
		return NULL;
	cgroup = add(p, name, directory);
	if (!cgroup)
		return NULL;
	cgroup->unified = entry->unified;
	cgroup->own = true;
	/* What nobody has asked for is no reason to do nothing. */
	cgroup->try_only = !p->options->cgroup && !wants_limits(p->options);
	plan_do(p, PART_CGROUPS, name, "make", NEEDS_NOTHING, "a fresh one below %s", directory);
	return cgroup;
}

static void add_limit(struct planning *p, struct plan_cgroup *cgroup, const char *text)
{
	char **slot = cgroup->limits;

	if (!text[0])
		return;
	while (*slot)
		slot++;
	*slot = strdup(text);
	if (!*slot)
		p->plan->out_of_memory = true;
	plan_do(p, PART_CGROUPS, cgroup->name, "limit", NEEDS_NOTHING, "%s", text);
}

/* The hierarchy that keeps a limit: v1's, if the controller is there, else v2. */
static int limit_own(struct planning *p, const struct limit *limit, struct cj_error *err)
{
	const struct cgroup_list *ours = &p->facts->ours.cgroups;
	const struct cgroup_entry *entry = cgroup_list_controller(ours, limit->controller);
	struct plan_cgroup *cgroup = entry ? own_in(p, entry) : NULL;

	if (!cgroup) {
		entry = cgroup_list_controller(ours, "");
		cgroup = entry ? own_in(p, entry) : NULL;
	}
	if (!cgroup)
		return cj_fail(err, ENODEV,
			       "limit %s: no hierarchy with that controller is mounted",
			       limit->controller);
	if (cgroup->unified) {
		add_limit(p, cgroup, limit->v2);
	} else {
		add_limit(p, cgroup, limit->v1[0]);
		add_limit(p, cgroup, limit->v1[1]);
	}
	return 0;
}

static int make_own(struct planning *p, struct cj_error *err)
{
	struct limit limits[3] = {{.controller = NULL}};
	const struct cgroup_entry *unified = cgroup_list_controller(&p->facts->ours.cgroups, "");
	size_t count = 0;
	int r = parse_limits(p->options, limits, &count, err);

	for (size_t i = 0; i < count && r == 0; i++)
		r = limit_own(p, &limits[i], err);
	if (r == 0 && unified)
		(void)own_in(p, unified); /* not mounted: then there's nothing to make */
	return r;
}

/* The planned cgroup of a hierarchy; NULL: there's nothing to join, it's ours already. */
static struct plan_cgroup *planned(const struct cj_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n_cgroups; i++)
		if (strcmp(plan->cgroups[i].name, name) == 0)
			return &plan->cgroups[i];
	return NULL;
}

/* One for the command's tree, below the one that it would be in. */
static void add_tree(struct planning *p, bool in_ours, const char *controller)
{
	const struct identity *in = in_ours ? &p->facts->ours : &p->facts->target;
	const struct cgroup_entry *entry = cgroup_list_controller(&in->cgroups, controller);
	const char *name = entry ? cgroup_entry_name(entry) : NULL;
	struct plan_cgroup *cgroup = entry ? planned(p->plan, name) : NULL;
	_cleanup_free_ char *directory = NULL;

	if (entry && !cgroup && cgroup_directory(&p->facts->mounts, entry, &directory) == 0) {
		cgroup = add(p, name, directory);
		if (cgroup)
			cgroup->tree_only = true;
	}
	if (!cgroup)
		return;
	cgroup->unified = entry->unified;
	cgroup->tree = true;
	plan_do(p, PART_CGROUPS, name, "make", NEEDS_NOTHING, "one for the command's tree below %s",
		cgroup->directory);
}

/*
 * v2 kills it whole; in the freezer of v1 nobody forks meanwhile. The first that can be made counts. A fresh
 * cgroup of v2 is its tree's own anyway.
 */
static void plan_tree(struct planning *p, enum mode mode)
{
	bool in_ours = mode == MODE_KEEP || mode == MODE_OWN || plan_skips(p, PART_CGROUPS);

	if (!p->options->tree)
		return;
	p->plan->wants_tree = true;
	if (mode == MODE_OWN && planned(p->plan, "unified"))
		return;
	add_tree(p, in_ours, "");
	add_tree(p, in_ours, "freezer");
}

static int plan_mode(struct planning *p, enum mode mode, struct cj_error *err)
{
	if (plan_skips(p, PART_CGROUPS))
		return 0;
	if (mode == MODE_OWN)
		return make_own(p, err);
	if (mode == MODE_KEEP) {
		plan_note(p, PART_CGROUPS, "", "skip", "ours are kept as asked (--cgroup keep)");
		return 0;
	}
	p->plan->rejoin = true;
	return join_all(p, mode == MODE_TRY, err);
}

int plan_cgroups(struct planning *p, struct cj_error *err)
{
	enum mode mode = MODE_TARGET;
	int r = parse_mode(p, &mode, err);

	if (r < 0)
		return r;
	/* What isn't in the target's cgroups doesn't freeze with it, and may look at what did. */
	if (p->facts->frozen && !(p->debug && (mode == MODE_OWN || mode == MODE_KEEP))) {
		cj_hint(err, "thaw it first (docker unpause, podman unpause, runc resume, …)");
		return cj_fail(err, EBUSY, "the target is paused (its cgroup is frozen)");
	}
	r = plan_mode(p, mode, err);
	if (r == 0)
		plan_tree(p, mode);
	return r;
}
