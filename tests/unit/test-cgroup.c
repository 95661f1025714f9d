/* SPDX-License-Identifier: MIT
 *
 * Which cgroups a process is in and where they lie, with the files of real machines: both versions
 * and hybrid, systemd, docker, podman, Kubernetes, containers in containers.
 */
#include "unit.h"

#include "sys/cgroup.h"
#include "sys/proc.h"

#define ID "4f0c1b7c9d3e5a6f8b2d4c6e8f0a1b3c5d7e9f1a2b4c6d8e0f2a4b6c8d0e2f4a"

static void read_list(const char *name, struct cgroup_list *ret)
{
	_cleanup_(bytes_done) struct bytes text = read_data(name);

	assert_int_equal(cgroup_list_parse(text.data, ret), 0);
}

static void read_mounts(const char *name, struct cgroup_mounts *ret)
{
	_cleanup_(bytes_done) struct bytes text = read_data(name);

	assert_int_equal(cgroup_mounts_parse(text.data, ret), 0);
}

struct place {
	const char *controllers; /* "" for v2 */
	const char *directory;	 /* or NULL: */
	int error;
};

/* Every entry of the list is at its place, or nowhere for the right reason. */
static void assert_places(const char *mounts_name, const char *list_name,
			  const struct place *places, size_t n)
{
	_cleanup_(cgroup_mounts_done) struct cgroup_mounts mounts = CGROUP_MOUNTS_INIT;
	_cleanup_(cgroup_list_done) struct cgroup_list list = CGROUP_LIST_INIT;

	read_mounts(mounts_name, &mounts);
	read_list(list_name, &list);
	assert_int_equal(list.n, n);
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *directory = NULL;
		int r = cgroup_directory(&mounts, &list.entries[i], &directory);

		assert_string_equal(list.entries[i].controllers, places[i].controllers);
		assert_int_equal(r, places[i].error);
		if (places[i].directory)
			assert_string_equal(directory, places[i].directory);
		else
			assert_null(directory);
	}
}

/* The directory of a single v2 cgroup. */
static void assert_unified(const char *mounts_name, const char *path, const char *want, int error)
{
	_cleanup_(cgroup_mounts_done) struct cgroup_mounts mounts = CGROUP_MOUNTS_INIT;
	const struct cgroup_entry entry = {.unified = true,
					   .controllers = "",
					   .path = (char *)path};
	_cleanup_free_ char *directory = NULL;

	read_mounts(mounts_name, &mounts);
	assert_int_equal(cgroup_directory(&mounts, &entry, &directory), error);
	if (want)
		assert_string_equal(directory, want);
	else
		assert_null(directory);
}

static void on_v2_every_engine_has_one_directory(void **state)
{
	static const char *const paths[] = {
		/* docker; podman as root and rootless; containerd below kubelet with either driver */
		"/system.slice/docker-" ID ".scope",
		"/machine.slice/libpod-" ID ".scope/container",
		"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
		".scope/container",
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8f4b5c1e_22a9_"
		"4d5e_9d0b_1c9a2f1f0a77.slice/cri-containerd-" ID ".scope",
		"/kubepods/besteffort/pod8f4b5c1e-22a9-4d5e-9d0b-1c9a2f1f0a77/" ID,
		/* CRI-O; nspawn; lxc; a login; a user's service */
		"/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope",
		"/machine.slice/systemd-nspawn@deb.service/payload/init.scope",
		"/lxc.payload.web/system.slice/nginx.service",
		"/user.slice/user-1000.slice/session-3.scope",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/foot.service",
		"/system.slice/system-getty.slice/getty@tty1.service",
		"/odd:name/with:colons..and/..dots",
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(paths); i++) {
		_cleanup_(cgroup_list_done) struct cgroup_list list = CGROUP_LIST_INIT;
		char line[512], want[512];

		(void)snprintf(line, sizeof(line), "0::%s\n", paths[i]);
		(void)snprintf(want, sizeof(want), "/sys/fs/cgroup%s", paths[i]);
		assert_int_equal(cgroup_list_parse(line, &list), 0);
		assert_int_equal(list.n, 1);
		assert_true(list.entries[0].unified);
		assert_string_equal(list.entries[0].path, paths[i]);
		assert_string_equal(cgroup_entry_name(&list.entries[0]), "unified");
		assert_unified("cgroup/v2.mountinfo", list.entries[0].path, want, 0);
	}
}

