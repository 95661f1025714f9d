/* SPDX-License-Identifier: MIT
 *
 * oci:ID: made-up records of real processes.
 */
#include "engine.h"

#include "engine/find.h"
#include "engine/verify.h"

static void put_runc(const struct tree *tree, const char *id, pid_t pid, uint64_t start)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "/run/runc/%s/state.json", id);
	put(tree, path,
	    "{\"init_process_pid\":%d,\"init_process_start\":%" PRIu64
	    ",\"config\":{\"labels\":[\"bundle=/b/%s\"]}}",
	    pid, start, id);
}

static void put_crun(const struct tree *tree, const char *directory, const char *id, pid_t pid,
		     uint64_t start)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s/status", directory, id);
	put(tree, path, "{\"pid\":%d,\"process-start-time\":%" PRIu64 ",\"bundle\":\"/b\"}", pid,
	    start);
}

static int ask(struct asking *asking, const struct tree *tree, const char *ref)
{
	return ask_engine(asking, tree, &engine_oci, ref);
}

static void the_whole_id_wins_over_a_beginning(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;
	pid_t pid = spawn_idle(), other = spawn_idle();

	put_runc(tree, "web", pid, start_of(pid));
	put_runc(tree, "web2", other, start_of(other));
	assert_int_equal(ask(&asking, tree, "web"), 0);
	assert_string_equal(only(&asking)->id, "web");
	assert_string_equal(only(&asking)->name, "web");
	assert_string_equal(only(&asking)->scheme, "oci");
	assert_string_equal(only(&asking)->bundle, "/b/web");
	assert_int_equal(only(&asking)->pid, pid);
	assert_int_equal(only(&asking)->start, start_of(pid));
	assert_int_equal(only(&asking)->state, CONTAINER_RUNNING);
	assert_int_equal(asking.sources.items[0].way, SOURCE_READ);
	end(pid);
	end(other);
}

static void all_that_begin_so_are_told(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking, none;
	pid_t pid = spawn_idle();

	put_runc(tree, "web1", pid, start_of(pid));
	put_crun(tree, "/run/crun", "web2", pid, start_of(pid));
	put_crun(tree, "/run/crun", "db", pid, start_of(pid));
	assert_int_equal(ask(&asking, tree, "we"), 0);
	assert_non_null(found(&asking, 1));
	assert_null(found(&asking, 2));
	assert_int_equal(ask(&none, tree, "eb"), 0);
	assert_null(found(&none, 0));
	end(pid);
}

/* Whatever stands before it in a directory, and wherever it lies. */
static void a_bare_word_is_an_id_before_a_beginning(void **state)
{
	static const char *const refs[] = {"web", "we", "db", "eb"};
	static const size_t n[] = {1, 3, 1, 0};
	const struct tree *tree = *state;
	pid_t pid = spawn_idle();

	put_runc(tree, "web1", pid, start_of(pid));
	put_crun(tree, "/run/crun", "web2", pid, start_of(pid));
	put_crun(tree, "/run/crun", "web", pid, start_of(pid));
	put_crun(tree, "/run/crun", "db1", pid, start_of(pid));
	for (size_t i = 0; i < ELEMENTS(refs); i++) {
		_cleanup_(asking_done) struct asking asking;

		assert_int_equal(ask(&asking, tree, refs[i]), 0);
		assert_int_equal(asking.sources.items[0].found.n, n[i]);
		containers_done(&asking.sources.items[0].found);
		asking.sources.items[0].found = (struct containers)CONTAINERS_INIT;
		asking.request.bare = true;
		assert_int_equal(sources_run(&asking.sources, &asking.err), 0);
		assert_int_equal(asking.sources.items[0].found.n, n[i]);
		if (i == 0)
			assert_string_equal(asking.sources.items[0].found.items[0].id, "web");
	}
	end(pid);
}

