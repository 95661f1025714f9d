/* SPDX-License-Identifier: MIT
 *
 * Asking many at the same time: who answers, who doesn't, and how long that takes. Daemons are sockets of
 * the test's own, which say what the test wants.
 */
#include "unit.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine/engine.h"
#include "engine/source.h"

enum { TIMEOUT_MS = 300, LATE_MS = 250, SUN_PATH = 108 }; /* unix(7) */

static const struct cj_engine_options options = {.size = sizeof(options), .timeout = TIMEOUT_MS};
static const struct engine_request request = {.options = &options, .ref = "web", .root = ""};
static const struct engine fake = {.scheme = "fake"};

/* One container by the name of whatever came over the socket. */
static int add_named(struct source *source, const char *name)
{
	struct container *container = containers_add(&source->found);

	assert_non_null(container);
	container->scheme = source->engine->scheme;
	return container_set(&container->name, name);
}

static int step(struct source *source, struct cj_error *err)
{
	char text[64];
	ssize_t n = io_read(source->fd, text, sizeof(text) - 1);

	source->events = POLLIN;
	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return cj_fail(err, EBADMSG, "understand the daemon");
	text[n] = '\0';
	return add_named(source, text) < 0 ? -ENOMEM : 1;
}

static int look(struct source *source, struct cj_error *err)
{
	(void)err;
	(void)source_read_from(source, "/the/disk");
	return add_named(source, "from disk");
}

static int look_in_vain(struct source *source, struct cj_error *err)
{
	(void)source;
	(void)err;
	return -ENOENT;
}

static const struct source_type with_disk = {.step = step, .look = look};
static const struct source_type without_disk = {.step = step, .look = look_in_vain};

static int listen_at(const struct tree *tree, const char *name, int backlog, char *ret_path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", tree->path, name);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	(void)snprintf(ret_path, SUN_PATH, "%s", address.sun_path);
	return fd;
}

