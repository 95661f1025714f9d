/* SPDX-License-Identifier: MIT
 *
 * Made-up facts, and plans made from them: root on a host, and a container there. No process of the
 * machine has a part in it, so these tests need no privileges and are the same everywhere.
 */
#pragma once

#include "unit.h"

#include <linux/capability.h>

#include "lib/plan.h"

#define DOCKER_CAPABILITIES UINT64_C(0xa80425fb)

static inline struct identity root_of_host(void)
{
	struct identity id = IDENTITY_INIT;

	for (int i = 0; i < NAMESPACE_KINDS; i++)
		id.namespaces.inode[i] = 100 + (uint64_t)i;
	id.status.permitted = id.status.effective = id.status.bounding = capabilities_all();
	id.status.umask = 022;
	id.status.has_umask = true;
	for (int i = 0; i < LIMITS; i++)
		id.limits.of[i] = (struct rlimit64){1000, 2000};
	id.affinity.mask[0] = 3;
	id.timer_slack = 50000;
	id.core_filter = 0x33;
	assert_int_equal(cgroup_list_parse("2:memory:/\n1:cpu,cpuacct:/\n0::/\n", &id.cgroups), 0);
	return id;
}

/* Every namespace but user is its own, it runs as uid 0 with Docker's capabilities. */
static inline struct facts facts_of_container(void)
{
	struct facts facts = FACTS_INIT;

	facts.ours = root_of_host();
	facts.target = root_of_host();
	for (int i = 0; i < NAMESPACE_KINDS; i++)
		if (i != NAMESPACE_USER)
			facts.target.namespaces.inode[i] = 200 + (uint64_t)i;
	facts.target.status.permitted = facts.target.status.effective =
		facts.target.status.bounding = DOCKER_CAPABILITIES;
	facts.target.root.path = strdup("/");
	facts.target.cwd.path = strdup("/srv");
	facts.target.root.inode = 7;
	cgroup_list_done(&facts.target.cgroups);
	assert_int_equal(cgroup_list_parse("2:memory:/docker/x\n1:cpu,cpuacct:/docker/x\n0::/x\n",
					   &facts.target.cgroups),
			 0);
	assert_int_equal(cgroup_mounts_parse("1 0 0:1 / /cg/memory rw - cgroup c rw,memory\n"
					     "2 0 0:2 / /cg/cpu rw - cgroup c rw,cpu,cpuacct\n"
					     "3 0 0:3 / /cg/unified rw - cgroup2 c rw\n",
					     &facts.mounts),
			 0);
	return facts;
}

/* The same with a user namespace whose 0 is our 100000, and whose owner is root. */
static inline struct facts facts_of_user_namespace(void)
{
	struct facts facts = facts_of_container();

	facts.target.namespaces.inode[NAMESPACE_USER] = 200;
	assert_int_equal(idmap_parse("0 100000 65536\n", &facts.target.uid_map), 0);
	assert_int_equal(idmap_parse("0 200000 65536\n", &facts.target.gid_map), 0);
	for (int i = 0; i < 4; i++) {
		facts.target.status.uid[i] = 100000;
		facts.target.status.gid[i] = 200000;
	}
	return facts;
}

static inline void drop_capabilities(struct identity *id)
{
	id->status.permitted = id->status.effective = 0;
}

static inline void set_groups(struct proc_status *status, const gid_t *groups, size_t n)
{
	free(status->groups);
	status->groups = calloc(n + 1, sizeof(*groups));
	assert_non_null(status->groups);
	memcpy(status->groups, groups, n * sizeof(*groups));
	status->n_groups = n;
}

/* Takes the facts, as plan_make() does. Without argv it runs "true". */
static inline struct cj_plan *make_plan(struct facts facts, struct cj_exec_options options)
{
	static const char *const argv[] = {"true", NULL};
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_plan *plan = NULL;

	options.size = sizeof(options);
	options.explain = true;
	if (!options.argv)
		options.argv = argv;
	if (plan_make(NULL, &facts, &options, NULL, &plan, &err) < 0)
		fail_msg("%s", err.text);
	return plan;
}

static inline void assert_no_plan(struct facts facts, struct cj_exec_options options, int error,
				  const char *named)
{
	static const char *const argv[] = {"true", NULL};
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_plan *plan = NULL;
	int r;

	options.size = sizeof(options);
	options.argv = argv;
	r = plan_make(NULL, &facts, &options, NULL, &plan, &err);
	cj_plan_free(plan);
	if (r != error)
		fail_msg("%d, not %d, for \"%s\": %s", r, error, named, err.text);
	assert_names(&err, named);
}

/* The only row of a step, or of a step and an object. NULL: there's none. */
static inline const struct cj_plan_row *find_row(const struct cj_plan *plan, const char *step,
						 const char *object)
{
	size_t n;
	const struct cj_plan_row *rows = cj_plan_rows(plan, &n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].step, step) == 0 &&
		    (!object || strcmp(rows[i].object, object) == 0))
			return &rows[i];
	return NULL;
}

static inline const struct cj_plan_row *assert_row(const struct cj_plan *plan, const char *step,
						   const char *object, const char *action)
{
	const struct cj_plan_row *row = find_row(plan, step, object);

	if (!row)
		fail_msg("no row %s %s", step, object ? object : "");
	assert_string_equal(row->action, action);
	return row;
}

#define OPTIONS(...) ((struct cj_exec_options){__VA_ARGS__})