static void on_v1_each_hierarchy_has_its_own_and_some_are_mounted_nowhere(void **state)
{
	static const struct place places[] = {
		{"hugetlb", NULL, -ENODEV},
		{"rdma", NULL, -ENODEV},
		{"cpuset", "/sys/fs/cgroup/cpuset/docker/" ID, 0},
		{"perf_event", "/sys/fs/cgroup/perf_event/docker/" ID, 0},
		{"pids", "/sys/fs/cgroup/pids/docker/" ID, 0},
		{"blkio", "/sys/fs/cgroup/blkio/docker/" ID, 0},
		{"memory", "/sys/fs/cgroup/memory/docker/" ID, 0},
		{"devices", "/sys/fs/cgroup/devices/docker/" ID, 0},
		{"cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/docker/" ID, 0},
		{"freezer", "/sys/fs/cgroup/freezer/docker/" ID, 0},
		{"net_cls,net_prio", "/sys/fs/cgroup/net_cls,net_prio/docker/" ID, 0},
		{"name=systemd", "/sys/fs/cgroup/systemd/docker/" ID, 0},
		{"", "/sys/fs/cgroup/unified/system.slice/containerd.service", 0},
	};

	(void)state;
	assert_places("cgroup/v1-systemd.mountinfo", "cgroup/v1-docker.cgroup", places,
		      ELEMENTS(places));
}

static void the_kubelet_on_v1_nests_pods_below_kubepods(void **state)
{
#define POD "/kubepods/burstable/pod8f4b5c1e-22a9-4d5e-9d0b-1c9a2f1f0a77/"
	static const struct place places[] = {
		{"memory", "/sys/fs/cgroup/memory" POD ID, 0},
		{"cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct" POD ID, 0},
		{"name=systemd", "/sys/fs/cgroup/systemd" POD ID, 0},
	};

	(void)state;
	assert_places("cgroup/v1-systemd.mountinfo", "cgroup/v1-kubepods.cgroup", places,
		      ELEMENTS(places));
}

static void in_a_hybrid_the_paths_may_differ_and_both_versions_count(void **state)
{
	static const struct place places[] = {
		{"name=systemd", "/sys/fs/cgroup/systemd/web", 0},
		{"freezer", "/sys/fs/cgroup/freezer/web", 0},
		{"memory", "/sys/fs/cgroup/memory/jobs/83cc5cda07b70c69ce88d84b244ce6ce/web", 0},
		{"cpuset", "/sys/fs/cgroup/cpuset/web", 0},
		{"cpuacct", "/sys/fs/cgroup/cpuacct/web", 0},
		{"cpu", "/sys/fs/cgroup/cpu/web", 0},
		{"", "/sys/fs/cgroup/unified/web", 0},
	};

	(void)state;
	assert_places("cgroup/hybrid.mountinfo", "cgroup/hybrid.cgroup", places, ELEMENTS(places));
}

static void in_a_container_only_what_its_mounts_hold_is_reachable(void **state)
{
	static const struct place places[] = {
		{"memory", "/sys/fs/cgroup/memory/docker/inner", 0},
		{"cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", 0},
		{"name=systemd", NULL, -ENOENT}, /* another container, whose id begins like ours */
	};

	(void)state;
	assert_places("cgroup/dind-v1.mountinfo", "cgroup/dind-v1.cgroup", places,
		      ELEMENTS(places));
}

static void a_path_above_our_cgroup_namespace_is_never_guessed(void **state)
{
	(void)state;
	assert_unified("cgroup/v2.mountinfo", "/", "/sys/fs/cgroup", 0);
	assert_unified("cgroup/v2.mountinfo", "/..", NULL, -ENOENT);
	assert_unified("cgroup/v2.mountinfo", "/../..", NULL, -ENOENT);
	assert_unified("cgroup/v2.mountinfo", "/../web", NULL, -ENOENT);
	assert_unified("cgroup/v2.mountinfo", "/web/..", NULL, -ENOENT);
	assert_unified("cgroup/v2.mountinfo", "/web/../../x", NULL, -ENOENT);
	assert_unified("cgroup/v2.mountinfo", "/..web/...", "/sys/fs/cgroup/..web/...", 0);
}

