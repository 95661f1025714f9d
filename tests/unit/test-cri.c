/* SPDX-License-Identifier: MIT
 *
 * Containers of Kubernetes: what a word means among them, and what runtimes leave of them on disk.
 */
#include "unit.h"

#include "engine/cri.h"
#include "engine/engine.h"
#include "engine/source.h"

#define ID_A "aa11111111111111111111111111111111111111111111111111111111111111"
#define ID_B "aa22222222222222222222222222222222222222222222222222222222222222"
#define ID_C "cc33333333333333333333333333333333333333333333333333333333333333"
#define ID_D "dd44444444444444444444444444444444444444444444444444444444444444"
#define ID_S "ee55555555555555555555555555555555555555555555555555555555555555"

enum word { K8S, CRI, BARE };

struct asking {
	struct cj_engine_options options;
	struct engine_request request;
	struct source source;
};

static void ask(struct asking *asking, enum word word, const char *ref)
{
	*asking = (struct asking){.options = CJ_ENGINE_OPTIONS_INIT};
	asking->request = (struct engine_request){.options = &asking->options,
						  .ref = ref,
						  .bare = word == BARE,
						  .root = ""};
	asking->source = (struct source){.engine = word == K8S ? &engine_k8s : &engine_cri,
					 .request = &asking->request};
}

/* --- names --- */

static void a_pods_name_has_up_to_three_parts(void **state)
{
	struct pod_name name;
	struct asking asking;

	(void)state;
	ask(&asking, K8S, "cart-7d9");
	assert_int_equal(pod_name_parse(&asking.request, &name, NULL), 0);
	assert_string_equal(name.ns, "");
	assert_string_equal(name.pod, "cart-7d9");
	ask(&asking, K8S, "shop/cart-7d9");
	assert_int_equal(pod_name_parse(&asking.request, &name, NULL), 0);
	assert_string_equal(name.ns, "shop");
	assert_string_equal(name.container, "");
	assert_false(name.is_sandbox);
	ask(&asking, K8S, "shop/cart-7d9/app");
	assert_int_equal(pod_name_parse(&asking.request, &name, NULL), 0);
	assert_string_equal(name.container, "app");
	ask(&asking, K8S, "shop/cart-7d9/");
	assert_int_equal(pod_name_parse(&asking.request, &name, NULL), 0);
	assert_string_equal(name.container, "");
	assert_true(name.is_sandbox);
}

static void what_kubernetes_cant_have_is_refused(void **state)
{
	static const char *const bad[] = {
		"",	 "/",	     "//",	"/pod",	   "ns/",   "ns//",
		"ns//c", "ns/pod//", "a/b/c/d", "Shop",	   "a b",   "a_b",
		"..%",	 "a/b\n/c",  "\033[1m", "a/../b$", "a/b/C",
	};
	static const char *const odd[] = {"..", "../..", "-",
					  "1"}; /* DNS names, as far as we check */
	char longest[POD_NAME_MAX + 2];
	struct pod_name name;
	struct asking asking;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(bad); i++) {
		struct cj_error err = CJ_ERROR_INIT;

		ask(&asking, K8S, bad[i]);
		if (pod_name_parse(&asking.request, &name, &err) != -EINVAL)
			fail_msg("\"%s\" is taken", bad[i]);
		assert_names(&err, "can't be the name");
	}
	for (size_t i = 0; i < ELEMENTS(odd); i++) {
		ask(&asking, K8S, odd[i]);
		assert_int_equal(pod_name_parse(&asking.request, &name, NULL), 0);
	}
	memset(longest, 'a', sizeof(longest));
	longest[POD_NAME_MAX + 1] = '\0';
	ask(&asking, K8S, longest);
	assert_int_equal(pod_name_parse(&asking.request, &name, NULL), -EINVAL);
	longest[POD_NAME_MAX] = '\0';
	assert_int_equal(pod_name_parse(&asking.request, &name, NULL), 0);
}