/* A daemon that accepts once and says `text`, NULL: hangs up. */
static pid_t answer_once(int fd, const char *text)
{
	pid_t pid = fork();

	if (pid == 0) {
		int connection = accept(fd, NULL, NULL);

		if (text)
			(void)io_write_all(connection, text, strlen(text));
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void add(struct sources *sources, const struct source_type *type, const char *address)
{
	assert_int_equal(sources_add(sources, type, &fake, &request, address, 0), 0);
}

static int64_t run(struct sources *sources)
{
	int64_t start = clock_ms();

	assert_int_equal(sources_run(sources, NULL), 0);
	return clock_ms() - start;
}

static void assert_found(const struct source *source, enum source_way way, const char *name)
{
	assert_int_equal(source->way, way);
	assert_int_equal(source->found.n, name ? 1 : 0);
	if (name)
		assert_string_equal(source->found.items[0].name, name);
	assert_int_equal(source->fd, -EBADF);
}

static void who_answers_is_believed_and_the_others_are_looked_up_on_disk(void **state)
{
	_cleanup_(sources_done) struct sources sources = SOURCES_INIT;
	const struct tree *tree = *state;
	char good[SUN_PATH], bad[SUN_PATH];
	_cleanup_fd_ int good_fd = listen_at(tree, "good", 8, good);
	_cleanup_fd_ int bad_fd = listen_at(tree, "bad", 8, bad);
	pid_t good_pid = answer_once(good_fd, "web"), bad_pid = answer_once(bad_fd, NULL);

	add(&sources, &with_disk, good);
	add(&sources, &with_disk, bad);
	add(&sources, &with_disk, "/nonexistent/socket");
	add(&sources, &with_disk, NULL);
	add(&sources, &without_disk, "/nonexistent/socket");
	assert_true(run(&sources) < TIMEOUT_MS);
	assert_found(&sources.items[0], SOURCE_ASKED, "web");
	assert_found(&sources.items[1], SOURCE_READ, "from disk");
	assert_int_equal(sources.items[1].asking.code, EBADMSG);
	assert_string_equal(sources.items[1].read_from, "/the/disk");
	assert_found(&sources.items[2], SOURCE_READ, "from disk");
	assert_int_equal(sources.items[2].asking.code, ENOENT);
	assert_found(&sources.items[3], SOURCE_READ, "from disk");
	assert_int_equal(sources.items[3].asking.code, 0);
	assert_found(&sources.items[4], SOURCE_NOBODY, NULL);
	assert_int_equal(waitpid(good_pid, NULL, 0), good_pid);
	assert_int_equal(waitpid(bad_pid, NULL, 0), bad_pid);
}

static void those_that_hang_cost_one_deadline_together(void **state)
{
	_cleanup_(sources_done) struct sources sources = SOURCES_INIT;
	const struct tree *tree = *state;
	int fds[16];
	int64_t took;

	for (size_t i = 0; i < ELEMENTS(fds); i++) {
		char name[16], path[SUN_PATH];

		(void)snprintf(name, sizeof(name), "hung%zu", i);
		fds[i] = listen_at(tree, name, 8, path);
		add(&sources, i % 2 ? &with_disk : &without_disk, path);
	}
	took = run(&sources);
	assert_true(took >= TIMEOUT_MS && took < TIMEOUT_MS + LATE_MS);
	for (size_t i = 0; i < ELEMENTS(fds); i++) {
		assert_found(&sources.items[i], i % 2 ? SOURCE_READ : SOURCE_FAILED,
			     i % 2 ? "from disk" : NULL);
		assert_int_equal(sources.items[i].asking.code, ETIMEDOUT);
		assert_int_equal(sources.items[i].peer, getpid());
		close_fd(&fds[i]);
	}
	assert_int_equal(sources.items[0].error.code, ETIMEDOUT);
}

static void a_full_queue_is_not_waited_for(void **state)
{
	_cleanup_(sources_done) struct sources sources = SOURCES_INIT;
	const struct tree *tree = *state;
	char path[SUN_PATH];
	_cleanup_fd_ int fd = listen_at(tree, "full", 0, path);
	int first;

	for (int i = 0; i < 3; i++)
		add(&sources, &with_disk, path);
	for (first = 0; source_connect(&sources.items[first]) == 0;)
		first++;
	assert_in_range(first, 1, 2);
	assert_int_equal(source_connect(&sources.items[first]), -EAGAIN);
	for (int i = 0; i < first; i++)
		assert_true(sources.items[i].fd >= 0);
	sources_done(&sources);
	sources = (struct sources)SOURCES_INIT;
	(void)fd;
}

static void a_socket_that_the_user_named_has_to_be_there(void **state)
{
	_cleanup_(sources_done) struct sources sources = SOURCES_INIT;

	(void)state;
	add(&sources, &without_disk, "/nonexistent/socket");
	sources.items[0].wanted = true;
	(void)run(&sources);
	assert_found(&sources.items[0], SOURCE_FAILED, NULL);
	assert_int_equal(sources.items[0].error.code, ENOENT);
	assert_names(&sources.items[0].error, "/nonexistent/socket");
}

/* How many sockets are taken for `fake` from these words, or -errno; the first one's path is compared. */
static void assert_wanted(const char *socket, const char *variable, bool bare, int n,
			  const char *path)
{
	_cleanup_(sources_done) struct sources sources = SOURCES_INIT;
	const char *const sockets[] = {socket, NULL};
	struct cj_engine_options own = CJ_ENGINE_OPTIONS_INIT;
	struct engine_request of = {.options = &own, .ref = "web", .bare = bare, .root = ""};
	struct cj_error err = CJ_ERROR_INIT;

	own.sockets = socket ? sockets : NULL;
	assert_int_equal(sources_add_wanted(&sources, &with_disk, &fake, &of, variable, &err), n);
	assert_int_equal(sources.n, n > 0 ? n : 0);
	if (n > 0)
		assert_string_equal(sources.items[0].address, path);
	if (n < 0)
		assert_names(&err, "fake");
}

static void sockets_are_named_for_one_engine_or_for_the_targets(void **state)
{
	(void)state;
	assert_wanted("fake=/run/x", NULL, true, 1, "/run/x");
	assert_wanted("fake=unix:///run/x", NULL, false, 1, "/run/x");
	assert_wanted("fake=unix:/run/x", NULL, false, 1, "/run/x");
	assert_wanted("other=/run/x", NULL, false, 0, NULL);
	assert_wanted("fak=/run/x", NULL, false, 0, NULL);
	assert_wanted("fakes=/run/x", NULL, false, 0, NULL);
	assert_wanted("/run/a=b", NULL, false, 1, "/run/a=b");
	assert_wanted("/run/x", NULL, true, 0, NULL);
	assert_wanted(NULL, "unix:///run/v", true, 1, "/run/v");
	assert_wanted("fake=/run/x", "unix:///run/v", true, 1, "/run/x");
	assert_wanted("other=/run/x", "/run/v", true, 1, "/run/v");
	assert_wanted(NULL, "", true, 0, NULL);
	assert_wanted(NULL, "tcp://127.0.0.1:2375", false, -EINVAL, NULL);
	assert_wanted(NULL, "tcp://127.0.0.1:2375", true, 0, NULL);
	assert_wanted(NULL, "ssh://host/run/x", false, -EINVAL, NULL);
	assert_wanted("fake=relative/x", NULL, false, -EINVAL, NULL);
	assert_wanted("fake=", NULL, false, -EINVAL, NULL);
}

static void an_address_that_is_too_long_is_an_error(void **state)
{
	_cleanup_(sources_done) struct sources sources = SOURCES_INIT;
	char path[200];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	add(&sources, &with_disk, path);
	assert_int_equal(source_connect(&sources.items[0]), -ENAMETOOLONG);
	(void)run(&sources);
	assert_found(&sources.items[0], SOURCE_READ, "from disk");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			who_answers_is_believed_and_the_others_are_looked_up_on_disk, make_tree,
			remove_tree),
		cmocka_unit_test_setup_teardown(those_that_hang_cost_one_deadline_together,
						make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(a_full_queue_is_not_waited_for, make_tree,
						remove_tree),
		cmocka_unit_test(a_socket_that_the_user_named_has_to_be_there),
		cmocka_unit_test(sockets_are_named_for_one_engine_or_for_the_targets),
		cmocka_unit_test(an_address_that_is_too_long_is_an_error),
	};

	return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