static void a_mount_from_above_our_cgroup_namespace_reaches_beside_it(void **state)
{
	(void)state;
	assert_unified("cgroup/namespace.mountinfo", "/../../system.slice/x",
		       "/sys/fs/cgroup/system.slice/x", 0);
	assert_unified("cgroup/namespace.mountinfo", "/../..", "/sys/fs/cgroup", 0);
	assert_unified("cgroup/namespace.mountinfo", "/../../../x", NULL, -ENOENT);
	/* below us; what we are called up there isn't known here */
	assert_unified("cgroup/namespace.mountinfo", "/x", NULL, -ENOENT);
	assert_unified("cgroup/namespace.mountinfo", "/../x", NULL, -ENOENT);
}

static void mount_points_and_roots_are_taken_out_of_their_escapes(void **state)
{
	_cleanup_(cgroup_mounts_done) struct cgroup_mounts mounts = CGROUP_MOUNTS_INIT;

	(void)state;
	read_mounts("cgroup/odd.mountinfo", &mounts);
	assert_int_equal(mounts.n, 3); /* what only looks like one isn't among them */
	assert_string_equal(mounts.mounts[0].point, "/mnt/my cgroups");
	assert_string_equal(mounts.mounts[1].point, "/mnt/tab\tnew\nline\\#");
	assert_string_equal(mounts.mounts[1].options, "rw");
	assert_string_equal(mounts.mounts[2].root, "/a\\b");
	assert_true(mounts.mounts[1].unified);
	assert_false(mounts.mounts[2].unified);
}

static void of_several_mounts_one_that_holds_the_cgroup_is_taken(void **state)
{
	(void)state;
	assert_unified("cgroup/odd.mountinfo", "/system.slice/a.service",
		       "/mnt/my cgroups/a.service", 0);
	assert_unified("cgroup/odd.mountinfo", "/system.slice", "/mnt/my cgroups", 0);
	assert_unified("cgroup/odd.mountinfo", "/system.slice2",
		       "/mnt/tab\tnew\nline\\#/system.slice2", 0);
	assert_unified("cgroup/odd.mountinfo", "/", "/mnt/tab\tnew\nline\\#", 0);
}

static void versions_are_never_mixed_up(void **state)
{
	_cleanup_(cgroup_mounts_done) struct cgroup_mounts mounts = CGROUP_MOUNTS_INIT;
	const struct cgroup_entry memory = {.controllers = "memory", .path = "/x"};
	const struct cgroup_entry options = {.controllers = "rw,nsdelegate", .path = "/x"};
	char *directory = NULL;

	(void)state;
	read_mounts("cgroup/v2.mountinfo", &mounts);
	assert_int_equal(cgroup_directory(&mounts, &memory, &directory), -ENODEV);
	assert_int_equal(cgroup_directory(&mounts, &options, &directory), -ENODEV);
	assert_null(directory);
}

static void a_hierarchy_is_found_by_any_of_its_controllers(void **state)
{
	_cleanup_(cgroup_list_done) struct cgroup_list list = CGROUP_LIST_INIT;
	_cleanup_(cgroup_list_done) struct cgroup_list other = CGROUP_LIST_INIT;

	(void)state;
	read_list("cgroup/v1-docker.cgroup", &list);
	read_list("cgroup/v1-kubepods.cgroup", &other);
	assert_string_equal(cgroup_list_controller(&list, "cpuacct")->controllers, "cpu,cpuacct");
	assert_string_equal(cgroup_list_controller(&list, "cpu")->controllers, "cpu,cpuacct");
	assert_string_equal(cgroup_list_controller(&list, "name=systemd")->controllers,
			    "name=systemd");
	assert_true(cgroup_list_controller(&list, "")->unified);
	assert_null(cgroup_list_controller(&list, "cpua"));
	assert_null(cgroup_list_controller(&list, "systemd"));
	assert_null(cgroup_list_controller(&other, ""));
	assert_string_equal(cgroup_list_find(&other, &list.entries[8])->path, POD ID);
	assert_null(cgroup_list_find(&other, &list.entries[0]));
}