static void options_fill_what_the_name_leaves_out(void **state)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct pod_name name;
	struct asking asking;

	(void)state;
	ask(&asking, K8S, "cart");
	asking.options.pod_namespace = "shop";
	asking.options.container = "app";
	assert_int_equal(pod_name_parse(&asking.request, &name, NULL), 0);
	assert_string_equal(name.ns, "shop");
	assert_string_equal(name.container, "app");
	asking.request.ref = "shop/cart/app";
	assert_int_equal(pod_name_parse(&asking.request, &name, NULL), 0);
	asking.request.ref = "east/cart";
	assert_int_equal(pod_name_parse(&asking.request, &name, &err), -EINVAL);
	assert_names(&err, "east");
	assert_names(&err, "shop");
	asking.request.ref = "shop/cart/other";
	assert_int_equal(pod_name_parse(&asking.request, &name, NULL), -EINVAL);
	asking.request.ref = "shop/cart/";
	assert_int_equal(pod_name_parse(&asking.request, &name, NULL), -EINVAL);
	asking.request.ref = "cart";
	asking.options.container = "../etc";
	assert_int_equal(pod_name_parse(&asking.request, &name, NULL), -EINVAL);
}

static void a_bare_word_means_both(void **state)
{
	struct cri_query query;
	struct asking asking;

	(void)state;
	ask(&asking, BARE, "app");
	cri_query_init(&query, &asking.source);
	assert_string_equal(query.ref, "app");
	assert_true(query.by_pod);
	ask(&asking, BARE, "My_App");
	cri_query_init(&query, &asking.source);
	assert_string_equal(query.ref, "My_App");
	assert_false(query.by_pod);
	ask(&asking, BARE, "shop/cart");
	cri_query_init(&query, &asking.source);
	assert_null(query.ref);
	assert_true(query.by_pod);
	ask(&asking, BARE, "app");
	asking.options.container = "side";
	cri_query_init(&query, &asking.source);
	assert_null(query.ref);
	assert_true(query.by_pod);
	ask(&asking, CRI, "shop");
	cri_query_init(&query, &asking.source);
	assert_non_null(query.ref);
	assert_false(query.by_pod);
	ask(&asking, CRI, NULL);
	cri_query_init(&query, &asking.source);
	assert_true(query.all);
}

/* --- which one --- */

/* "ns/pod/name" or "name". */
static struct cri_container *add(struct cri_list *list, const char *id, const char *place,
				 enum container_state state, int64_t created)
{
	const char *slash = strchr(place, '/');
	struct cri_container *item;
	char *copy = strdup(place), *rest = copy;

	assert_non_null(copy);
	assert_int_equal(cri_list_add(list, &item), 0);
	assert_int_equal(container_set(&item->container.id, id), 0);
	assert_int_equal(container_set(&item->sandbox, ID_S), 0);
	item->container.state = state;
	item->created = created;
	if (slash) {
		assert_int_equal(container_set(&item->ns, strsep(&rest, "/")), 0);
		assert_int_equal(container_set(&item->pod, strsep(&rest, "/")), 0);
	}
	item->is_sandbox = slash && !*rest;
	assert_int_equal(container_set(&item->short_name, item->is_sandbox ? item->pod : rest), 0);
	free(copy);
	return item;
}

static void match(struct cri_list *list, enum word word, const char *ref)
{
	struct cri_query query;
	struct asking asking;

	ask(&asking, word, ref);
	cri_query_init(&query, &asking.source);
	cri_list_match(list, &query);
}

/* The ids that are left begin with these letters. */
static void assert_left(struct cri_list *list, const char *letters)
{
	char got[16] = "";

	for (size_t i = 0; i < list->n && i + 1 < sizeof(got); i++)
		(void)snprintf(got + i, sizeof(got) - i, "%c", list->items[i].container.id[0]);
	assert_string_equal(got, letters);
	cri_list_done(list);
}

static void the_whole_id_counts_before_all(void **state)
{
	struct cri_list list = CRI_LIST_INIT;

	(void)state;
	add(&list, ID_A, "shop/cart/app", CONTAINER_STOPPED, 1);
	add(&list, ID_B, "shop/cart/app", CONTAINER_RUNNING, 2);
	add(&list, ID_C, "shop/cart/" ID_A, CONTAINER_RUNNING, 2);
	match(&list, CRI, ID_A);
	assert_int_equal(list.items[0].container.state, CONTAINER_STOPPED);
	assert_left(&list, "a");
}

