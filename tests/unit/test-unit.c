/* SPDX-License-Identifier: MIT
 *
 * unit:NAME: a made-up tree of cgroups with real processes.
 */
#include "engine.h"

#include "engine/first.h"

#define CGROUPS "/sys/fs/cgroup"

static int ask(struct asking *asking, const struct tree *tree, const char *ref)
{
	return ask_engine(asking, tree, &engine_unit, ref);
}

static void put_procs(const struct tree *tree, const char *cgroup, pid_t pid)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), CGROUPS "%s/cgroup.procs", cgroup);
	if (pid)
		put(tree, path, "%d\n", pid);
	else
		put(tree, path, "%s", "");
}

static void a_unit_is_found_in_its_slice(void **state)
{
	static const struct {
		const char *ref, *name, *cgroup;
	} cases[] = {
		{"nginx.service", "nginx.service", "/system.slice/nginx.service"},
		{"nginx", "nginx.service", "/system.slice/nginx.service"},
		{"x@1", "x@1.service", "/system.slice/system-x.slice/x@1.service"},
		{"session-3.scope", "session-3.scope",
		 "/user.slice/user-1000.slice/session-3.scope"},
		{"a\\x2db", "a\\x2db.service", "/system.slice/a\\x2db.service"},
		{"cpu", "cpu.service", "/system.slice/_cpu.service"},
		{"_x", "_x.service", "/system.slice/__x.service"},
		{"init.scope", "init.scope", "/init.scope"},
		{"user@1000", "user@1000.service", "/user.slice/user-1000.slice/user@1000.service"},
	};
	const pid_t pid = spawn_idle();

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		_cleanup_(asking_done) struct asking asking;
		void *own = NULL;

		assert_int_equal(make_tree(&own), 0);
		put_procs(own, cases[i].cgroup, pid);
		assert_int_equal(ask(&asking, own, cases[i].ref), 0);
		assert_string_equal(only(&asking)->name, cases[i].name);
		assert_int_equal(only(&asking)->pid, pid);
		assert_int_equal(only(&asking)->state, CONTAINER_RUNNING);
		assert_int_equal(only(&asking)->owner, 0);
		assert_string_equal(only(&asking)->cgroup_word, strrchr(cases[i].cgroup, '/') + 1);
		assert_int_equal(remove_tree(&own), 0);
	}
	end(pid);
}

static void what_users_run_is_theirs(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;
	const pid_t pid = spawn_idle(), other = spawn_idle();

	put_procs(tree, "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service", pid);
	put_procs(tree, "/user.slice/user-1001.slice/user@1001.service/web.service", other);
	put_procs(tree, "/system.slice/web.service", other);
	assert_int_equal(ask(&asking, tree, "web"), 0);
	assert_int_equal(found(&asking, 0)->owner, 0); /* the system's first */
	assert_true(found(&asking, 1)->owner == 1000 || found(&asking, 1)->owner == 1001);
	assert_int_equal(found(&asking, 1)->owner + found(&asking, 2)->owner, 2001);
	assert_null(found(&asking, 3));
	end(pid);
	end(other);
}

/* Whoever runs there may have made any cgroup. */
static void what_is_delegated_is_not_searched(void **state)
{
	static const char *const cgroups[] = {
		"/system.slice/docker-0123.scope/system.slice/web.service",
		"/system.slice/app.service/web.service",
		"/docker/0123/system.slice/web.service",
		"/system.slice/xweb.service",
		"/lxc.payload.box/system.slice/web.service",
		"/kubepods.slice/kubepods-pod1.slice/web.service",
		"/user.slice/user@x.service/web.service",
		"/user.slice/user-1000.slice/user@1000.service/a.service/web.service",
		"/user.slice/user@1000.service/a.slice/user@0.service/web.service",
	};
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;
	const pid_t pid = spawn_idle();

	for (size_t i = 0; i < ELEMENTS(cgroups); i++)
		put_procs(tree, cgroups[i], pid);
	assert_int_equal(ask(&asking, tree, "web"), 0);
	assert_null(found(&asking, 0));
	assert_int_equal(asking.sources.items[0].way, SOURCE_READ);
	end(pid);
}

