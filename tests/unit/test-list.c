/* SPDX-License-Identifier: MIT
 *
 * Which processes are one target, and whose: with processes that never were.
 */
#include "unit.h"

#include "engine/cgroup_name.h"
#include "lib/list_group.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* --- engines --- */

static const struct {
	const char *path, *engine, *name;
	const char *own; /* the container's own cgroup; NULL: all of the path */
} known[] = {
	{"/docker/" ID_A, "docker", "aaaaaaaaaaaa", NULL},
	{"/docker/" ID_A "/system.slice/x.service", "docker", "aaaaaaaaaaaa", "/docker/" ID_A},
	{"/system.slice/docker-" ID_A ".scope", "docker", "aaaaaaaaaaaa", NULL},
	{"/docker/" ID_A "/docker/" ID_B, "docker", "bbbbbbbbbbbb", NULL},
	{"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID_A ".scope", "cri", "aaaaaaaaaaaa",
	 NULL},
	{"/kubepods/burstable/pod1234/" ID_A, "cri", "aaaaaaaaaaaa", NULL},
	{"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID_A, "cri",
	 "aaaaaaaaaaaa", NULL},
	{"/kubepods.slice/crio-" ID_A ".scope", "cri", "aaaaaaaaaaaa", NULL},
	{"/machine.slice/libpod-" ID_A ".scope/container", "podman", "aaaaaaaaaaaa",
	 "/machine.slice/libpod-" ID_A ".scope"},
	{"/libpod_parent/libpod-" ID_A, "podman", "aaaaaaaaaaaa", NULL},
	{"/x/nerdctl-" ID_A ".scope", "containerd", "aaaaaaaaaaaa", NULL},
	{"/elsewhere/" ID_A, NULL, "aaaaaaaaaaaa", NULL},
	{"/lxc.payload.web/init.scope", "lxc", "web", "/lxc.payload.web"},
	{"/lxc/web", "lxc", "web", NULL},
	{"/machine.slice/machine-my\\x2dbox.scope/payload", "machine", "my-box",
	 "/machine.slice/machine-my\\x2dbox.scope"},
	{"/machine.slice/systemd-nspawn@box.service/payload", "machine", "box",
	 "/machine.slice/systemd-nspawn@box.service"},
	{"/user.slice/runc-web.scope", "oci", "web", NULL},
};

static void cgroups_tell_their_engine(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(known); i++) {
		size_t own = strlen(known[i].own ? known[i].own : known[i].path);
		struct cgroup_name engine = {.engine = "none"};

		if (!cgroup_name_find(known[i].path, strlen(known[i].path), &engine))
			fail_msg("%s isn't known", known[i].path);
		if (known[i].engine)
			assert_string_equal(engine.engine, known[i].engine);
		else
			assert_null(engine.engine);
		assert_string_equal(engine.name, known[i].name);
		assert_int_equal(engine.length, own);
	}
}

static void other_cgroups_are_no_containers(void **state)
{
	static const char *const paths[] = {
		"/",
		"",
		"/user.slice/user-1000.slice/session-3.scope",
		"/system.slice/docker.service",
		"/machine.slice/libpod-conmon-" ID_A ".scope",
		"/kubepods.slice/crio-conmon-" ID_A ".scope",
		"/lxc.monitor.web",
		"/docker/aaaa",
		"/docker-.scope",
		"/docker-" ID_A "a.scope",
		"/machine-.scope",
		"//..//",
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(paths); i++) {
		struct cgroup_name engine;

		if (cgroup_name_find(paths[i], strlen(paths[i]), &engine))
			fail_msg("%s is taken for %s", paths[i], engine.name);
	}
}

/* --- groups --- */

enum { SELF = 100 };
static const struct namespaces ours = {{1, 2, 3, 4, 5, 6, 7, 8}};

/* All but user and time: a container that rootful Docker would make. */
static struct namespaces foreign(uint64_t from)
{
	struct namespaces other = ours;

	for (int kind = NAMESPACE_CGROUP; kind < NAMESPACE_KINDS; kind++)
		if (kind != NAMESPACE_TIME)
			other.inode[kind] = from + (uint64_t)kind;
	return other;
}

static struct namespaces only(int kind, uint64_t inode)
{
	struct namespaces other = ours;

	other.inode[kind] = inode;
	return other;
}