static void the_beginning_of_an_id_counts_last(void **state)
{
	struct cri_list list = CRI_LIST_INIT;

	(void)state;
	add(&list, ID_A, "shop/cart/app", CONTAINER_RUNNING, 1);
	add(&list, ID_B, "shop/cart/side", CONTAINER_STOPPED, 2);
	add(&list, ID_C, "shop/cart/aa", CONTAINER_RUNNING, 2);
	match(&list, CRI, "aa");
	assert_left(&list, "c");
	add(&list, ID_A, "shop/cart/app", CONTAINER_RUNNING, 1);
	add(&list, ID_B, "shop/cart/side", CONTAINER_STOPPED, 2);
	add(&list, ID_S, "shop/cart/", CONTAINER_RUNNING, 2);
	match(&list, CRI, "aa");
	assert_left(&list, "aa");
	add(&list, ID_S, "shop/cart/", CONTAINER_RUNNING, 2);
	match(&list, CRI, "ee5");
	assert_left(&list, "e");
	add(&list, ID_S, "shop/cart/", CONTAINER_RUNNING, 2);
	match(&list, CRI, "e5");
	assert_left(&list, "");
}

static void the_dead_predecessors_of_a_container_dont_count(void **state)
{
	static const char *const words[] = {"shop/cart/app", "shop/cart", "cart"};
	struct cri_list list = CRI_LIST_INIT;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(words); i++) {
		add(&list, ID_A, "shop/cart/app", CONTAINER_STOPPED, 1);
		add(&list, ID_C, "shop/cart/app", CONTAINER_RUNNING, 3);
		add(&list, ID_B, "shop/cart/app", CONTAINER_STOPPED, 2);
		match(&list, K8S, words[i]);
		assert_left(&list, "c");
	}
	/* The newest may have ended, too; then that is what is said. */
	add(&list, ID_C, "shop/cart/app", CONTAINER_STOPPED, 1);
	add(&list, ID_A, "shop/cart/app", CONTAINER_STOPPED, 3);
	match(&list, K8S, "cart");
	assert_left(&list, "a");
	/* Numbers of attempts begin anew with a new pod of the same name. */
	add(&list, ID_A, "shop/cart/app", CONTAINER_STOPPED, 1)->attempt = 7;
	add(&list, ID_C, "shop/cart/app", CONTAINER_STOPPED, 2)->attempt = 0;
	match(&list, CRI, "app");
	assert_left(&list, "c");
	/* Not of Kubernetes: the pod is told by its sandbox. */
	add(&list, ID_A, "app", CONTAINER_STOPPED, 1);
	add(&list, ID_C, "app", CONTAINER_RUNNING, 2);
	match(&list, CRI, "app");
	assert_left(&list, "c");
}

static void of_a_pod_that_which_lives_counts(void **state)
{
	struct cri_list list = CRI_LIST_INIT;

	(void)state;
	add(&list, ID_A, "shop/cart/init", CONTAINER_STOPPED, 9);
	add(&list, ID_C, "shop/cart/app", CONTAINER_RUNNING, 1);
	add(&list, ID_S, "shop/cart/", CONTAINER_RUNNING, 1);
	match(&list, K8S, "shop/cart");
	assert_left(&list, "c");
	add(&list, ID_C, "shop/cart/app", CONTAINER_RUNNING, 1);
	add(&list, ID_D, "shop/cart/side", CONTAINER_CREATED, 1);
	match(&list, K8S, "cart");
	assert_left(&list, "cd");
	add(&list, ID_A, "shop/cart/init", CONTAINER_STOPPED, 9);
	add(&list, ID_C, "shop/cart/app", CONTAINER_RUNNING, 1);
	match(&list, K8S, "cart/init");
	assert_left(&list, "");
	add(&list, ID_A, "shop/cart/init", CONTAINER_STOPPED, 9);
	add(&list, ID_C, "shop/cart/app", CONTAINER_RUNNING, 1);
	match(&list, K8S, "shop/cart/init");
	assert_left(&list, "a");
}