static void the_first_process_is_the_oldest(void **state)
{
	const struct tree *tree = *state;
	const pid_t child = spawn_idle(), older = getpid();
	struct first first;
	char path[PATH_MAX];

	put(tree, "/a/cgroup.procs", "%d\n%d\n0\n", child, older);
	put(tree, "/b/init.scope/cgroup.procs", "%d\n", child);
	put(tree, "/b/cgroup.procs", "%s", "");
	put(tree, "/c/cgroup.procs", "%d\n", child);
	put(tree, "/c/below/cgroup.procs", "%d\n", older);
	put(tree, "/d/cgroup.procs", "%s", "4194304\nx\n");
	(void)snprintf(path, sizeof(path), "%s/a", tree->path);
	assert_int_equal(cgroup_first_process(path, &first), 0);
	assert_int_equal(first.pid, older);
	assert_int_equal(first.start, start_of(older));
	path[strlen(path) - 1] = 'b'; /* it has no processes itself */
	assert_int_equal(cgroup_first_process(path, &first), 0);
	assert_int_equal(first.pid, child);
	path[strlen(path) - 1] = 'c'; /* it has */
	assert_int_equal(cgroup_first_process(path, &first), 0);
	assert_int_equal(first.pid, child);
	path[strlen(path) - 1] = 'd';
	assert_int_equal(cgroup_first_process(path, &first), -ENOENT);
	path[strlen(path) - 1] = 'e';
	assert_int_equal(cgroup_first_process(path, &first), -ENOENT);
	end(child);
}

static void the_child_in_another_pid_namespace_is_found(void **state)
{
	const pid_t plain = spawn_idle(), inside = spawn_inside();
	struct first first;

	(void)state;
	assert_int_equal(first_child_inside(getpid(), &first), 0);
	assert_int_equal(first.pid, inside);
	assert_int_equal(first.start, start_of(inside));
	assert_int_equal(first_child_inside(plain, &first), -ENOENT);
	end(inside);
	assert_int_equal(first_child_inside(getpid(), &first), -ENOENT);
	end(plain);
	assert_int_equal(first_child_inside(plain, &first), -ENOENT);
}

static void a_unit_without_a_process_is_stopped(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;

	put_procs(tree, "/system.slice/web.service", 0);
	assert_int_equal(ask(&asking, tree, "web"), 0);
	assert_int_equal(only(&asking)->state, CONTAINER_STOPPED);
	assert_int_equal(only(&asking)->pid, 0);
}

static void what_has_no_process_is_refused(void **state)
{
	static const char *const refs[] = {"",	 "a.slice", "a.target",	  "a.timer", "a/b", "a b",
					   "..", ".",	    "@1.service", "a\n",     "%s/"};
	const struct tree *tree = *state;

	for (size_t i = 0; i < ELEMENTS(refs); i++) {
		_cleanup_(asking_done) struct asking asking;

		assert_int_equal(ask(&asking, tree, refs[i]), -EINVAL);
		asking.err = (struct cj_error)CJ_ERROR_INIT;
		asking.request.bare = true; /* another engine may know it */
		assert_int_equal(engine_unit.sources(&asking.request, &asking.sources, &asking.err),
				 0);
		assert_int_equal(asking.sources.n, 0);
	}
}

static void units_are_no_containers_to_be_listed(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;

	put_procs(tree, "/system.slice/web.service", getpid());
	assert_int_equal(ask(&asking, tree, NULL), 0);
	assert_int_equal(asking.sources.n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_unit_is_found_in_its_slice),
		TEST(what_users_run_is_theirs),
		TEST(what_is_delegated_is_not_searched),
		TEST(the_first_process_is_the_oldest),
		cmocka_unit_test(the_child_in_another_pid_namespace_is_found),
		TEST(a_unit_without_a_process_is_stopped),
		TEST(what_has_no_process_is_refused),
		TEST(units_are_no_containers_to_be_listed),
	};

	return cmocka_run_group_tests_name("unit", tests, NULL, NULL);
}
