/* SPDX-License-Identifier: MIT
 *
 * The kinds of namespaces, which of them a process is in, and ids on both sides of a user namespace.
 */
#include "unit.h"

#include "sys/idmap.h"
#include "sys/namespace.h"
#include "sys/proc.h"
#include "sys/syscalls.h"

static void every_kind_is_found_by_the_name_of_its_file(void **state)
{
	int all = 0;

	(void)state;
	for (int i = 0; i < NAMESPACE_KINDS; i++) {
		assert_int_equal(namespace_index(namespace_kinds[i].name), i);
		assert_int_equal(all & namespace_kinds[i].flag, 0); /* each flag once */
		all |= namespace_kinds[i].flag;
	}
	assert_int_equal(all, CLONE_NEWUSER | CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS |
				      CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWTIME | CLONE_NEWNS);
	assert_int_equal(namespace_index("mount"), -EINVAL);
	assert_int_equal(namespace_index(""), -EINVAL);
	assert_int_equal(namespace_index("NET"), -EINVAL);
}

static void the_user_namespace_comes_first_and_mnt_last(void **state)
{
	(void)state;
	assert_string_equal(namespace_kinds[0].name, "user");
	assert_string_equal(namespace_kinds[NAMESPACE_KINDS - 1].name, "mnt");
}

static void the_inodes_are_those_of_the_links(void **state)
{
	struct namespaces namespaces;
	_cleanup_fd_ int proc = -EBADF;
	int kind = 77;

	(void)state;
	assert_int_equal(proc_open(0, &proc, NULL), 0);
	assert_int_equal(namespaces_read(proc, &namespaces, &kind), 0);
	for (int i = 0; i < NAMESPACE_KINDS; i++) {
		char file[32], link[64], want[64];

		(void)snprintf(file, sizeof(file), "ns/%s", namespace_kinds[i].name);
		if (proc_readlink(proc, file, link, sizeof(link)) < 0) {
			assert_int_equal(namespaces.inode[i], 0);
			continue;
		}
		(void)snprintf(want, sizeof(want), "%s:[%llu]", namespace_kinds[i].name,
			       (unsigned long long)namespaces.inode[i]);
		assert_string_equal(link, want);
	}
	assert_int_equal(kind, 77);
}

static void a_kind_that_the_kernel_lacks_is_no_failure(void **state)
{
	struct namespaces namespaces = {{77}};
	struct tree *tree = *state; /* a /proc/PID without any */
	int kind = 77;

	make_directory(tree, "ns");
	assert_int_equal(symlinkat("net:[4026531833]", tree->fd, "ns/net"), 0);
	assert_int_equal(namespaces_read(tree->fd, &namespaces, &kind), 0);
	for (int i = 0; i < NAMESPACE_KINDS; i++)
		assert_int_equal(namespaces.inode[i] != 0, i == NAMESPACE_NET);
	assert_int_equal(namespace_open(tree->fd, NAMESPACE_TIME), -ENOENT);
}

static void a_process_that_has_ended_has_no_namespaces(void **state)
{
	struct namespaces namespaces = {{77}};
	_cleanup_fd_ int proc = -EBADF;
	pid_t pid = spawn_idle();
	int kind = -1;

	(void)state;
	assert_int_equal(proc_open(pid, &proc, NULL), 0);
	end(pid);
	assert_int_equal(namespaces_read(proc, &namespaces, &kind), -ESRCH);
	assert_int_equal(kind, NAMESPACE_USER);
	assert_int_equal(namespaces.inode[0], 77);
}

static void a_namespace_opens_close_on_exec_and_knows_its_owner(void **state)
{
	_cleanup_fd_ int proc = -EBADF;
	uid_t owner = 77;

	(void)state;
	assert_int_equal(proc_open(0, &proc, NULL), 0);
	_cleanup_fd_ int user = namespace_open(proc, NAMESPACE_USER);
	_cleanup_fd_ int net = namespace_open(proc, NAMESPACE_NET);
	assert_true(user >= 0);
	assert_int_equal(fcntl(user, F_GETFD), FD_CLOEXEC);
	assert_int_equal(namespace_owner(user, &owner), 0);
	assert_int_not_equal(owner, 77);
	assert_int_equal(namespace_owner(net, &owner), -EINVAL); /* users own user namespaces */
}

/* --- maps --- */