static void what_is_no_cgroup_file_is_refused(void **state)
{
	static const char *const wrong[] = {
		"x\n", "1:cpu\n", "1:cpu:\n", "1:cpu:x\n",   "0::/\n\n0::/\n",
		"\n",  "0:/\n",	  "/\n",      "0::/\n1:cpu", "::\n"};
	struct cgroup_list list = CGROUP_LIST_INIT;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++)
		if (cgroup_list_parse(wrong[i], &list) != -EBADMSG)
			fail_msg("\"%s\" was taken as cgroups", wrong[i]);
	assert_null(list.entries);
	assert_int_equal(cgroup_list_parse("", &list), 0); /* a kernel without cgroups */
	assert_int_equal(list.n, 0);
	assert_int_equal(cgroup_list_parse("0::/no newline", &list), 0);
	assert_string_equal(list.entries[0].path, "/no newline");
	cgroup_list_done(&list);
}

static void a_torn_mountinfo_has_no_mounts(void **state)
{
	static const char *const torn[] = {"",
					   "\n\n",
					   "36",
					   "36 35 98:0",
					   "36 35 98:0 / /x rw",
					   "36 35 98:0 / /x rw -",
					   "36 35 98:0 / /x rw shared:1 master:2\n",
					   "- - - - - - -\n",
					   "       \n"};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(torn); i++) {
		_cleanup_(cgroup_mounts_done) struct cgroup_mounts mounts = CGROUP_MOUNTS_INIT;

		assert_int_equal(cgroup_mounts_parse(torn[i], &mounts), 0);
		assert_int_equal(mounts.n, 0);
	}
}

static void our_own_cgroups_are_where_mountinfo_says(void **state)
{
	_cleanup_(cgroup_mounts_done) struct cgroup_mounts mounts = CGROUP_MOUNTS_INIT;
	_cleanup_(cgroup_list_done) struct cgroup_list list = CGROUP_LIST_INIT;
	_cleanup_fd_ int proc = -EBADF;

	(void)state;
	assert_int_equal(proc_open(0, &proc, NULL), 0);
	assert_int_equal(cgroup_list_read(proc, &list), 0);
	assert_int_equal(cgroup_mounts_read(proc, &mounts), 0);
	for (size_t i = 0; i < list.n; i++) {
		_cleanup_(bytes_done) struct bytes procs = BYTES_INIT;
		_cleanup_free_ char *directory = NULL;
		_cleanup_free_ char *lines = NULL;
		char line[32];

		if (cgroup_directory(&mounts, &list.entries[i], &directory) < 0)
			continue;
		_cleanup_fd_ int fd = cgroup_open(directory);
		if (fd == -ENOENT || fd == -EACCES)
			continue; /* a sandbox that hides it */
		assert_int_equal(proc_read(fd, "cgroup.procs", 64 << 20, &procs), 0);
		/* With a line end before it, too: other numbers may end in ours. */
		assert_true(asprintf(&lines, "\n%s", procs.data) > 0);
		(void)snprintf(line, sizeof(line), "\n%d\n", getpid());
		assert_non_null(strstr(lines, line));
		assert_false(cgroup_is_frozen(directory, list.entries[i].unified));
	}
}

/* --- the directory itself, with made-up files --- */

static void a_directory_that_is_no_cgroup_is_refused(void **state)
{
	struct tree *tree = *state;

	assert_int_equal(cgroup_open(tree->path), -ENOTSUP);
	assert_int_equal(cgroup_open("/nonexistent"), -ENOENT);
}

static void frozen_is_what_the_kernel_says_and_nothing_else(void **state)
{
	struct tree *tree = *state;

	assert_false(cgroup_text_is_frozen("", true));
	assert_false(cgroup_text_is_frozen("populated 1\nfrozen 0\n", true));
	assert_true(cgroup_text_is_frozen("populated 1\nfrozen 1\n", true));
	assert_false(cgroup_text_is_frozen("THAWED\n", false));
	assert_true(cgroup_text_is_frozen("FREEZING\n", false));
	assert_true(cgroup_text_is_frozen("FROZEN\n", false));
	/* A file of that name that isn't the kernel's says nothing. */
	write_text(tree, "cgroup.events", "populated 1\nfrozen 1\n");
	write_text(tree, "freezer.state", "FROZEN\n");
	assert_false(cgroup_is_frozen(tree->path, true));
	assert_false(cgroup_is_frozen(tree->path, false));
}