static void add(struct list_group *group, pid_t pid, pid_t parent, struct namespaces of,
		const char *path)
{
	char text[512];
	struct scan_process process = {.pid = pid,
				       .parent = parent,
				       .start = (uint64_t)pid,
				       .namespaces = of,
				       .cgroup = text};

	process.cgroup_size = (size_t)snprintf(text, sizeof(text), "1:memory:/\n0::%s\n", path);
	/* the first in its pid namespace, as the kernel would tell */
	if (list_group_wants_inside(group, &process))
		process.inside = 1;
	assert_int_equal(list_group_add(group, &process), 0);
}

static int set_up(void **state)
{
	struct list_group *group = calloc(1, sizeof(*group));

	assert_non_null(group);
	group->ours = ours;
	group->own = SELF;
	add(group, 1, 0, ours, "/init.scope");
	add(group, SELF, 1, ours, "/user.slice/session-1.scope");
	*state = group;
	return 0;
}

static int tear_down(void **state)
{
	list_group_done(*state);
	free(*state);
	return 0;
}

static const struct list_group_target *target_of(const struct list_group *group, pid_t pid)
{
	size_t i = list_group_find(group, pid);
	size_t target;

	assert_true(i != MAP_NONE);
	target = group->cells[group->processes[i].cell].target;
	return target == MAP_NONE ? NULL : &group->targets[target];
}

static pid_t first_of(const struct list_group *group, const struct list_group_target *target)
{
	return target->first == MAP_NONE ? 0 : group->processes[target->first].pid;
}

static void the_host_is_listed_only_when_asked_for(void **state)
{
	struct list_group *group = *state;

	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(group->n_targets, 0);
	assert_null(target_of(group, SELF));
}

static void the_host_is_one_target(void **state)
{
	struct list_group *group = *state;

	add(group, 200, 1, ours, "/system.slice/x.service");
	assert_int_equal(list_group_resolve(group, LIST_WITH_HOST), 0);
	assert_int_equal(group->n_targets, 1);
	assert_true(target_of(group, 200)->host);
	assert_int_equal(target_of(group, 200)->processes, 3);
	assert_int_equal(first_of(group, target_of(group, 200)), 1);
}

static void a_container_is_all_of_its_cgroup(void **state)
{
	struct list_group *group = *state;
	struct namespaces sandbox = foreign(1000);
	const struct list_group_target *target;

	sandbox.inode[NAMESPACE_PID] = 5000;
	add(group, 200, 1, foreign(1000), "/docker/" ID_A);
	add(group, 201, 200, foreign(1000), "/docker/" ID_A "/system.slice/x.service");
	add(group, 202, 201, sandbox, "/docker/" ID_A);
	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(group->n_targets, 1);
	target = target_of(group, 200);
	assert_string_equal(target->engine, "docker");
	assert_string_equal(target->id, ID_A);
	assert_int_equal(target->processes, 3);
	assert_int_equal(first_of(group, target), 200);
	assert_string_equal(target->place, ":/docker/" ID_A);
}

static void containers_of_a_pod_are_apart(void **state)
{
	struct list_group *group = *state;
	struct namespaces app = foreign(1000);

	app.inode[NAMESPACE_MNT] = 5000; /* even with the pid namespace in common */
	add(group, 200, 1, foreign(1000), "/kubepods/pod1/" ID_A);
	add(group, 201, 1, app, "/kubepods/pod1/" ID_B);
	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(group->n_targets, 2);
	assert_true(target_of(group, 200) != target_of(group, 201));
	assert_int_equal(first_of(group, target_of(group, 201)), 201);
}

static void who_was_entered_from_outside_belongs_to_the_container(void **state)
{
	struct list_group *group = *state;
	struct namespaces half = foreign(1000);

	half.inode[NAMESPACE_MNT] = ours.inode[NAMESPACE_MNT];
	add(group, 200, 1, foreign(1000), "/docker/" ID_A);
	add(group, 201, SELF, foreign(1000), "/user.slice/session-1.scope");
	add(group, 202, SELF, half, "/user.slice/session-1.scope");
	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(group->n_targets, 1);
	assert_int_equal(group->targets[0].processes, 3);
	assert_int_equal(first_of(group, &group->targets[0]), 200);
}

