/* SPDX-License-Identifier: MIT
 *
 * lxc:NAME: monitors of our own making that tell the truth or don't. Not here: their messages
 * (test-lxc-api.c).
 */
#include "engine.h"

#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine/lxc_api.h"

static size_t pack(char *buf, int result, int data_size, uintptr_t data)
{
	const struct lxc_answer answer = {result, data_size, data};

	memcpy(buf, &answer, sizeof(answer));
	return sizeof(answer);
}

struct monitor {
	int fd;
	pid_t server;
};

/* What a monitor answers, by command; each on a connection of its own. */
struct answers {
	int state, pid;
	const char *name; /* NULL: the connection is closed */
	bool mute;
};

static void serve(int fd, const struct answers *answers)
{
	for (;;) {
		struct lxc_request request;
		char buf[128];
		size_t n = sizeof(struct lxc_answer);
		int client = accept(fd, NULL, NULL);

		if (answers->mute)
			continue;
		if (recv(client, &request, sizeof(request), MSG_WAITALL) != sizeof(request))
			_exit(1);
		if (request.command == LXC_GET_STATE) {
			n = pack(buf, 0, 0, (uintptr_t)answers->state);
		} else if (request.command == LXC_GET_INIT_PID) {
			n = pack(buf, 0, 0, (uintptr_t)answers->pid);
		} else if (request.command == LXC_GET_NAME && answers->name) {
			n = pack(buf, 0, (int)strlen(answers->name) + 1, 1);
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s", answers->name) + 1;
		} else {
			n = 0;
		}
		/* in two parts, as a stream may come */
		if (n > 0 && (send(client, buf, 3, MSG_NOSIGNAL) != 3 ||
			      send(client, buf + 3, n - 3, MSG_NOSIGNAL) < 0))
			_exit(2);
		close(client);
	}
}

static int listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path + 1, name, strlen(name));
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

static struct monitor start_monitor(const char *name, const struct answers *answers)
{
	struct monitor monitor = {.fd = listen_at(name)};

	monitor.server = fork();
	if (monitor.server == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(monitor.fd, answers);
	}
	return monitor;
}

static void stop_monitor(struct monitor *monitor)
{
	end(monitor->server);
	close_fd(&monitor->fd);
}

static void name_socket(const struct tree *tree, const char *name, char buf[108])
{
	(void)snprintf(buf, 108, "%s/%s/command", tree->path, name);
}

static void ask(struct asking *asking, const struct tree *tree, const char *ref)
{
	assert_int_equal(ask_engine(asking, tree, &engine_lxc, ref), 0);
}

static void a_monitor_names_the_process(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;
	const pid_t pid = spawn_inside();
	struct answers answers = {.state = 2, .pid = pid};
	struct monitor monitor;
	char name[108];

	name_socket(tree, "web", name);
	monitor = start_monitor(name, &answers);
	ask(&asking, tree, "web");
	assert_string_equal(only(&asking)->name, "web");
	assert_string_equal(only(&asking)->scheme, "lxc");
	assert_int_equal(only(&asking)->state, CONTAINER_RUNNING);
	assert_int_equal(only(&asking)->pid, pid);
	assert_int_equal(only(&asking)->start,
			 start_of(pid)); /* its parent runs as the monitor's user */
	assert_int_equal(only(&asking)->owner, geteuid());
	assert_int_equal(asking.sources.items[0].way, SOURCE_ASKED);
	stop_monitor(&monitor);
	end(pid);
}

static void a_process_that_is_nobodys_container_is_not_pinned(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;
	const pid_t pid = spawn_idle(); /* in our own pid namespace */
	struct answers answers = {.state = 6, .pid = pid};
	struct monitor monitor;
	char name[108];

	name_socket(tree, "web", name);
	monitor = start_monitor(name, &answers);
	ask(&asking, tree, "web");
	assert_int_equal(only(&asking)->state, CONTAINER_PAUSED);
	assert_int_equal(only(&asking)->start, 0);
	assert_string_equal(only(&asking)->cgroup_word, "lxc.payload.web");
	stop_monitor(&monitor);
	end(pid);
}