static void pods_of_one_name_are_both_left(void **state)
{
	struct cri_list list = CRI_LIST_INIT;

	(void)state;
	add(&list, ID_A, "east/twin/main", CONTAINER_RUNNING, 1);
	add(&list, ID_C, "west/twin/main", CONTAINER_RUNNING, 2);
	add(&list, ID_D, "west/other/main", CONTAINER_RUNNING, 2);
	match(&list, K8S, "twin");
	assert_left(&list, "ac");
	add(&list, ID_A, "east/twin/main", CONTAINER_RUNNING, 1);
	add(&list, ID_C, "west/twin/main", CONTAINER_RUNNING, 2);
	match(&list, K8S, "west/twin");
	assert_left(&list, "c");
	/* A container and a pod may have the same name. */
	add(&list, ID_A, "east/web/main", CONTAINER_RUNNING, 1);
	add(&list, ID_C, "west/pod/web", CONTAINER_RUNNING, 2);
	match(&list, BARE, "web");
	assert_left(&list, "ac");
}

static void the_sandbox_is_asked_for_by_a_slash(void **state)
{
	struct cri_list list = CRI_LIST_INIT;

	(void)state;
	add(&list, ID_A, "shop/cart/", CONTAINER_STOPPED, 1);
	add(&list, ID_S, "shop/cart/", CONTAINER_RUNNING, 2);
	add(&list, ID_C, "shop/cart/app", CONTAINER_RUNNING, 1);
	match(&list, K8S, "shop/cart/");
	assert_left(&list, "e");
	/* Its name, which is the pod's, isn't a container's. */
	add(&list, ID_S, "shop/cart/", CONTAINER_RUNNING, 2);
	match(&list, CRI, "cart");
	assert_left(&list, "");
}

/* --- on disk --- */

static void write_record(const struct tree *tree, const char *directory, const char *pid_name,
			 const char *annotations, pid_t pid)
{
	char path[512], text[64], config[1024], *slash;

	for (const char *at = directory; (at = strchr(at, '/')); at++) {
		(void)snprintf(path, sizeof(path), "%.*s", (int)(at - directory), directory);
		(void)mkdirat(tree->fd, path, 0755);
	}
	(void)mkdirat(tree->fd, directory, 0755);
	(void)snprintf(path, sizeof(path), "%s/%s", directory, pid_name);
	slash = strrchr(path, '/');
	*slash = '\0';
	(void)mkdirat(tree->fd, path, 0755);
	*slash = '/';
	(void)snprintf(text, sizeof(text), "%d", pid);
	write_text(tree, path, text);
	(void)snprintf(slash, sizeof(path) - (size_t)(slash - path), "/config.json");
	(void)snprintf(config, sizeof(config), "{\"annotations\": {%s}}", annotations);
	write_text(tree, path, config);
}

#define CONTAINERD "run/containerd/io.containerd.runtime.v2.task/k8s.io/"
#define CRIO "run/containers/storage/overlay-containers/"
#define OF_CONTAINERD(kind, name)                                                                  \
	"\"io.kubernetes.cri.container-type\": \"" kind "\", "                                     \
	"\"io.kubernetes.cri.container-name\": \"" name "\", "                                     \
	"\"io.kubernetes.cri.image-name\": \"shop/image:1\", "                                     \
	"\"io.kubernetes.cri.sandbox-id\": \"" ID_S "\", "                                         \
	"\"io.kubernetes.cri.sandbox-name\": \"cart\", "                                           \
	"\"io.kubernetes.cri.sandbox-namespace\": \"shop\""
#define OF_CRIO(kind, name)                                                                        \
	"\"io.kubernetes.cri-o.ContainerType\": \"" kind "\", "                                    \
	"\"io.kubernetes.container.name\": \"" name "\", "                                         \
	"\"io.kubernetes.cri-o.ImageName\": \"shop/image:1\", "                                    \
	"\"io.kubernetes.pod.name\": \"cart\", "                                                   \
	"\"io.kubernetes.pod.namespace\": \"shop\""