static void an_unknown_runtimes_container_is_known_by_its_cgroup(void **state)
{
	struct list_group *group = *state;
	struct namespaces service = foreign(1000), sandbox = foreign(2000);

	service.inode[NAMESPACE_MNT] = 5000;
	add(group, 200, 1, foreign(1000), "/mine/box/init.scope");
	add(group, 201, 200, service, "/mine/box/system.slice/x.service");
	add(group, 202, 201, sandbox, "/mine/box/init.scope");
	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(group->n_targets, 1);
	assert_null(group->targets[0].engine);
	assert_true(group->targets[0].container);
	assert_string_equal(group->targets[0].place, ":/mine/box");
	assert_int_equal(group->targets[0].processes, 3);
}

static void a_cgroup_with_processes_of_the_host_is_no_containers(void **state)
{
	struct list_group *group = *state;

	add(group, 200, SELF, foreign(1000), "/user.slice/session-1.scope");
	add(group, 201, SELF, foreign(2000), "/user.slice/session-1.scope");
	add(group, 202, 201, foreign(2000), "/user.slice/session-1.scope/x");
	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(group->n_targets, 2);
	assert_null(target_of(group, 200)->place);
	assert_int_equal(target_of(group, 201)->processes, 2);
}

static void services_with_namespaces_of_their_own_are_units(void **state)
{
	struct list_group *group = *state;
	struct namespaces net = only(NAMESPACE_NET, 5000);

	add(group, 200, 1, net, "/system.slice/a.service");
	add(group, 201, 1, net, "/system.slice/b.service/child");
	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(group->n_targets, 2);
	assert_string_equal(target_of(group, 200)->engine, "unit");
	assert_string_equal(target_of(group, 200)->name, "a.service");
	assert_string_equal(target_of(group, 201)->name, "b.service");
	assert_string_equal(target_of(group, 201)->place, ":/system.slice/b.service");
}

static void a_child_of_a_service_of_the_host_isnt_the_service(void **state)
{
	struct list_group *group = *state;

	add(group, 200, 1, ours, "/system.slice/a.service");
	add(group, 201, 200, only(NAMESPACE_MNT, 5000), "/system.slice/a.service");
	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(group->n_targets, 1);
	assert_null(group->targets[0].engine);
	assert_null(group->targets[0].place);
	assert_int_equal(group->targets[0].processes, 1);
}

static void a_supervisor_in_its_containers_cgroup_is_the_host(void **state)
{
	struct list_group *group = *state;
	const char *machine = "/machine.slice/machine-box.scope";

	add(group, 200, 1, ours, machine);
	add(group, 201, 200, foreign(1000), machine);
	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(group->n_targets, 1);
	assert_null(target_of(group, 200));
	assert_int_equal(target_of(group, 201)->processes, 1);
	assert_false(list_group_is_shared(group, target_of(group, 201)->place,
					  strlen(target_of(group, 201)->place)));
}

static void a_machine_without_namespaces_is_a_target(void **state)
{
	struct list_group *group = *state;

	add(group, 200, 1, ours, "/machine.slice/machine-qemu.scope");
	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(group->n_targets, 1);
	assert_string_equal(target_of(group, 200)->name, "qemu");
}

static void a_container_cant_pass_for_another_one(void **state)
{
	struct list_group *group = *state;

	add(group, 200, 1, foreign(1000), "/docker/" ID_A);
	add(group, 201, 1, foreign(2000), "/docker/" ID_B);
	add(group, 202, 201, foreign(2000), "/docker/" ID_B "/docker/" ID_A);
	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(target_of(group, 200)->processes, 1);
	assert_true(target_of(group, 202) != target_of(group, 200));
}