static void what_does_not_run_says_so(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking gone, recycled, created, zombie, list;
	pid_t pid = spawn_idle(), dead = spawn_idle(), ended = spawn_idle();
	uint64_t start = start_of(dead);

	make_zombie(ended);
	put_runc(tree, "zombie", ended, start_of(ended));
	put_runc(tree, "gone", dead, start);
	end(dead);
	put_runc(tree, "recycled", pid, start_of(pid) + 1);
	put_runc(tree, "created", pid, start_of(pid));
	put(tree, "/run/runc/created/exec.fifo", "%s", "");
	assert_int_equal(ask(&gone, tree, "gone"), 0);
	assert_int_equal(only(&gone)->state, CONTAINER_STOPPED);
	assert_int_equal(only(&gone)->pid, 0);
	assert_int_equal(ask(&recycled, tree, "recycled"), 0);
	assert_int_equal(only(&recycled)->state, CONTAINER_STOPPED);
	assert_int_equal(only(&recycled)->pid, 0);
	assert_int_equal(ask(&zombie, tree, "zombie"), 0);
	assert_int_equal(only(&zombie)->state, CONTAINER_STOPPED);
	assert_int_equal(ask(&created, tree, "created"), 0);
	assert_int_equal(only(&created)->state, CONTAINER_CREATED);
	assert_int_equal(ask(&list, tree, NULL), 0); /* those with a process */
	assert_string_equal(only(&list)->id, "created");
	assert_int_equal(waitpid(ended, NULL, 0), ended);
	end(pid);
}

static void users_containers_are_theirs(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;
	struct pidref ref = PIDREF_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	pid_t pid = spawn_idle();
	char path[PATH_MAX];

	if (geteuid() != 0) {
		end(pid);
		skip();
	}
	put_crun(tree, "/run/user/54321/crun", "web", pid, start_of(pid));
	(void)snprintf(path, sizeof(path), "%s/run/user/54321", tree->path);
	assert_int_equal(chown(path, 54321, 54321), 0);
	assert_int_equal(ask(&asking, tree, "web"), 0);
	assert_int_equal(only(&asking)->owner, 54321);
	/* and so a user can't name a process of ours */
	assert_int_equal(container_open(only(&asking), &ref, &err), -EPERM);
	end(pid);
}

static void what_is_no_id_is_refused(void **state)
{
	static const char *const refs[] = {"", ".", "..", "a/b", "a b", "\n", "%n", "-"};
	const struct tree *tree = *state;

	for (size_t i = 0; i < ELEMENTS(refs) - 1; i++) {
		_cleanup_(asking_done) struct asking asking;

		assert_int_equal(ask(&asking, tree, refs[i]), -EINVAL);
		asking.err = (struct cj_error)CJ_ERROR_INIT;
		asking.request.bare = true;
		assert_int_equal(engine_oci.sources(&asking.request, &asking.sources, &asking.err),
				 0);
		assert_int_equal(asking.sources.n, 0);
	}
}

static void without_a_runtime_it_is_not_here(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking none, empty;

	assert_int_equal(ask(&none, tree, "web"), 0);
	assert_int_equal(none.sources.items[0].way, SOURCE_NOBODY);
	put(tree, "/run/runc/", "%s", "");
	assert_int_equal(ask(&empty, tree, "web"), 0);
	assert_int_equal(empty.sources.items[0].way, SOURCE_READ);
	assert_null(found(&empty, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_whole_id_wins_over_a_beginning),
		TEST(all_that_begin_so_are_told),
		TEST(a_bare_word_is_an_id_before_a_beginning),
		TEST(what_does_not_run_says_so),
		TEST(users_containers_are_theirs),
		TEST(what_is_no_id_is_refused),
		TEST(without_a_runtime_it_is_not_here),
	};

	if (!knows_call(SYS_openat2))
		return run_none("oci");
	return cmocka_run_group_tests_name("oci", tests, NULL, NULL);
}