/* What mountinfo calls "/" is a root of a hierarchy or of our cgroup namespace, and anything else isn't. */
static void a_whole_hierarchy_is_told_from_a_part(void **state)
{
	_cleanup_(cgroup_mounts_done) struct cgroup_mounts mounts = CGROUP_MOUNTS_INIT;
	struct tree *tree = *state;
	_cleanup_fd_ int self = -EBADF;

	assert_int_equal(proc_open(0, &self, NULL), 0);
	assert_int_equal(cgroup_mounts_read(self, &mounts), 0);
	for (size_t i = 0; i < mounts.n; i++) {
		const struct cgroup_mount *mount = &mounts.mounts[i];
		_cleanup_dir_ DIR *dir = opendir(mount->point);
		const struct dirent *entry;
		char path[PATH_MAX];

		if (strcmp(mount->root, "/") != 0)
			assert_false(cgroup_is_whole(mount->point, mount->unified));
		assert_false(cgroup_is_whole(mount->point, !mount->unified));
		while (dir && (entry = readdir(dir))) {
			if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
				continue;
			(void)snprintf(path, sizeof(path), "%s/%s", mount->point, entry->d_name);
			assert_false(cgroup_is_whole(path, mount->unified));
		}
	}
	assert_false(cgroup_is_whole(tree->path, true));
	assert_false(cgroup_is_whole("/", false));
	assert_false(cgroup_is_whole("/nowhere", true));
}

/* Without a look at all mounts it's what the mounts say, if it says anything. */
static void the_usual_roots_are_those_of_mountinfo(void **state)
{
	static char v2[] = "", v1[] = "name=systemd", root[] = "/";
	static const struct cgroup_entry entries[] = {
		{.unified = true, .controllers = v2, .path = root},
		{.unified = false, .controllers = v1, .path = root},
	};
	_cleanup_(cgroup_mounts_done) struct cgroup_mounts mounts = CGROUP_MOUNTS_INIT;
	_cleanup_fd_ int self = -EBADF;
	const char *const *paths;
	size_t n = cgroup_usual_roots(&paths);

	(void)state;
	assert_int_equal(proc_open(0, &self, NULL), 0);
	assert_int_equal(cgroup_mounts_read(self, &mounts), 0);
	assert_true(n <= ELEMENTS(entries));
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *directory = NULL;

		assert_int_equal(cgroup_directory(&mounts, &entries[i], &directory), 0);
		assert_string_equal(directory, paths[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_v2_every_engine_has_one_directory),
		cmocka_unit_test(on_v1_each_hierarchy_has_its_own_and_some_are_mounted_nowhere),
		cmocka_unit_test(the_kubelet_on_v1_nests_pods_below_kubepods),
		cmocka_unit_test(in_a_hybrid_the_paths_may_differ_and_both_versions_count),
		cmocka_unit_test(in_a_container_only_what_its_mounts_hold_is_reachable),
		cmocka_unit_test(a_path_above_our_cgroup_namespace_is_never_guessed),
		cmocka_unit_test(a_mount_from_above_our_cgroup_namespace_reaches_beside_it),
		cmocka_unit_test(mount_points_and_roots_are_taken_out_of_their_escapes),
		cmocka_unit_test(of_several_mounts_one_that_holds_the_cgroup_is_taken),
		cmocka_unit_test(versions_are_never_mixed_up),
		cmocka_unit_test(a_hierarchy_is_found_by_any_of_its_controllers),
		cmocka_unit_test(what_is_no_cgroup_file_is_refused),
		cmocka_unit_test(a_torn_mountinfo_has_no_mounts),
		cmocka_unit_test(the_usual_roots_are_those_of_mountinfo),
		cmocka_unit_test(our_own_cgroups_are_where_mountinfo_says),
		cmocka_unit_test_setup_teardown(a_whole_hierarchy_is_told_from_a_part, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(a_directory_that_is_no_cgroup_is_refused, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(frozen_is_what_the_kernel_says_and_nothing_else,
						make_tree, remove_tree),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