/* Who calls itself something else, a shell of root's say, watches over no container of LXC's. */
static void the_child_of_anybody_is_not_pinned(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;
	const pid_t pid = spawn_inside();
	struct answers answers = {.state = 2, .pid = pid};
	struct monitor monitor;
	char name[108];

	name_socket(tree, "web", name);
	monitor = start_monitor(name, &answers);
	assert_int_equal(prctl(PR_SET_NAME, "sh"), 0);
	ask(&asking, tree, "web");
	assert_int_equal(prctl(PR_SET_NAME, "lxc-unit"), 0);
	assert_int_equal(only(&asking)->pid, pid);
	assert_int_equal(only(&asking)->start, 0);
	stop_monitor(&monitor);
	end(pid);
}

/* Whoever may listen names any child of any monitor. */
static void the_child_of_another_containers_monitor_is_not_pinned(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;
	const pid_t pid = spawn_inside();
	struct answers answers = {.state = 2, .pid = pid};
	struct monitor monitor;
	char name[108];

	name_socket(tree, "eb", name); /* we are called the monitor of "web" */
	monitor = start_monitor(name, &answers);
	ask(&asking, tree, "eb");
	assert_int_equal(only(&asking)->pid, pid);
	assert_int_equal(only(&asking)->start, 0);
	stop_monitor(&monitor);
	end(pid);
}

/* A process of another user's, that has a child in another pid namespace. */
static pid_t spawn_watcher(uid_t uid, pid_t *ret_child)
{
	int report[2];
	pid_t pid;

	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		pid_t child;

		if (unshare(CLONE_NEWPID) < 0)
			_exit(1);
		child = fork();
		/* Both, or the signal of one wouldn't be let through to the other. */
		if (setresuid(uid, uid, uid) < 0)
			_exit(1);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (child == 0) {
			close_fd(&report[1]);
			for (;;)
				pause();
		}
		if (write(report[1], &child, sizeof(child)) != sizeof(child))
			_exit(1);
		for (;;)
			pause();
	}
	close_fd(&report[1]);
	assert_int_equal(read(report[0], ret_child, sizeof(*ret_child)), sizeof(*ret_child));
	close_fd(&report[0]);
	return pid;
}

static void a_container_of_another_users_monitor_is_not_pinned(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;
	struct answers answers = {.state = 2};
	struct monitor monitor;
	char name[108];
	pid_t watcher;

	if (geteuid() != 0)
		skip();
	watcher = spawn_watcher(54321, &answers.pid);
	name_socket(tree, "web", name);
	monitor = start_monitor(name, &answers);
	ask(&asking, tree, "web");
	assert_int_equal(only(&asking)->pid, answers.pid);
	assert_int_equal(only(&asking)->start, 0);
	stop_monitor(&monitor);
	(void)kill(answers.pid, SIGKILL); /* it may not have asked for the signal yet */
	end(watcher);
}

static void one_that_does_not_run_has_no_process(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;
	struct answers answers = {.state = 0, .pid = 1};
	struct monitor monitor;
	char name[108];

	name_socket(tree, "web", name);
	monitor = start_monitor(name, &answers);
	ask(&asking, tree, "web");
	assert_int_equal(only(&asking)->state, CONTAINER_STOPPED);
	assert_int_equal(only(&asking)->pid, 0);
	stop_monitor(&monitor);
}

static void a_hash_stands_for_a_name_that_is_asked_for(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking, other;
	const pid_t pid = spawn_inside();
	struct answers answers = {.state = 2, .pid = pid, .name = "unit-test-long"};
	struct monitor monitor = start_monitor("lxc/00c0ffee00c0ffee/command", &answers);

	ask(&asking, tree, "unit-test-long");
	assert_string_equal(only(&asking)->name, "unit-test-long");
	assert_int_equal(only(&asking)->pid, pid);
	ask(&other, tree, "unit-test-other");
	assert_null(found(&other, 0));
	stop_monitor(&monitor);
	end(pid);
}