/* Asks the engine, and there is no daemon. */
static void look(const struct tree *tree, enum word word, const char *ref, struct sources *sources)
{
	static struct asking asking;
	struct cj_error err = CJ_ERROR_INIT;
	const struct engine *engine = word == K8S ? &engine_k8s : &engine_cri;

	ask(&asking, word, ref);
	asking.request.root = tree->path;
	if (engine->sources(&asking.request, sources, &err) < 0 || sources_run(sources, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(sources->n, 1);
}

static void without_a_daemon_the_disk_tells(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(sources_done) struct sources sources = SOURCES_INIT;
	const struct container *found;
	pid_t dead = spawn_idle();
	char bundle[512];

	end(dead);
	write_record(tree, CONTAINERD ID_A, "init.pid", OF_CONTAINERD("container", "app"), dead);
	write_record(tree, CONTAINERD ID_C, "init.pid", OF_CONTAINERD("container", "app"),
		     getpid());
	write_record(tree, CONTAINERD ID_S, "init.pid", OF_CONTAINERD("sandbox", ""), getpid());
	write_record(tree, CONTAINERD "other", "init.pid", "", getpid());
	write_record(tree, CONTAINERD "broken", "init.pid", "\"", getpid());
	look(tree, K8S, "shop/cart", &sources);
	assert_int_equal(sources.items[0].way, SOURCE_READ);
	assert_int_equal(sources.items[0].found.n, 1);
	found = &sources.items[0].found.items[0];
	assert_string_equal(found->id, ID_C);
	assert_string_equal(found->name, "shop/cart/app");
	assert_string_equal(found->scheme, "k8s");
	assert_string_equal(found->image, "shop/image:1");
	assert_int_equal(found->pid, getpid());
	(void)snprintf(bundle, sizeof(bundle), "%s/" CONTAINERD ID_C, tree->path);
	assert_string_equal(found->bundle, bundle);
	sources_done(&sources);

	look(tree, K8S, "shop/cart/", &sources);
	assert_int_equal(sources.items[0].found.n, 1);
	assert_string_equal(sources.items[0].found.items[0].name, "shop/cart/");
	sources_done(&sources);
	look(tree, CRI, NULL, &sources);
	assert_int_equal(sources.items[0].found.n, 2); /* those that live */
	sources_done(&sources);
	look(tree, CRI, ID_A, &sources);
	assert_int_equal(sources.items[0].found.items[0].state, CONTAINER_STOPPED);
}

static void cri_o_tells_by_other_words(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(sources_done) struct sources sources = SOURCES_INIT;

	write_record(tree, CRIO ID_C, "userdata/pidfile", OF_CRIO("container", "app"), getpid());
	write_record(tree, CRIO ID_S, "userdata/pidfile", OF_CRIO("sandbox", "POD"), getpid());
	write_record(tree, CRIO ID_D, "userdata/pidfile", "\"io.podman\": \"yes\"", getpid());
	look(tree, CRI, NULL, &sources);
	assert_int_equal(sources.items[0].found.n, 2);
	sources_done(&sources);
	look(tree, K8S, "cart", &sources);
	assert_int_equal(sources.items[0].found.n, 1);
	assert_string_equal(sources.items[0].found.items[0].name, "shop/cart/app");
	sources_done(&sources);
	look(tree, K8S, "shop/cart/", &sources);
	assert_string_equal(sources.items[0].found.items[0].id, ID_S);
}

static void without_anything_there_is_nobody(void **state)
{
	_cleanup_(sources_done) struct sources sources = SOURCES_INIT;

	look(*state, CRI, NULL, &sources);
	assert_int_equal(sources.items[0].way, SOURCE_NOBODY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pods_name_has_up_to_three_parts),
		cmocka_unit_test(what_kubernetes_cant_have_is_refused),
		cmocka_unit_test(options_fill_what_the_name_leaves_out),
		cmocka_unit_test(a_bare_word_means_both),
		cmocka_unit_test(the_whole_id_counts_before_all),
		cmocka_unit_test(the_beginning_of_an_id_counts_last),
		cmocka_unit_test(the_dead_predecessors_of_a_container_dont_count),
		cmocka_unit_test(of_a_pod_that_which_lives_counts),
		cmocka_unit_test(pods_of_one_name_are_both_left),
		cmocka_unit_test(the_sandbox_is_asked_for_by_a_slash),
	};
	const struct CMUnitTest disk[] = {
		cmocka_unit_test_setup_teardown(without_a_daemon_the_disk_tells, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(cri_o_tells_by_other_words, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(without_anything_there_is_nobody, make_tree,
						remove_tree),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (!knows_call(SYS_pidfd_open))
		return failed + run_none("disk");
	return failed + cmocka_run_group_tests(disk, NULL, NULL);
}
