/* SPDX-License-Identifier: MIT
 *
 * Records of runtimes: where they are looked for, and what is read of them.
 */
#include "engine.h"

#include "engine/state.h"

struct seen {
	struct state states[16];
	size_t n;
	int result; /* of each call */
};

static struct seen seen;

static int see(const struct state *state, void *data)
{
	(void)data;
	assert_true(seen.n < ELEMENTS(seen.states));
	seen.states[seen.n++] = *state;
	return seen.result;
}

static const struct state *seen_of(const char *id)
{
	for (size_t i = 0; i < seen.n; i++)
		if (strcmp(seen.states[i].id, id) == 0)
			return &seen.states[i];
	fail_msg("%s wasn't seen", id);
	return NULL;
}

static struct cj_engine_options options = CJ_ENGINE_OPTIONS_INIT;
static struct engine_request request;

static struct state_query query_for(const struct tree *tree)
{
	struct state_query query = STATE_QUERY_INIT;

	seen.n = 0;
	seen.result = 0;
	request = (struct engine_request){.options = &options, .root = tree->path};
	query.request = &request;
	return query;
}

#define RUNC                                                                                       \
	"{\"init_process_pid\":%d,\"init_process_start\":%d,"                                      \
	"\"config\":{\"labels\":[\"x=y\",\"bundle=/b/%s\"]}}"
#define CRUN "{\"pid\":%d,\"process-start-time\":%d,\"bundle\":\"/b/%s\"}"

static void put_everywhere(const struct tree *tree)
{
	put(tree, "/run/runc/a/state.json", RUNC, 11, 1, "a");
	put(tree, "/run/crun/b/status", CRUN, 12, 2, "b");
	put(tree, "/run/docker/runtime-runc/moby/c/state.json", RUNC, 13, 3, "c");
	put(tree, "/run/containerd/runc/k8s.io/d/state.json", RUNC, 14, 4, "d");
	put(tree, "/run/containerd/io.containerd.runtime.v2.task/k8s.io/e/init.pid", "15");
	put(tree, "/run/containers/storage/overlay-containers/f/userdata/pidfile", "16\n");
	put(tree, "/run/user/54321/runc/g/state.json", RUNC, 17, 7, "g");
	put(tree, "/run/user/54321/crun/h/status", CRUN, 18, 8, "h");
	put(tree, "/run/user/54321/docker/runtime-runc/moby/i/state.json", RUNC, 19, 9, "i");
	put(tree, "/run/user/54321/containers/overlay-containers/j/userdata/pidfile", "20");
}

static void every_place_is_visited(void **state)
{
	const struct tree *tree = *state;
	struct state_query query = query_for(tree);
	struct state_user user = {.uid = 54321, .fd = -EBADF};
	char id[2] = "a";

	put_everywhere(tree);
	assert_int_equal(states_visit(&query, see, NULL), 0);
	assert_int_equal(seen.n, 6); /* nobody's user's */
	query = query_for(tree);
	query.users = &user;
	query.n_users = 1;
	assert_int_equal(states_visit(&query, see, NULL), 0);
	assert_int_equal(seen.n, 10);
	for (int i = 0; i < 10; i++, id[0]++) {
		const struct state *one = seen_of(id);

		assert_int_equal(one->pid, 11 + i);
		assert_int_equal(one->owner, i < 6 ? 0 : 54321);
		if (one->layout == STATE_RUNC || one->layout == STATE_CRUN) {
			assert_true(one->has_start);
			assert_int_equal(one->start, 1 + i);
			assert_int_equal(strncmp(one->bundle, "/b/", 3), 0);
			assert_string_equal(one->bundle + 3, id);
		} else {
			assert_false(one->has_start);
			assert_non_null(strstr(one->bundle, tree->path));
		}
	}
	assert_true(query.present);
	assert_int_equal(query.unreadable, 0);
	state_users_done(&user, 1);
}

static void one_id_is_found_wherever_it_lies(void **state)
{
	const struct tree *tree = *state;
	struct state_user user = {.uid = 54321, .fd = -EBADF};
	struct state one;

	put_everywhere(tree);
	for (char id[2] = "a"; id[0] <= 'j'; id[0]++) {
		struct state_query query = query_for(tree);

		query.users = &user;
		query.n_users = 1;
		query.id = id;
		assert_int_equal(states_visit(&query, see, NULL), 0);
		assert_int_equal(seen.n, 1);
		assert_int_equal(state_find(&query, 0, &one), 0);
		assert_int_equal(one.pid, 11 + id[0] - 'a');
		assert_int_equal(state_find(&query, one.pid, &one), 0);
		assert_int_equal(state_find(&query, one.pid + 1, &one), -ENOENT);
	}
	state_users_done(&user, 1);
}

