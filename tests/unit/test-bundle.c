/* SPDX-License-Identifier: MIT
 *
 * Finding a container's configuration: real processes in namespaces of their own, state directories
 * in a made-up tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "lib/bundle.h"
#include "sys/proc.h"

#define ID "0123456789abcdef"

struct tree {
	char root[64];
};

static int make_tree(void **state)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	assert_non_null(tree);
	(void)snprintf(tree->root, sizeof(tree->root), "/tmp/test-bundle-XXXXXX");
	assert_non_null(mkdtemp(tree->root));
	*state = tree;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int remove_tree(void **state)
{
	struct tree *tree = *state;
	int r = nftw(tree->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);

	free(tree);
	return r;
}

/* The path in the tree, with the directories above it. */
static void make_path(const struct tree *tree, const char *path, char buf[PATH_MAX])
{
	(void)snprintf(buf, PATH_MAX, "%s%s", tree->root, path);
	for (char *slash = strchr(buf + strlen(tree->root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(buf, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
}

__attribute__((format(printf, 3, 4))) static void put(const struct tree *tree, const char *path,
						      const char *format, ...)
{
	_cleanup_file_ FILE *f = NULL;
	char full[PATH_MAX];
	va_list args;

	make_path(tree, path, full);
	f = fopen(full, "we");
	assert_non_null(f);
	va_start(args, format);
	assert_true(vfprintf(f, format, args) >= 0);
	va_end(args);
}

/* A process in new namespaces, as root or in a user namespace of its own; 0: not possible here. */
static pid_t spawn(unsigned long kinds)
{
	pid_t pid = (pid_t)syscall(SYS_clone, kinds | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid < 0 && errno == EPERM && !(kinds & CLONE_NEWUSER))
		return spawn(kinds | CLONE_NEWUSER);
	if (pid < 0)
		return 0;
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static uint64_t inode_of(pid_t pid, const char *kind)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kind);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static uint64_t start_of(pid_t pid)
{
	_cleanup_fd_ int proc = -EBADF;
	uint64_t start;

	assert_int_equal(proc_open(pid, &proc, NULL), 0);
	assert_int_equal(proc_read_start_time(proc, &start), 0);
	return start;
}

static int find(const struct tree *tree, pid_t pid, const char *cgroup, struct bundle *ret)
{
	const char *const paths[] = {"/", cgroup};
	const struct bundle_query query = {
		.pid = pid,
		.cgroup_paths = paths,
		.n_cgroup_paths = 2,
		.pid_ns = inode_of(pid, "pid"),
		.mnt_ns = inode_of(pid, "mnt"),
		.root = tree->root,
	};
	struct cj_error err = CJ_ERROR_INIT;
	int r = bundle_find(&query, ret, &err);

	assert_int_equal(-r, err.code);
	return r;
}

static void assert_finds(const struct tree *tree, pid_t pid, const char *cgroup, const char *config)
{
	_cleanup_(bundle_done) struct bundle bundle = BUNDLE_INIT;

	assert_int_equal(find(tree, pid, cgroup, &bundle), 0);
	assert_string_equal(bundle.config.data, config);
	assert_int_equal(access(bundle.path, R_OK), 0);
}

static void assert_finds_none(const struct tree *tree, pid_t pid, const char *cgroup)
{
	struct bundle bundle = BUNDLE_INIT;

	assert_int_equal(find(tree, pid, cgroup, &bundle), -ENODATA);
	assert_null(bundle.config.data);
}

static void put_runc(const struct tree *tree, const char *id, pid_t pid, uint64_t start,
		     const char *bundle)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "/run/runc/%s/state.json", id);
	put(tree, path,
	    "{\"id\":\"%s\",\"init_process_pid\":%d,\"init_process_start\":%" PRIu64
	    ",\"config\":{\"rlimits\":[{\"hard\":18446744073709551615}],\"labels\":[\"x=y\",\"bundle=%s\"]}}",
	    id, pid, start, bundle);
	(void)snprintf(path, sizeof(path), "%s/config.json", bundle);
	put(tree, path, "config of %s", bundle);
}

static pid_t spawn_container(void)
{
	pid_t pid = spawn(CLONE_NEWPID | CLONE_NEWNS);

	if (pid == 0)
		skip();
	return pid;
}

static void an_id_is_found_in_the_cgroup_paths_of_every_engine(void **state)
{
	const struct tree *tree = *state;
	static const char *const paths[] = {
		"/" ID,
		"/docker/" ID,
		"/system.slice/docker-" ID ".scope",
		"/system.slice/docker-" ID ".scope/init.scope/made-inside",
		"/kubepods/burstable/pod0f-1e/" ID,
		"/kubepods.slice/kubepods-pod0f_1e.slice/cri-containerd-" ID ".scope",
		"/kubepods.slice/kubepods-pod0f_1e.slice/crio-" ID ".scope",
		"/machine.slice/libpod-" ID ".scope/container",
		"/libpod_parent/libpod-" ID,
		"/../../../" ID,
	};
	pid_t pid = spawn_container();
	pid_t other = spawn_container(); /* a scan would be ambiguous */

	put_runc(tree, ID, pid, start_of(pid), "/bundles/one");
	put_runc(tree, "other", pid, start_of(pid), "/bundles/wrong");
	put_runc(tree, "docker-" ID ".scope", other, start_of(other), "/bundles/wrong");
	for (size_t i = 0; i < ELEMENTS(paths); i++)
		assert_finds(tree, pid, paths[i], "config of /bundles/one");
	end(other);
	end(pid);
}

static void each_runtimes_record_leads_to_its_configuration(void **state)
{
	const struct tree *tree = *state;
	pid_t pid[6];

	for (size_t i = 0; i < ELEMENTS(pid); i++)
		pid[i] = spawn_container();
	put(tree, "/run/crun/a/status",
	    "{\"pid\":%d,\"process-start-time\":%" PRIu64 ",\"bundle\":\"/b/a\"}", pid[0],
	    start_of(pid[0]));
	put(tree, "/b/a/config.json", "bundle");
	assert_finds(tree, pid[0], "/a", "bundle");
	put(tree, "/run/crun/a/config.json", "copy");
	assert_finds(tree, pid[0], "/a", "copy");

	put(tree, "/run/containerd/io.containerd.runtime.v2.task/k8s.io/b/init.pid", "%d", pid[1]);
	put(tree, "/run/containerd/io.containerd.runtime.v2.task/k8s.io/b/config.json",
	    "containerd");
	assert_finds(tree, pid[1], "/b", "containerd");

	put(tree, "/run/docker/runtime-runc/moby/c/state.json",
	    "{\"init_process_pid\":%d,\"init_process_start\":%" PRIu64
	    ",\"config\":{\"labels\":[\"bundle=/b/c\"]}}",
	    pid[2], start_of(pid[2]));
	put(tree, "/b/c/config.json", "docker");
	assert_finds(tree, pid[2], "/docker/c", "docker");

	put(tree, "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/d/init.pid",
	    "%d\n", pid[3]);
	put(tree, "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/d/config.json",
	    "docker's containerd");
	assert_finds(tree, pid[3], "/docker/d", "docker's containerd");

	put(tree, "/run/containers/storage/overlay-containers/e/userdata/pidfile", "%d", pid[4]);
	put(tree, "/run/containers/storage/overlay-containers/e/userdata/config.json", "podman");
	assert_finds(tree, pid[4], "/libpod-e.scope", "podman");

	put(tree, "/run/containers/storage/overlay-containers/f/userdata/pidfile", "%d", pid[5]);
	put(tree, "/var/lib/containers/storage/overlay-containers/f/userdata/config.json", "store");
	assert_finds(tree, pid[5], "/libpod-f.scope", "store");
	for (size_t i = 0; i < ELEMENTS(pid); i++)
		end(pid[i]);
}

static void a_stale_record_is_never_believed(void **state)
{
	const struct tree *tree = *state;
	pid_t pid = spawn_container(), other = spawn_container(), dead = spawn_container();

	put_runc(tree, "recycled", pid, start_of(pid) + 1, "/b/wrong");
	put_runc(tree, "elsewhere", other, start_of(other), "/b/wrong");
	put_runc(tree, "dead", dead, start_of(dead), "/b/wrong");
	end(dead);
	assert_finds_none(tree, pid, "/recycled");
	assert_finds_none(tree, pid, "/elsewhere");
	assert_finds_none(tree, pid, "/dead");
	end(other);
	end(pid);
}

static void without_an_id_all_containers_are_looked_at(void **state)
{
	const struct tree *tree = *state;
	pid_t pid = spawn_container(), other = spawn_container();

	put_runc(tree, "one", pid, start_of(pid), "/b/one");
	put_runc(tree, "two", other, start_of(other), "/b/two");
	/* the same container, as another program records it: not ambiguous */
	put(tree, "/run/containerd/io.containerd.runtime.v2.task/default/one/init.pid", "%d", pid);
	assert_finds(tree, pid, "/user.slice/session-1.scope", "config of /b/one");
	assert_finds(tree, other, "/", "config of /b/two");
	end(other);
	end(pid);
}

/* Containers of a pod may share a pid namespace: the mount namespace decides between them. */
static pid_t spawn_beside(pid_t pid)
{
	char path[64];
	pid_t beside;
	int mine = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC), theirs;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	theirs = open(path, O_RDONLY | O_CLOEXEC);
	if (setns(theirs, CLONE_NEWPID) < 0) {
		close(mine);
		close(theirs);
		return 0;
	}
	beside = spawn(CLONE_NEWNS);
	assert_int_equal(setns(mine, CLONE_NEWPID), 0);
	close(mine);
	close(theirs);
	return beside;
}

static void a_shared_pid_namespace_is_not_enough_to_choose_by(void **state)
{
	const struct tree *tree = *state;
	pid_t pid = spawn_container(), second = spawn_beside(pid), third;

	if (second == 0) {
		end(pid);
		skip();
	}
	third = spawn_beside(pid);
	put_runc(tree, "one", pid, start_of(pid), "/b/one");
	/* alone it's the only container that a process of this pid namespace can be of */
	assert_finds(tree, third, "/", "config of /b/one");
	put_runc(tree, "two", second, start_of(second), "/b/two");
	assert_finds(tree, pid, "/", "config of /b/one");
	assert_finds(tree, second, "/", "config of /b/two");
	assert_finds_none(tree, third, "/");
	assert_finds(tree, third, "/two", "config of /b/two"); /* its cgroup says which */
	end(third);
	end(second);
	end(pid);
}

static void in_the_hosts_pid_namespace_the_mount_namespace_decides(void **state)
{
	const struct tree *tree = *state;
	pid_t pid = spawn(CLONE_NEWNS), other = spawn(CLONE_NEWNS), plain = spawn(0);

	if (pid == 0)
		skip();
	put_runc(tree, "one", pid, start_of(pid), "/b/one");
	assert_finds(tree, pid, "/one", "config of /b/one");
	assert_finds(tree, pid, "/", "config of /b/one");
	assert_finds_none(tree, other, "/one");
	assert_finds_none(tree, plain, "/one");
	end(plain);
	end(other);
	end(pid);
}

static void rootless_containers_are_only_those_of_the_namespaces_owner(void **state)
{
	const struct tree *tree = *state;
	char path[PATH_MAX];
	pid_t pid;

	/* Users' directories are read by it. */
	if (syscall(SYS_openat2, -1, NULL, NULL, 0) < 0 && errno == ENOSYS)
		skip();
	pid = spawn(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS);
	if (pid == 0)
		skip();
	for (unsigned int uid = geteuid(); uid < geteuid() + 2; uid++) {
		(void)snprintf(path, sizeof(path), "/run/user/%u/crun/box/status", uid);
		put(tree, path,
		    "{\"pid\":%d,\"process-start-time\":%" PRIu64 ",\"bundle\":\"/b/%u\"}", pid,
		    start_of(pid), uid);
		(void)snprintf(path, sizeof(path), "/b/%u/config.json", uid);
		put(tree, path, uid == geteuid() ? "owner's" : "planted");
	}
	assert_finds(tree, pid, "/box", "owner's");
	(void)snprintf(path, sizeof(path), "%s/run/user/%u/crun/box/status", tree->root, geteuid());
	assert_int_equal(unlink(path), 0);
	assert_finds_none(tree, pid, "/box");
	assert_finds_none(tree, pid, "/");
	end(pid);
}

static void what_is_no_id_never_becomes_part_of_a_path(void **state)
{
	const struct tree *tree = *state;
	static const char *const paths[] = {"/..",  "/.",	   "/docker-...scope",
					    "/a b", "/%u",	   "/a\\x2fb",
					    "//",   "relative/..", "/docker-.scope",
					    ""};
	pid_t pid = spawn_container(), other = spawn_container();

	/* what "..", "." and "" would lead to */
	put(tree, "/run/state.json",
	    "{\"init_process_pid\":%d,\"init_process_start\":%" PRIu64
	    ",\"config\":{\"labels\":[\"bundle=/b\"]}}",
	    pid, start_of(pid));
	put(tree, "/run/runc/state.json",
	    "{\"init_process_pid\":%d,\"init_process_start\":%" PRIu64
	    ",\"config\":{\"labels\":[\"bundle=/b\"]}}",
	    pid, start_of(pid));
	put(tree, "/b/config.json", "wrong");
	for (size_t i = 0; i < ELEMENTS(paths); i++)
		assert_finds_none(tree, pid, paths[i]);
	end(other);
	end(pid);
}

static void files_that_are_none_are_not_read(void **state)
{
	const struct tree *tree = *state;
	pid_t pid = spawn_container();
	char path[PATH_MAX], to[PATH_MAX];
	struct bundle bundle = BUNDLE_INIT;

	make_path(tree, "/run/runc/fifo/state.json", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_finds_none(tree, pid, "/fifo");

	put_runc(tree, "one", pid, start_of(pid), "/b/one");
	assert_finds(tree, pid, "/one", "config of /b/one");
	make_path(tree, "/run/runc/one/state.json", path);
	make_path(tree, "/elsewhere.json", to);
	assert_int_equal(rename(path, to), 0);
	assert_int_equal(symlink(to, path), 0);
	assert_finds_none(tree, pid, "/one");
	assert_int_equal(rename(to, path), 0);

	make_path(tree, "/b/one/config.json", to);
	assert_int_equal(truncate(to, 1024 * 1024 + 1), 0);
	assert_int_equal(find(tree, pid, "/one", &bundle), -EFBIG);
	assert_int_equal(unlink(to), 0);
	assert_int_equal(find(tree, pid, "/one", &bundle), -ENODATA);
	assert_int_equal(mkdir(to, 0755), 0);
	assert_int_equal(find(tree, pid, "/one", &bundle), -EINVAL);
	end(pid);
}

static void broken_records_are_passed_over(void **state)
{
	const struct tree *tree = *state;
	static const char *const broken[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"init_process_pid\":\"1\"}",
		"{\"init_process_pid\":-1,\"init_process_start\":0}",
		"{\"init_process_pid\":1}",
		"{\"init_process_pid\":1,\"init_process_start\":1,\"config\":{\"labels\":[1]}}",
		"{\"init_process_pid\":1,\"init_process_start\":1,\"config\":{\"labels\":[\"bundle=b\"]}}",
	};
	pid_t pid = spawn_container();

	put_runc(tree, "one", pid, start_of(pid), "/b/one");
	for (size_t i = 0; i < ELEMENTS(broken); i++) {
		put(tree, "/run/runc/broken/state.json", "%s", broken[i]);
		put(tree, "/run/crun/broken/status", "%s", broken[i]);
		put(tree, "/run/containerd/io.containerd.runtime.v2.task/ns/broken/init.pid", "%s",
		    broken[i]);
		assert_finds(tree, pid, "/broken", "config of /b/one");
	}
	end(pid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_id_is_found_in_the_cgroup_paths_of_every_engine),
		TEST(each_runtimes_record_leads_to_its_configuration),
		TEST(a_stale_record_is_never_believed),
		TEST(without_an_id_all_containers_are_looked_at),
		TEST(a_shared_pid_namespace_is_not_enough_to_choose_by),
		TEST(in_the_hosts_pid_namespace_the_mount_namespace_decides),
		TEST(rootless_containers_are_only_those_of_the_namespaces_owner),
		TEST(what_is_no_id_never_becomes_part_of_a_path),
		TEST(files_that_are_none_are_not_read),
		TEST(broken_records_are_passed_over),
	};

	return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