static void ids_are_translated_both_ways(void **state)
{
	_cleanup_(idmap_done) struct idmap map = IDMAP_INIT;
	uint32_t id = 77;

	(void)state;
	/* as podman makes it for uid 1000 */
	assert_int_equal(idmap_parse("         0       1000          1\n"
				     "         1     100000      65536\n",
				     &map),
			 0);
	assert_true(idmap_to_inside(&map, 1000, &id) && id == 0);
	assert_true(idmap_to_inside(&map, 100000, &id) && id == 1);
	assert_true(idmap_to_inside(&map, 165535, &id) && id == 65536);
	assert_true(idmap_to_outside(&map, 0, &id) && id == 1000);
	assert_true(idmap_to_outside(&map, 33, &id) && id == 100032);
	id = 77;
	assert_false(idmap_to_inside(&map, 0, &id));
	assert_false(idmap_to_inside(&map, 999, &id));
	assert_false(idmap_to_inside(&map, 165536, &id));
	assert_false(idmap_to_outside(&map, 65537, &id));
	assert_int_equal(id, 77);
}

static void the_largest_map_leaves_out_the_id_that_is_none(void **state)
{
	_cleanup_(idmap_done) struct idmap map = IDMAP_INIT;
	uint32_t id = 77;

	(void)state;
	assert_int_equal(idmap_parse("0 0 4294967295\n", &map), 0);
	assert_true(idmap_to_inside(&map, 4294967294U, &id) && id == 4294967294U);
	assert_false(idmap_to_inside(&map, UINT32_MAX, &id));
	assert_false(idmap_to_outside(&map, UINT32_MAX, &id));
}

static void an_empty_map_maps_nobody(void **state)
{
	_cleanup_(idmap_done) struct idmap map = IDMAP_INIT;
	uint32_t id = 77;

	(void)state;
	assert_int_equal(idmap_parse("", &map), 0);
	assert_int_equal(map.n, 0);
	assert_false(idmap_to_inside(&map, 0, &id));
	assert_false(idmap_to_outside(&map, 0, &id));
}

static void all_340_ranges_are_kept(void **state)
{
	_cleanup_(idmap_done) struct idmap map = IDMAP_INIT;
	char text[340 * 33 + 1];
	size_t n = 0;
	uint32_t id;

	(void)state;
	for (unsigned int i = 0; i < 340; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%10u %10u %10u\n", i,
				      100000 + 7 * i, 1U);
	assert_int_equal(idmap_parse(text, &map), 0);
	assert_int_equal(map.n, 340);
	assert_true(idmap_to_inside(&map, 100000 + 7 * 339, &id) && id == 339);
}

static void what_is_no_map_is_refused(void **state)
{
	static const char *const wrong[] = {"0 1\n",	    "0 1\n2 3 4\n", "a b c\n",
					    "0 0 1\nx\n",   "0 -1 1\n",	    "0 0 4294967296\n",
					    "0 1000 1 5\n", "\n",	    "0 1000\t"};
	struct idmap map = IDMAP_INIT;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++)
		if (idmap_parse(wrong[i], &map) != -EBADMSG)
			fail_msg("\"%s\" was taken as a map", wrong[i]);
	assert_null(map.ranges);
}

static void our_own_map_maps_us(void **state)
{
	_cleanup_(idmap_done) struct idmap map = IDMAP_INIT;
	_cleanup_fd_ int proc = -EBADF;
	uint32_t id = 77;

	(void)state;
	assert_int_equal(proc_open(0, &proc, NULL), 0);
	assert_int_equal(idmap_read(proc, "uid_map", &map), 0);
	assert_true(idmap_to_outside(&map, getuid(), &id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_found_by_the_name_of_its_file),
		cmocka_unit_test(the_user_namespace_comes_first_and_mnt_last),
		cmocka_unit_test(the_inodes_are_those_of_the_links),
		cmocka_unit_test_setup_teardown(a_kind_that_the_kernel_lacks_is_no_failure,
						make_tree, remove_tree),
		cmocka_unit_test(a_process_that_has_ended_has_no_namespaces),
		cmocka_unit_test(a_namespace_opens_close_on_exec_and_knows_its_owner),
		cmocka_unit_test(ids_are_translated_both_ways),
		cmocka_unit_test(the_largest_map_leaves_out_the_id_that_is_none),
		cmocka_unit_test(an_empty_map_maps_nobody),
		cmocka_unit_test(all_340_ranges_are_kept),
		cmocka_unit_test(what_is_no_map_is_refused),
		cmocka_unit_test(our_own_map_maps_us),
	};

	return cmocka_run_group_tests_name("namespace", tests, NULL, NULL);
}