static void the_callers_own_container_is_the_host(void **state)
{
	_cleanup_(list_group_done) struct list_group group = LIST_GROUP_INIT;

	(void)state;
	group.ours = ours;
	group.own = SELF;
	add(&group, 1, 0, ours, "/docker/" ID_A);
	add(&group, SELF, 1, ours, "/docker/" ID_A);
	add(&group, 200, 1, foreign(1000), "/docker/" ID_A);
	assert_int_equal(list_group_resolve(&group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(group.n_targets, 1);
	assert_null(target_of(&group, SELF));
	assert_null(target_of(&group, 200)->engine);
}

static void who_came_from_outside_stands_for_a_target(void **state)
{
	struct list_group *group = *state;
	struct namespaces net = only(NAMESPACE_NET, 5000);

	/* an older child, as if the numbers had begun anew */
	add(group, 200, 300, net, "/user.slice/session-1.scope");
	add(group, 300, SELF, net, "/user.slice/session-1.scope");
	add(group, 301, SELF, net, "/user.slice/session-1.scope");
	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(group->n_targets, 1);
	assert_int_equal(first_of(group, &group->targets[0]), 300);

	list_group_replace_first(group, 0);
	assert_int_equal(first_of(group, &group->targets[0]), 200);
	list_group_replace_first(group, 0);
	list_group_replace_first(group, 0);
	assert_int_equal(first_of(group, &group->targets[0]), 0);
	assert_int_equal(group->targets[0].processes, 0);
}

static void only_the_oldest_of_a_pid_namespace_is_asked(void **state)
{
	struct list_group *group = *state;
	struct scan_process process = {.pid = 200,
				       .start = 50,
				       .namespaces = foreign(1000),
				       .cgroup = ""};

	assert_true(list_group_wants_inside(group, &process));
	process.inside = 7; /* entered: its PID is small, since numbers began anew */
	assert_int_equal(list_group_add(group, &process), 0);
	process.start = 51;
	assert_false(list_group_wants_inside(group, &process));
	process.start = 49;
	assert_true(list_group_wants_inside(group, &process));
	process.pid = 201;
	process.inside = 1;
	assert_int_equal(list_group_add(group, &process), 0);
	process.start = 1;
	assert_false(list_group_wants_inside(group, &process));
	process.namespaces = ours;
	assert_false(list_group_wants_inside(group, &process));
	assert_int_equal(list_group_resolve(group, LIST_WITHOUT_HOST), 0);
	assert_int_equal(first_of(group, &group->targets[0]), 201);
}

static void broken_cgroup_files_do_no_harm(void **state)
{
	static const char *const texts[] = {
		"", "\n", ":", "::", "0::", "0:x", "0::\n::\n:::", "0:://", "0::/..\n", "a\nb\nc"};
	struct list_group *group = *state;

	for (size_t i = 0; i < ELEMENTS(texts); i++) {
		struct scan_process process = {.pid = 1000 + (pid_t)i,
					       .parent = 1,
					       .inside = 1,
					       .namespaces = foreign(1000 * (i + 1)),
					       .cgroup = texts[i],
					       .cgroup_size = strlen(texts[i])};

		assert_int_equal(list_group_add(group, &process), 0);
	}
	assert_int_equal(list_group_resolve(group, LIST_WITH_HOST), 0);
	assert_int_equal(group->n_targets, ELEMENTS(texts) + 1);
}

static void a_map_keeps_what_it_was_given(void **state)
{
	_cleanup_(map_done) struct map map = MAP_INIT;

	(void)state;
	assert_true(map_get(&map, "x", 1) == MAP_NONE);
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(map_put(&map, &i, sizeof(i) - i % 4, i), 1);
	for (size_t i = 0; i < 5000; i++) {
		assert_int_equal(map_get(&map, &i, sizeof(i) - i % 4), i);
		assert_int_equal(map_put(&map, &i, sizeof(i) - i % 4, 0), 0);
	}
	assert_int_equal(map_put(&map, "", 0, 7), 1);
	assert_int_equal(map_get(&map, "", 0), 7);
	assert_true(map_get(&map, "x", 1) == MAP_NONE);
}

#define grouped(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cgroups_tell_their_engine),
		cmocka_unit_test(other_cgroups_are_no_containers),
		grouped(the_host_is_listed_only_when_asked_for),
		grouped(the_host_is_one_target),
		grouped(a_container_is_all_of_its_cgroup),
		grouped(containers_of_a_pod_are_apart),
		grouped(who_was_entered_from_outside_belongs_to_the_container),
		grouped(an_unknown_runtimes_container_is_known_by_its_cgroup),
		grouped(a_cgroup_with_processes_of_the_host_is_no_containers),
		grouped(services_with_namespaces_of_their_own_are_units),
		grouped(a_child_of_a_service_of_the_host_isnt_the_service),
		grouped(a_supervisor_in_its_containers_cgroup_is_the_host),
		grouped(a_machine_without_namespaces_is_a_target),
		grouped(a_container_cant_pass_for_another_one),
		cmocka_unit_test(the_callers_own_container_is_the_host),
		grouped(who_came_from_outside_stands_for_a_target),
		grouped(only_the_oldest_of_a_pid_namespace_is_asked),
		grouped(broken_cgroup_files_do_no_harm),
		cmocka_unit_test(a_map_keeps_what_it_was_given),
	};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