static void the_same_name_in_two_places_is_found_twice(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;
	const pid_t pid = spawn_inside();
	struct answers answers = {.state = 2, .pid = pid};
	struct monitor one, two;
	char name[108];

	name_socket(tree, "a/web", name);
	one = start_monitor(name, &answers);
	name_socket(tree, "b/web", name);
	two = start_monitor(name, &answers);
	ask(&asking, tree, "web");
	assert_non_null(found(&asking, 1));
	stop_monitor(&one);
	stop_monitor(&two);
	end(pid);
}

static void nonsense_is_no_answer(void **state)
{
	static const struct answers answers[] = {
		{.state = 99, .pid = 1},
		{.state = -1, .pid = 1},
		{.state = 2, .pid = 0},
		{.mute = true},
	};
	const struct tree *tree = *state;
	char name[108];

	name_socket(tree, "web", name);
	for (size_t i = 0; i < ELEMENTS(answers); i++) {
		struct monitor monitor = start_monitor(name, &answers[i]);
		_cleanup_(asking_done) struct asking asking = {
			.options = CJ_ENGINE_OPTIONS_INIT,
			.request = {.options = &asking.options, .ref = "web", .root = tree->path},
		};

		asking.options.timeout = 100;
		assert_int_equal(engine_lxc.sources(&asking.request, &asking.sources, &asking.err),
				 0);
		assert_int_equal(sources_run(&asking.sources, &asking.err), 0);
		assert_null(found(&asking, 0));
		assert_int_equal(asking.sources.items[0].way, SOURCE_FAILED);
		assert_int_equal(asking.sources.items[0].asking.code,
				 answers[i].mute ? ETIMEDOUT : EBADMSG);
		stop_monitor(&monitor);
	}
}

/* A process that calls itself as a monitor does, and has a child in another pid namespace. */
static pid_t spawn_titled(const struct tree *tree, const char *container)
{
	char program[PATH_MAX]; /* the process is named after it */
	pid_t pid;

	(void)snprintf(program, sizeof(program), "%s/lxc-unit", tree->path);
	assert_true(symlink("/usr/bin/unshare", program) == 0 || errno == EEXIST);
	pid = fork();

	if (pid == 0) {
		char title[256];
		char *const argv[] = {title,   "--pid", "--fork", "--kill-child",
				      "sleep", "1000",	NULL};

		(void)snprintf(title, sizeof(title), "[lxc monitor] %s %s", tree->path, container);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execv(program, argv);
		_exit(1);
	}
	return pid;
}

static void the_child_of_a_mute_monitor_counts(void **state)
{
	const struct tree *tree = *state;
	const struct answers mute = {.mute = true};
	struct monitor monitor;
	pid_t titled, other, child = 0;
	char name[108];

	if (geteuid() != 0)
		skip();
	name_socket(tree, "web", name);
	monitor = start_monitor(name, &mute);
	other = spawn_titled(tree, "wet"); /* likely the first one that is seen */
	titled = spawn_titled(tree, "web");
	for (int i = 0; i < 200 && !child; i++) { /* until unshare(1) has forked: 20 s */
		_cleanup_(asking_done) struct asking asking = {
			.options = CJ_ENGINE_OPTIONS_INIT,
			.request = {.options = &asking.options, .ref = "web", .root = tree->path},
		};
		const struct container *container;
		struct kin kin;
		_cleanup_fd_ int proc = -EBADF;

		asking.options.timeout = 100;
		assert_int_equal(engine_lxc.sources(&asking.request, &asking.sources, &asking.err),
				 0);
		assert_int_equal(sources_run(&asking.sources, &asking.err), 0);
		container = found(&asking, 0);
		if (!container)
			continue;
		assert_int_equal(proc_open(container->pid, &proc, NULL), 0);
		assert_int_equal(kin_read(proc, &kin), 0);
		assert_int_equal(kin.parent, titled);
		assert_int_equal(container->start, kin.start);
		assert_int_equal(asking.sources.items[0].way, SOURCE_READ);
		child = container->pid;
	}
	assert_true(child > 0);
	(void)kill(child, SIGKILL); /* unshare(1) may not have bound it to itself yet */
	end(titled);
	end(other);
	stop_monitor(&monitor);
}

