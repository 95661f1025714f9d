/* SPDX-License-Identifier: MIT
 *
 * What monitors of LXC containers are called, and what they answer.
 */
#include "unit.h"

#include "engine/lxc_api.h"
#include "sys/unix_listeners.h"

/* --- names --- */

static void a_socket_tells_its_container(void **state)
{
	static const struct {
		const char *listener, *name; /* NULL: it's no monitor's */
	} cases[] = {
		{"/var/lib/lxc/web/command", "web"},
		{"/a/b c/d.e/command", "d.e"},
		{"lxc/0123456789abcdef/command", ""},
		{"lxc/0123456789abcdeg/command", NULL},
		{"lxc/web/command", NULL},
		{"web/command", NULL},
		{"/web/command", NULL},
		{"/command", NULL},
		{"command", NULL},
		{"", NULL},
		{"/var/lib/lxc/web", NULL},
		{"/var/lib/lxc/web/command/x", NULL},
		{"/var/lib/lxc//command", NULL},
		{"/var/lib/lxc/../command", NULL},
		{"/var/lib/lxc/./command", NULL},
	};
	char name[NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		int r = lxc_socket_name(cases[i].listener, name);

		if ((r == 0) != (cases[i].name != NULL))
			fail_msg("\"%s\": %d", cases[i].listener, r);
		if (r == 0)
			assert_string_equal(name, cases[i].name);
	}
}

static void lines_of_the_table_are_read(void **state)
{
	static const struct {
		const char *line, *name;
	} cases[] = {
		{"00000000342ead30: 00000002 00000000 00010000 0001 01 39594589 @/c5/lxc/box/command",
		 "/c5/lxc/box/command"},
		{"0: 00000002 00000000 00010000 0001 01   7 @a b ", "a b "},
		{"0: 00000002 00000000 00000000 0001 01 39594589 @/connected", NULL},
		{"0: 00000002 00000000 00010000 0005 01 39594589 @/seqpacket", NULL},
		{"0: 00000002 00000000 00010000 0001 01 39594589 /run/x.sock", NULL},
		{"0: 00000002 00000000 00010000 0001 01 39594589", NULL},
		{"0: 00000002 00000000 00010000 0001 01 39594589 @", NULL},
		{"Num       RefCount Protocol Flags    Type St Inode Path", NULL},
		{"", NULL},
	};
	char name[109];

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		int r = unix_line_parse(cases[i].line, strlen(cases[i].line), name, sizeof(name));

		if ((r == 0) != (cases[i].name != NULL))
			fail_msg("\"%s\": %d", cases[i].line, r);
		if (r == 0)
			assert_string_equal(name, cases[i].name);
	}
	assert_int_equal(unix_line_parse(cases[0].line, strlen(cases[0].line), name, 10),
			 -ENAMETOOLONG);
}

/* --- answers --- */

static size_t pack(char *buf, int result, int data_size, uintptr_t data)
{
	const struct lxc_answer answer = {result, data_size, data};

	memcpy(buf, &answer, sizeof(answer));
	return sizeof(answer);
}

static void states_are_translated(void **state)
{
	static const enum container_state expected[] = {
		CONTAINER_STOPPED, CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_RUNNING,
		CONTAINER_STOPPED, CONTAINER_RUNNING, CONTAINER_PAUSED,	 CONTAINER_RUNNING,
	};
	enum container_state got;
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ELEMENTS(expected); i++) {
		size_t n = pack(buf, 0, 0, i);

		assert_int_equal(lxc_answer_state(buf, n - 1, &got), 0);
		assert_int_equal(lxc_answer_state(buf, n, &got), 1);
		assert_int_equal(got, expected[i]);
	}
	assert_int_equal(lxc_answer_state(buf, pack(buf, 0, 0, 8), &got), -EBADMSG);
	assert_int_equal(lxc_answer_state(buf, pack(buf, 0, 0, UINTPTR_MAX), &got), -EBADMSG);
	assert_int_equal(lxc_answer_state(buf, pack(buf, -EACCES, 0, 2), &got), -EACCES);
	assert_int_equal(lxc_answer_state(buf, pack(buf, 1, 0, 2), &got), -EBADMSG);
	assert_int_equal(lxc_answer_state(buf, pack(buf, -100000, 0, 2), &got), -EBADMSG);
	assert_int_equal(lxc_answer_state(buf, pack(buf, 0, -1, 2), &got), -EBADMSG);
}

static void a_pid_is_a_number_that_may_be_one(void **state)
{
	char buf[64];
	pid_t pid;

	(void)state;
	assert_int_equal(lxc_answer_pid(buf, pack(buf, 0, 0, 4194304), &pid), 1);
	assert_int_equal(pid, 4194304);
	assert_int_equal(lxc_answer_pid(buf, pack(buf, 0, 0, 0), &pid), -EBADMSG);
	assert_int_equal(lxc_answer_pid(buf, pack(buf, 0, 0, 4194305), &pid), -EBADMSG);
	assert_int_equal(lxc_answer_pid(buf, pack(buf, 0, 0, (uintptr_t)-1), &pid), -EBADMSG);
}

static void a_name_comes_behind_its_answer(void **state)
{
	char buf[128], name[NAME_MAX + 1];
	size_t n;

	(void)state;
	n = pack(buf, 0, 4, 12345);
	memcpy(buf + n, "web", 4);
	for (size_t cut = 0; cut < n + 4; cut++)
		assert_int_equal(lxc_answer_name(buf, cut, name), 0);
	assert_int_equal(lxc_answer_name(buf, n + 4, name), 1);
	assert_string_equal(name, "web");
	memcpy(buf + n, "a/b", 4);
	assert_int_equal(lxc_answer_name(buf, n + 4, name), -EBADMSG);
	assert_int_equal(lxc_answer_name(buf, pack(buf, 0, 0, 0), name), -EBADMSG);
	assert_int_equal(lxc_answer_name(buf, pack(buf, 0, LXC_DATA_MAX + 1, 0), name), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_tells_its_container),
		cmocka_unit_test(lines_of_the_table_are_read),
		cmocka_unit_test(states_are_translated),
		cmocka_unit_test(a_pid_is_a_number_that_may_be_one),
		cmocka_unit_test(a_name_comes_behind_its_answer),
	};

	return cmocka_run_group_tests_name("lxc-api", tests, NULL, NULL);
}
