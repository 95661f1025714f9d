/* SPDX-License-Identifier: MIT
 *
 * Users' runtime directories, whatever the users have put there.
 */
#include "engine.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine/shared.h"
#include "engine/users.h"

#define USER 54321

static struct cj_engine_options options = CJ_ENGINE_OPTIONS_INIT;

static struct engine_request request_for(const struct tree *tree)
{
	return (struct engine_request){.options = &options, .root = tree->path};
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

/* The user's, who has to own it. */
static int open_user(const struct tree *tree)
{
	const struct engine_request request = request_for(tree);
	char path[PATH_MAX];
	int fd = -EBADF;

	assert_int_equal(users_path(&request, USER, "", path, sizeof(path)), 0);
	put(tree, "/run/user/54321/crun/web/status", "text");
	assert_int_equal(chown(path, USER, USER), 0);
	assert_int_equal(users_open(&request, USER, &fd), 0);
	assert_true(fd >= 0);
	return fd;
}

static void root_sees_all_users_and_nothing_else(void **state)
{
	const struct tree *tree = *state;
	const struct engine_request request = request_for(tree);
	_cleanup_free_ uid_t *uids = NULL;
	bool has_root = false, has_user = false;
	size_t n;

	need_root();
	put(tree, "/run/user/0/", "%s", "");
	put(tree, "/run/user/1000/", "%s", "");
	put(tree, "/run/user/alice/", "%s", "");
	put(tree, "/run/user/-1/", "%s", "");
	put(tree, "/run/user/4294967295/", "%s", "");
	put(tree, "/run/user/99999999999999999999/", "%s", "");
	assert_int_equal(users_list(&request, &uids, &n), 0);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		has_root = has_root || uids[i] == 0;
		has_user = has_user || uids[i] == 1000;
	}
	assert_true(has_root && has_user);
}