static void one_that_is_defined_is_stopped(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking none, asking, elsewhere;

	ask(&none, tree, "unit-test-web");
	assert_int_equal(none.sources.items[0].way, SOURCE_NOBODY);
	put(tree, "/var/lib/lxc/unit-test-web/config", "%s", "");
	ask(&asking, tree, "unit-test-web");
	assert_int_equal(only(&asking)->state, CONTAINER_STOPPED);
	put(tree, "/etc/lxc/lxc.conf", "# x\nlxc.lxcpath = /srv/lxc \n");
	put(tree, "/srv/lxc/unit-test-db/config", "%s", "");
	ask(&elsewhere, tree, "unit-test-db");
	assert_int_equal(only(&elsewhere)->state, CONTAINER_STOPPED);
}

static void where_no_monitor_is_seen_the_cgroup_counts(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking;
	const pid_t pid = spawn_inside(), other = spawn_idle();

	put(tree, "/sys/fs/cgroup/lxc.payload.unit-test-web/cgroup.procs", "%d\n0\n", other);
	put(tree, "/sys/fs/cgroup/lxc.payload.unit-test-web/init.scope/cgroup.procs", "%d\n", pid);
	ask(&asking, tree, "unit-test-web");
	assert_int_equal(only(&asking)->pid, pid);
	end(pid);
	end(other);
}

static void what_is_no_name_is_refused(void **state)
{
	static const char *const refs[] = {"", "a/b", ".", "..", "/"};
	const struct tree *tree = *state;

	for (size_t i = 0; i < ELEMENTS(refs); i++) {
		_cleanup_(asking_done) struct asking asking;

		assert_int_equal(ask_engine(&asking, tree, &engine_lxc, refs[i]), -EINVAL);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

/* What we start is to have a monitor for a parent, and that's known by what it's called. */
static int call_ourselves_monitor(char **argv)
{
	static char title[] = "[lxc monitor] /unit web";
	char *const again[] = {title, NULL};
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	/* By its path: valgrind has a program of its own there, but says otherwise. */
	path[n < 0 ? 0 : n] = '\0';
	if (strcmp(argv[0], title) != 0)
		(void)execv(path, again);
	return strcmp(argv[0], title) == 0 ? prctl(PR_SET_NAME, "lxc-unit") : -1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_monitor_names_the_process),
		TEST(a_process_that_is_nobodys_container_is_not_pinned),
		TEST(the_child_of_anybody_is_not_pinned),
		TEST(the_child_of_another_containers_monitor_is_not_pinned),
		TEST(a_container_of_another_users_monitor_is_not_pinned),
		TEST(one_that_does_not_run_has_no_process),
		TEST(a_hash_stands_for_a_name_that_is_asked_for),
		TEST(the_same_name_in_two_places_is_found_twice),
		TEST(nonsense_is_no_answer),
		TEST(the_child_of_a_mute_monitor_counts),
		TEST(one_that_is_defined_is_stopped),
		TEST(where_no_monitor_is_seen_the_cgroup_counts),
		TEST(what_is_no_name_is_refused),
	};

	/* Names of abstract sockets are the network namespace's: others' monitors aren't in ours. */
	(void)unshare(CLONE_NEWNET); /* not as an ordinary user, who may meet them */
	(void)argc;
	if (call_ourselves_monitor(argv) < 0)
		return 1;
	return cmocka_run_group_tests_name("lxc", tests, NULL, NULL);
}
