/* SPDX-License-Identifier: MIT
 *
 * containerd's names, and what it leaves on disk: where that is, and what is in it.
 */
#include "unit.h"

#include "engine/containerd.h"
#include "engine/engine.h"
#include "engine/source.h"

static void a_name_is_an_id_with_or_without_its_namespace(void **state)
{
	static const char *const bad[] = {
		"", "/", "a/", "/a", "a/b/c", "..", "../a", "a/..", "a b", "a\n", "a%b", "\033",
	};
	struct containerd_name name;
	char longest[600];

	(void)state;
	assert_int_equal(containerd_name_parse("web", &name, NULL), 0);
	assert_string_equal(name.ns, "");
	assert_string_equal(name.id, "web");
	assert_int_equal(containerd_name_parse("k8s.io/3f2a", &name, NULL), 0);
	assert_string_equal(name.ns, "k8s.io");
	assert_string_equal(name.id, "3f2a");
	for (size_t i = 0; i < ELEMENTS(bad); i++)
		if (containerd_name_parse(bad[i], &name, NULL) != -EINVAL)
			fail_msg("\"%s\" is taken", bad[i]);
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(containerd_name_parse(longest, &name, NULL), -EINVAL);
}

static void make_directories(const struct tree *tree, const char *path)
{
	char part[512];

	for (const char *at = path; (at = strchr(at, '/')); at++) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
		(void)mkdirat(tree->fd, part, 0755);
	}
}

static void write_task(const struct tree *tree, const char *state, const char *id, pid_t pid)
{
	char path[512], text[32];

	(void)snprintf(path, sizeof(path), "%s/io.containerd.runtime.v2.task/%s/init.pid", state,
		       id);
	make_directories(tree, path);
	(void)snprintf(text, sizeof(text), "%d", pid);
	write_text(tree, path, text);
}

struct asking {
	struct cj_engine_options options;
	struct engine_request request;
	struct sources sources;
};

static const struct containers *look(const struct tree *tree, const char *ref,
				     struct asking *asking)
{
	struct cj_error err = CJ_ERROR_INIT;

	*asking = (struct asking){.options = CJ_ENGINE_OPTIONS_INIT, .sources = SOURCES_INIT};
	asking->request = (struct engine_request){.options = &asking->options,
						  .ref = ref,
						  .root = tree->path};
	if (engine_containerd.sources(&asking->request, &asking->sources, &err) < 0 ||
	    sources_run(&asking->sources, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(asking->sources.n, 1);
	return &asking->sources.items[0].found;
}

static void expect(const struct tree *tree, const char *ref, size_t n)
{
	struct asking asking;

	assert_int_equal(look(tree, ref, &asking)->n, n);
	sources_done(&asking.sources);
}

static void without_a_daemon_the_disk_tells(void **state)
{
	const struct tree *tree = *state;
	const struct containers *found;
	pid_t dead = spawn_idle();
	struct asking asking;

	end(dead);
	write_task(tree, "run/containerd", "default/web", getpid());
	write_task(tree, "run/containerd", "default/worker", getpid());
	write_task(tree, "run/containerd", "other/web", dead);
	found = look(tree, "default/web", &asking);
	assert_int_equal(found->n, 1);
	assert_string_equal(found->items[0].id, "web");
	assert_string_equal(found->items[0].name, "default/web");
	assert_int_equal(found->items[0].pid, getpid());
	assert_int_equal(found->items[0].state, CONTAINER_UNKNOWN);
	assert_null(found->items[0].labels);
	sources_done(&asking.sources);
	found = look(tree, "other/web", &asking);
	assert_int_equal(found->items[0].state, CONTAINER_STOPPED);
	sources_done(&asking.sources);
	expect(tree, "web", 2);
	expect(tree, "w", 3);
	expect(tree, "default/w", 2);
	expect(tree, "wor", 1);
	expect(tree, "x", 0);
	expect(tree, "nowhere/web", 0);
	expect(tree, NULL, 3);
}

/* What is read when containerd itself answers: nothing beyond which tasks there are. */
static void tasks_of_a_namespace_are_read_by_themselves(void **state)
{
	const struct tree *tree = *state;
	struct containerd_places places;
	struct asking asking;
	struct source *source;

	write_task(tree, "run/containerd", "moby/web", getpid());
	write_task(tree, "run/containerd", "moby/worker", 1);
	write_task(tree, "run/containerd", "default/other", getpid());
	(void)look(tree, NULL, &asking);
	source = &asking.sources.items[0];
	containers_done(&source->found);
	source->found = (struct containers)CONTAINERS_INIT;
	containerd_places_find(source, &places);
	assert_int_equal(containerd_add_tasks(source, &places, "nowhere"), -ENOENT);
	assert_int_equal(source->found.n, 0);
	assert_int_equal(containerd_add_tasks(source, &places, "moby"), 0);
	assert_int_equal(source->found.n, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct container *one = &source->found.items[i];
		bool web = strcmp(one->id, "web") == 0;

		assert_string_equal(one->name, web ? "moby/web" : "moby/worker");
		assert_int_equal(one->pid, web ? getpid() : 1);
		assert_int_equal(one->state, CONTAINER_UNKNOWN);
		assert_non_null(strstr(one->bundle, web ? "/moby/web" : "/moby/worker"));
		assert_null(one->image);
	}
	places.n = 0;
	assert_int_equal(containerd_add_tasks(source, &places, "moby"), -ENOENT);
	assert_int_equal(source->found.n, 2);
	sources_done(&asking.sources);
}

static void its_configuration_says_where_it_is(void **state)
{
	static const char *const configs[] = {
		"version = 2\n state=\"/srv/state\" # here\n[grpc]\nstate = \"/no\"\n",
		"state = '/srv/state'",
		"states = \"/no\"\n\tstate\t=\t\"/srv/state\"\r\n",
	};
	static const char *const useless[] = {
		"[x]\nstate = \"/srv/state\"\n",
		"state = \"/srv/state\n",
		"state = /srv/state\n",
		"#state = \"/srv/state\"\n",
		"",
	};
	const struct tree *tree = *state;

	write_task(tree, "srv/state", "default/web", getpid());
	make_directories(tree, "etc/containerd/x");
	for (size_t i = 0; i < ELEMENTS(configs); i++) {
		write_text(tree, "etc/containerd/config.toml", configs[i]);
		expect(tree, "web", 1);
	}
	for (size_t i = 0; i < ELEMENTS(useless); i++) {
		write_text(tree, "etc/containerd/config.toml", useless[i]);
		expect(tree, "web", 0);
	}
}

static void without_anything_there_is_nobody(void **state)
{
	struct asking asking;

	assert_int_equal(look(*state, NULL, &asking)->n, 0);
	assert_int_equal(asking.sources.items[0].way, SOURCE_NOBODY);
	sources_done(&asking.sources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_an_id_with_or_without_its_namespace),
		cmocka_unit_test_setup_teardown(its_configuration_says_where_it_is, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(without_anything_there_is_nobody, make_tree,
						remove_tree),
	};
	const struct CMUnitTest disk[] = {
		cmocka_unit_test_setup_teardown(without_a_daemon_the_disk_tells, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(tasks_of_a_namespace_are_read_by_themselves,
						make_tree, remove_tree),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (!knows_call(SYS_pidfd_open))
		return failed + run_none("disk");
	return failed + cmocka_run_group_tests(disk, NULL, NULL);
}
