/* SPDX-License-Identifier: MIT
 *
 * machine:NAME: machined's files, units' cgroups, and the names that systemd-nspawn gives.
 */
#include "engine.h"

#include "engine/machine.h"

static void a_file_is_read(void **state)
{
	static const char text[] = "# This is private data. Do not parse.\n"
				   "NAME=web\nSCOPE=machine-web.scope\nSCOPE_JOB=/x\n"
				   "SERVICE=systemd-nspawn\nROOT=/srv/my\\x20web\n"
				   "ID=0123\nLEADER=4711\nCLASS=container\nREALTIME=1\nNETIF=3 4\n";
	struct machine_record record;

	(void)state;
	assert_int_equal(machine_record_parse(text, &record), 0);
	assert_int_equal(record.leader, 4711);
	assert_int_equal(record.owner, 0);
	assert_string_equal(record.unit, "machine-web.scope");
	assert_string_equal(record.kind, "container");
	assert_string_equal(record.service, "systemd-nspawn");
	assert_string_equal(record.root, "/srv/my web");
	assert_int_equal(machine_record_parse("LEADER=\"12\"\nUNIT=a.service\nUID=1000", &record),
			 0);
	assert_int_equal(record.leader, 12);
	assert_int_equal(record.owner, 1000);
	assert_string_equal(record.unit, "a.service");
}

static void a_file_without_a_leader_is_none(void **state)
{
	static const char *const broken[] = {
		"",	      "\n\n",	     "LEADER=",		  "LEADER=x\n",	    "LEADER=-1\n",
		"LEADER=0\n", "XLEADER=1\n", "LEADER=99999999\n", "LEADER=1\\x00\n"};
	struct machine_record record;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(broken); i++)
		if (machine_record_parse(broken[i], &record) != -EBADMSG)
			fail_msg("\"%s\" has a leader", broken[i]);
}

static void what_does_not_fit_is_left_out(void **state)
{
	char text[2 * PATH_MAX];
	struct machine_record record;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "LEADER=1\nROOT=", 14);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(machine_record_parse(text, &record), 0);
	assert_string_equal(record.root, "");
}

static void nspawn_is_named_as_it_names_itself(void **state)
{
	/* arguments with blanks between, the working directory, the name; NULL: it can't be told */
	static const char *const cases[][3] = {
		{"nspawn -D /srv/web", "/", "web"},
		{"nspawn -D /srv/web/", "/", "web"},
		{"nspawn -D/srv/web sleep -M other", "/", "web"},
		{"nspawn --directory=/srv/web -M box", "/", "box"},
		{"nspawn -qbM box -D /srv/web", "/", "box"},
		{"nspawn --machine box --directory /srv/web", "/", "box"},
		{"nspawn --bind /a:/b --machine=box", "/", "box"},
		{"nspawn -i /srv/disk.raw", "/", "disk"},
		{"nspawn --image=disk.raw.raw", "/", "disk.raw"},
		{"nspawn", "/srv/here", "here"},
		{"nspawn -D .", "/srv/here", "here"},
		{"nspawn -D /srv/My_Web--1..2-", "/", "MyWeb--1.2"},
		{"nspawn -D /srv/web -- -M box", "/", "web"},
		{"nspawn -D /srv/web - -M box", "/", "web"},
		{"nspawn -x -D /srv/web", "/", NULL},
		{"nspawn --ephemeral -D /srv/web", "/", NULL},
		{"nspawn -x -M box -D /srv/web", "/", "box"},
		{"nspawn -D /", "/", NULL},
		{"nspawn -D /srv/---", "/", NULL},
		{"", "/", NULL},
	};
	char text[256], name[MACHINE_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		size_t size = strlen(cases[i][0]) + 1;
		int r;

		memcpy(text, cases[i][0], size);
		for (char *at = text; *at; at++)
			if (*at == ' ')
				*at = '\0';
		r = nspawn_name(text, size, cases[i][1], name);
		if ((r == 0) != (cases[i][2] != NULL))
			fail_msg("\"%s\": %d", cases[i][0], r);
		if (r == 0)
			assert_string_equal(name, cases[i][2]);
	}
}

static void machines_are_found_by_their_files(void **state)
{
	const struct tree *tree = *state;
	_cleanup_(asking_done) struct asking asking, all;

	put(tree, "/run/systemd/machines/web",
	    "LEADER=4711\nCLASS=container\nSCOPE=machine-web.scope\nROOT=/srv/web\n");
	put(tree, "/run/systemd/machines/vm1", "LEADER=4712\nCLASS=vm\nUNIT=machine-vm1.scope\n");
	put(tree, "/run/systemd/machines/.host", "LEADER=1\nCLASS=host\n");
	put(tree, "/run/systemd/machines/host", "LEADER=1\nCLASS=host\n");
	put(tree, "/run/systemd/machines/unit:machine-web.scope", "LEADER=4711\n");
	put(tree, "/run/systemd/machines/broken", "nothing\n");
	assert_int_equal(ask_engine(&asking, tree, &engine_machine, "web"), 0);
	assert_string_equal(only(&asking)->name, "web");
	assert_int_equal(only(&asking)->pid, 4711);
	assert_int_equal(only(&asking)->start, 0); /* the cgroup decides */
	assert_string_equal(only(&asking)->cgroup_word, "machine-web.scope");
	assert_int_equal(only(&asking)->owner, 0);
	assert_string_equal(container_label(only(&asking), "class"), "container");
	assert_string_equal(container_label(only(&asking), "root"), "/srv/web");
	assert_int_equal(ask_engine(&all, tree, &engine_machine, NULL), 0);
	assert_non_null(found(&all, 1));
	assert_null(found(&all, 2));
}

static void without_a_file_the_units_cgroup_counts(void **state)
{
	static const char *const places[] = {
		"/sys/fs/cgroup/machine.slice/machine-my\\x2dweb.scope/payload/cgroup.procs",
		"/sys/fs/cgroup/machine.slice/systemd-nspawn@my\\x2dweb.service/cgroup.procs",
	};
	const pid_t pid = spawn_inside(), watcher = spawn_idle();

	for (size_t i = 0; i < ELEMENTS(places); i++) {
		_cleanup_(asking_done) struct asking asking;
		void *own = NULL;
		const struct tree *tree;

		assert_int_equal(make_tree(&own), 0);
		tree = own;
		put(tree, places[i], "%d\n%d\n", watcher, pid);
		assert_int_equal(ask_engine(&asking, tree, &engine_machine, "my-web"), 0);
		assert_int_equal(only(&asking)->pid, pid);
		assert_non_null(strstr(only(&asking)->cgroup_word, "my\\x2dweb."));
		assert_int_equal(remove_tree(&own), 0);
	}
	(void)state;
	end(watcher);
	end(pid);
}

static void what_is_no_name_is_refused(void **state)
{
	static const char *const refs[] = {"", ".host", "..", "a/b", "unit:x.scope", "a b"};
	const struct tree *tree = *state;

	for (size_t i = 0; i < ELEMENTS(refs); i++) {
		_cleanup_(asking_done) struct asking asking;

		assert_int_equal(ask_engine(&asking, tree, &engine_machine, refs[i]), -EINVAL);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read),
		cmocka_unit_test(a_file_without_a_leader_is_none),
		cmocka_unit_test(what_does_not_fit_is_left_out),
		cmocka_unit_test(nspawn_is_named_as_it_names_itself),
		TEST(machines_are_found_by_their_files),
		TEST(without_a_file_the_units_cgroup_counts),
		TEST(what_is_no_name_is_refused),
	};

	return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