/* Who is there is found out once, and each who asks gets an array of its own. */
static void a_search_lists_them_once(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(engine_shared_done) struct engine_shared shared = {.has_users = false};
	struct engine_request request = request_for(tree);
	_cleanup_free_ uid_t *first = NULL, *second = NULL, *third = NULL;
	size_t n;

	need_root();
	request.shared = &shared;
	put(tree, "/run/user/1000/", "%s", "");
	assert_int_equal(users_list(&request, &first, &n), 0);
	assert_int_equal(n, 1);
	put(tree, "/run/user/1001/", "%s", "");
	assert_int_equal(users_list(&request, &second, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(second[0], 1000);
	assert_ptr_not_equal(first, second);
	engine_shared_done(&shared);
	assert_int_equal(users_list(&request, &third, &n), 0);
	assert_int_equal(n, 2);
}

static void without_a_directory_there_are_no_users(void **state)
{
	const struct engine_request request = request_for(*state);
	_cleanup_free_ uid_t *uids = NULL;
	size_t n;
	int fd;

	need_root();
	assert_int_equal(users_list(&request, &uids, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(users_open(&request, USER, &fd), -ENOENT);
}

static void ones_own_directory_is_where_the_options_say(void **state)
{
	const struct tree *tree = *state;
	const struct engine_request request = request_for(tree);
	_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;
	_cleanup_free_ uid_t *uids = NULL;
	_cleanup_fd_ int fd = -EBADF;
	char path[PATH_MAX], other[PATH_MAX];
	size_t n;

	options.runtime_dir = "/elsewhere/runtime";
	put(tree, "/elsewhere/runtime/crun/a", "mine");
	assert_int_equal(users_list(&request, &uids, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(uids[0], geteuid());
	assert_int_equal(users_open(&request, geteuid(), &fd), 0);
	assert_int_equal(users_read_file(fd, "crun/a", 100, &bytes), 0);
	assert_string_equal(bytes.data, "mine");
	assert_int_equal(users_path(&request, geteuid(), "/x.sock", path, sizeof(path)), 0);
	(void)snprintf(other, sizeof(other), "%s/elsewhere/runtime/x.sock", tree->path);
	assert_string_equal(path, other);
	assert_int_equal(users_path(&request, geteuid() + 1, "", path, sizeof(path)), 0);
	(void)snprintf(other, sizeof(other), "%s/run/user/%u", tree->path, geteuid() + 1);
	assert_string_equal(path, other);
	options.runtime_dir = NULL;
}

static void files_are_read_within_the_directory(void **state)
{
	_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;
	_cleanup_fd_ int fd = -EBADF, place = -EBADF;
	_cleanup_dir_ DIR *dir = NULL;
	int n = 0;

	need_root();
	fd = open_user(*state);
	assert_int_equal(users_read_file(fd, "crun/web/status", 4, &bytes), 0);
	assert_string_equal(bytes.data, "text");
	bytes_done(&bytes);
	assert_int_equal(users_read_file(fd, "crun/web/status", 3, &bytes), -EFBIG);
	assert_int_equal(users_read_file(fd, "crun/db/status", 4, &bytes), -ENOENT);
	assert_int_equal(users_read_file(fd, "crun/web", 4, &bytes), -EINVAL);
	place = users_open_path(fd, "crun/web/status");
	assert_true(place >= 0);
	assert_int_equal(users_opendir(fd, "crun", &dir), 0);
	for (const struct dirent *entry; (entry = readdir(dir));)
		n += strcmp(entry->d_name, "web") == 0;
	assert_int_equal(n, 1);
}

static void links_and_what_is_no_file_lead_nowhere(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;
	_cleanup_fd_ int fd = -EBADF;
	_cleanup_dir_ DIR *dir = NULL;
	char path[PATH_MAX];

	need_root();
	fd = open_user(tree);
	put(tree, "/secret/status", "secret");
	(void)snprintf(path, sizeof(path), "%s/run/user/54321/link", tree->path);
	assert_int_equal(symlink("crun/web/status", path), 0);
	assert_int_equal(users_read_file(fd, "link", 100, &bytes), -ELOOP);
	(void)snprintf(path, sizeof(path), "%s/run/user/54321/out", tree->path);
	assert_int_equal(symlink("../../../secret", path), 0);
	assert_int_equal(users_read_file(fd, "out/status", 100, &bytes), -ELOOP);
	assert_int_equal(users_opendir(fd, "out", &dir), -ELOOP);
	assert_int_equal(users_read_file(fd, "../../../secret/status", 100, &bytes), -EXDEV);
	(void)snprintf(path, sizeof(path), "%s/run/user/54321/fifo", tree->path);
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_int_equal(users_read_file(fd, "fifo", 100, &bytes), -EINVAL);
	assert_null(bytes.data);
}

static void a_socket_is_connected_to_within_the_directory(void **state)
{
	const struct tree *tree = *state;
	const struct engine_request request = request_for(tree);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_fd_ int tree_fd = -EBADF, server = socket(AF_UNIX, SOCK_STREAM, 0);
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char path[PATH_MAX], link[PATH_MAX];

	need_root();
	tree_fd = open_user(tree);
	assert_int_equal(users_path(&request, USER, "/x.sock", path, sizeof(path)), 0);
	assert_true(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	assert_int_equal(bind(server, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(users_connect(&request, USER, path, fd), -ECONNREFUSED);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(users_path(&request, USER, "/link.sock", link, sizeof(link)), 0);
	assert_int_equal(symlink("x.sock", link), 0);
	assert_int_equal(users_connect(&request, USER, link, fd), -ELOOP);
	assert_int_equal(users_connect(&request, USER, "/run/docker.sock", fd), -EINVAL);
	assert_int_equal(users_path(&request, USER, "/crun/web/status", link, sizeof(link)), 0);
	assert_int_equal(users_connect(&request, USER, link, fd), -ENOTSOCK);
	assert_int_equal(users_connect(&request, USER, path, fd), 0);
}

static void somebody_elses_directory_is_not_the_users(void **state)
{
	const struct tree *tree = *state;
	const struct engine_request request = request_for(tree);
	char path[PATH_MAX];
	int fd;

	need_root();
	put(tree, "/run/user/54321/x", "text");
	(void)snprintf(path, sizeof(path), "%s/run/user/54321", tree->path);
	assert_int_equal(chown(path, USER + 1, USER), 0);
	assert_int_equal(users_open(&request, USER, &fd), -EPERM);
	assert_int_equal(chown(path, USER, USER), 0);
	assert_int_equal(users_open(&request, USER, &fd), 0);
	close_fd(&fd);
	assert_int_equal(chown(path, 0, 0), 0); /* made by hand, as systems without logind do */
	assert_int_equal(users_open(&request, USER, &fd), 0);
	close_fd(&fd);
}

/* In a mount namespace of a child's own. Its exit status says which step failed. */
static int with_mounts(const struct tree *tree, int (*run)(const struct tree *tree))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(100);
		_exit(run(tree));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 100)
		skip();
	return WEXITSTATUS(status);
}

static int look_at_mounts(const struct tree *tree)
{
	const struct engine_request request = request_for(tree);
	struct bytes bytes = BYTES_INIT;
	char path[PATH_MAX], below[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/run/user/54321", tree->path);
	/* systemd's: a tmpfs for each user */
	if (mount("tmpfs", path, "tmpfs", 0, "mode=700,uid=54321") < 0)
		return 1;
	if (users_open(&request, USER, &fd) < 0)
		return 2;
	/* what is mounted in it isn't entered, whatever it is */
	(void)snprintf(below, sizeof(below), "%s/run/user/54321/crun", tree->path);
	if (mkdir(below, 0700) < 0 || mount("tmpfs", below, "tmpfs", 0, NULL) < 0)
		return 3;
	if (users_read_file(fd, "crun/x", 10, &bytes) != -EXDEV)
		return 4;
	if (umount(below) < 0 || users_read_file(fd, "crun/x", 10, &bytes) != -ENOENT)
		return 5;
	close_fd(&fd);
	/* and what isn't known to answer by itself isn't opened: here proc stands for FUSE */
	if (mount("proc", path, "proc", 0, NULL) < 0)
		return 6;
	return users_open(&request, USER, &fd) == -EREMOTE ? 0 : 7;
}

static void mounts_that_may_never_answer_are_not_touched(void **state)
{
	const struct tree *tree = *state;

	need_root();
	put(tree, "/run/user/54321/x", "text");
	assert_int_equal(with_mounts(tree, look_at_mounts), 0);
}

static void homes_are_those_of_passwd(void **state)
{
	const struct tree *tree = *state;
	const struct engine_request request = request_for(tree);
	_cleanup_free_ char *home = NULL, *none = NULL;
	gid_t gid = 7;

	assert_int_equal(users_home(&request, 1000, &none, &gid), -ENOENT);
	put(tree, "/etc/passwd",
	    "root:x:0:0::/root:/bin/sh\n+alice:x:1000:1::/nis:\nbob:x:1000:1000::relative:\n"
	    "broken\ncarol:x:1000:1001::/srv/carol:/bin/sh\ndave:x:1000:1000::/home/dave:\n");
	assert_int_equal(users_home(&request, 1000, &home, &gid), 0);
	assert_string_equal(home, "/srv/carol");
	assert_int_equal(gid, 1001);
	assert_int_equal(users_home(&request, 1001, &none, &gid), -ENOENT);
	assert_null(none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(root_sees_all_users_and_nothing_else),
		TEST(a_search_lists_them_once),
		TEST(without_a_directory_there_are_no_users),
		TEST(ones_own_directory_is_where_the_options_say),
		TEST(files_are_read_within_the_directory),
		TEST(links_and_what_is_no_file_lead_nowhere),
		TEST(a_socket_is_connected_to_within_the_directory),
		TEST(somebody_elses_directory_is_not_the_users),
		TEST(mounts_that_may_never_answer_are_not_touched),
		TEST(homes_are_those_of_passwd),
	};

	if (!knows_call(SYS_openat2))
		return run_none("users");
	return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