static void only_the_wanted_layouts_and_beginnings_count(void **state)
{
	const struct tree *tree = *state;
	struct state_query query = query_for(tree);

	put_everywhere(tree);
	put(tree, "/run/runc/abc/state.json", RUNC, 30, 1, "abc");
	put(tree, "/run/crun/abd/status", CRUN, 31, 1, "abd");
	query.layouts = STATE_BIT(STATE_RUNC);
	assert_int_equal(states_visit(&query, see, NULL), 0);
	assert_int_equal(seen.n, 4);
	query = query_for(tree);
	query.prefix = "ab";
	assert_int_equal(states_visit(&query, see, NULL), 0);
	assert_int_equal(seen.n, 2);
	/* Docker's ids are of hexadecimal digits: what else begins there isn't looked for. */
	put(tree, "/run/docker/runtime-runc/moby/wx/state.json", RUNC, 32, 1, "wx");
	put(tree, "/run/docker/runtime-runc/other/wy/state.json", RUNC, 33, 1, "wy");
	query = query_for(tree);
	query.prefix = "w";
	assert_int_equal(states_visit(&query, see, NULL), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen_of("wy")->pid, 33);
	query = query_for(tree);
	query.prefix = "c";
	assert_int_equal(states_visit(&query, see, NULL), 0);
	assert_int_equal(seen.n, 1);
	query = query_for(tree);
	query.id = "wx"; /* but by the whole of it it's found */
	assert_int_equal(states_visit(&query, see, NULL), 0);
	assert_int_equal(seen.n, 1);
	query = query_for(tree);
	seen.result = 5; /* the first one ends it */
	assert_int_equal(states_visit(&query, see, NULL), 5);
	assert_int_equal(seen.n, 1);
}

static void what_was_not_started_is_told(void **state)
{
	const struct tree *tree = *state;
	struct state_query query = query_for(tree);

	put_everywhere(tree);
	put(tree, "/run/runc/a/exec.fifo", "%s", "");
	put(tree, "/run/crun/b/exec.fifo", "%s", "");
	assert_int_equal(states_visit(&query, see, NULL), 0);
	assert_true(seen_of("a")->created);
	assert_true(seen_of("b")->created);
	assert_false(seen_of("c")->created);
}

static void broken_records_are_no_records(void **state)
{
	static const char *const broken[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"pid\":\"1\"}",
		"{\"pid\":1}",
		"{\"pid\":0,\"process-start-time\":1,\"bundle\":\"/b\"}",
		"{\"pid\":9999999999,\"process-start-time\":1,\"bundle\":\"/b\"}",
		"{\"pid\":1,\"process-start-time\":1,\"bundle\":\"relative\"}",
		"{\"pid\":1,\"process-start-time\":1}",
	};
	const struct tree *tree = *state;

	for (size_t i = 0; i < ELEMENTS(broken); i++) {
		struct state_query query = query_for(tree);

		put(tree, "/run/crun/x/status", "%s", broken[i]);
		put(tree, "/run/containerd/io.containerd.runtime.v2.task/n/x/init.pid", "%s",
		    "12x");
		assert_int_equal(states_visit(&query, see, NULL), 0);
		assert_int_equal(seen.n, 0);
		assert_int_equal(query.unreadable, 0);
	}
}

static void what_cannot_be_read_is_told(void **state)
{
	const struct tree *tree = *state;
	struct state_query query = query_for(tree);
	char path[PATH_MAX];

	put_everywhere(tree);
	(void)snprintf(path, sizeof(path), "%s/run/crun/b/status", tree->path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(states_visit(&query, see, NULL), 0);
	assert_int_equal(seen.n, 5);
	assert_int_equal(query.unreadable, ELOOP);
	assert_non_null(strstr(query.unreadable_path, "/run/crun/b"));
}

static void what_is_no_id_is_not_looked_up(void **state)
{
	static const char *const ids[] = {"", ".", "..", "a/b", "../runc/a", "a b", "%s", "a\n"};
	const struct tree *tree = *state;

	put_everywhere(tree);
	put(tree, "/run/state.json", RUNC, 30, 1, "x");
	put(tree, "/run/runc/state.json", RUNC, 30, 1, "x");
	for (size_t i = 0; i < ELEMENTS(ids); i++) {
		struct state_query query = query_for(tree);

		query.id = ids[i];
		assert_int_equal(states_visit(&query, see, NULL), 0);
		assert_int_equal(seen.n, 0);
	}
}

static void another_users_config_is_read_too(void **state)
{
	const struct tree *tree = *state;
	struct state_query query = query_for(tree);
	struct state_user user = {.uid = 54321, .fd = -EBADF};
	_cleanup_(bytes_done) struct bytes config = BYTES_INIT, none = BYTES_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	char path[PATH_MAX];
	struct state one;

	put_everywhere(tree);
	put(tree, "/b/h/config.json", "config");
	query.users = &user;
	query.n_users = 1;
	query.id = "h";
	assert_int_equal(chmod(tree->path, 0755), 0); /* the user has to get there */
	assert_int_equal(state_find(&query, 0, &one), 0);
	assert_int_equal(state_read_config(&one, &config, path, &err), 0);
	assert_string_equal(config.data, "config");
	assert_non_null(strstr(path, "/b/h/config.json"));
	(void)snprintf(path, sizeof(path), "%s/b/h/config.json", tree->path);
	if (geteuid() == 0) { /* by the user's rights, and not ours */
		assert_int_equal(chmod(path, 0600), 0);
		assert_int_equal(state_read_config(&one, &none, path, &err), -EACCES);
		(void)snprintf(path, sizeof(path), "%s/b/h/config.json", tree->path);
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0666), 0); /* must not wait */
	assert_int_equal(state_read_config(&one, &none, path, &err), -EINVAL);
	state_users_done(&user, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_place_is_visited),
		TEST(one_id_is_found_wherever_it_lies),
		TEST(only_the_wanted_layouts_and_beginnings_count),
		TEST(what_was_not_started_is_told),
		TEST(broken_records_are_no_records),
		TEST(what_cannot_be_read_is_told),
		TEST(what_is_no_id_is_not_looked_up),
		TEST(another_users_config_is_read_too),
	};

	if (!knows_call(SYS_openat2))
		return run_none("state");
	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
