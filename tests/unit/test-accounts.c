/* SPDX-License-Identifier: MIT
 *
 * Users and groups in files that a container made up as it liked.
 */
#include "unit.h"

#include "lib/accounts.h"

#define USUAL                                                                                      \
	"root:x:0:0:root:/root:/bin/bash\n"                                                        \
	"daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"                                        \
	"toor:x:0:0:::/bin/sh\n"                                                                   \
	"app:x:1000:1001:App,,,:/srv/app:/bin/ash"

static int by_name(const char *text, const char *name, struct account *ret)
{
	_cleanup_(bytes_done) struct bytes bytes = text_of(text);

	return account_by_name(&bytes, name, ret);
}

static int by_uid(const char *text, uid_t uid, struct account *ret)
{
	_cleanup_(bytes_done) struct bytes bytes = text_of(text);

	return account_by_uid(&bytes, uid, ret);
}

static void a_user_is_found_by_name_and_by_number(void **state)
{
	_cleanup_(account_done) struct account name = ACCOUNT_INIT, uid = ACCOUNT_INIT;

	(void)state;
	assert_int_equal(by_name(USUAL, "app", &name), 0); /* the last line has no newline */
	assert_int_equal(name.uid, 1000);
	assert_int_equal(name.gid, 1001);
	assert_string_equal(name.name, "app");
	assert_string_equal(name.home, "/srv/app");
	assert_string_equal(name.shell, "/bin/ash");
	assert_int_equal(by_uid(USUAL, 1000, &uid), 0);
	assert_string_equal(uid.name, "app");
}

static void of_several_users_with_a_number_the_first_is_taken(void **state)
{
	_cleanup_(account_done) struct account first = ACCOUNT_INIT, named = ACCOUNT_INIT;

	(void)state;
	assert_int_equal(by_uid(USUAL, 0, &first), 0);
	assert_string_equal(first.name, "root");
	assert_int_equal(by_name(USUAL, "toor", &named), 0);
	assert_string_equal(named.home, "");
	assert_string_equal(named.shell, "/bin/sh");
}

static void nobody_is_found_by_a_part_of_a_name(void **state)
{
	static const char *const names[] = {"", "ap", "app ", "APP", "x", "app:x", "root\n", "#"};
	struct account account = ACCOUNT_INIT;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(names); i++)
		assert_int_equal(by_name(USUAL, names[i], &account), -ENOENT);
	assert_int_equal(by_uid(USUAL, 2, &account), -ENOENT);
	assert_int_equal(by_name("", "root", &account), -ENOENT);
	assert_int_equal(account_by_name(&(struct bytes)BYTES_INIT, "root", &account), -ENOENT);
	assert_null(account.name);
}

static void lines_that_are_none_are_passed_over(void **state)
{
	static const char text[] = "\n# a comment\n:x:0:0:::\nnocolons\nevil:x:abc:0::/:/bin/sh\n"
				   "short:x:5\nevil:x:1 2:0::/:/bin/sh\nevil:x::0::/:/bin/sh\n"
				   "good:x:7:8::/g:/bin/g\n";
	_cleanup_(account_done) struct account account = ACCOUNT_INIT;
	struct account none = ACCOUNT_INIT;

	(void)state;
	assert_int_equal(by_name(text, "good", &account), 0);
	assert_int_equal(account.uid, 7);
	assert_int_equal(by_name(text, "evil", &none), -ENOENT);
	assert_int_equal(by_name(text, "nocolons", &none), -ENOENT);
}

static void a_number_that_is_no_uid_makes_no_user(void **state)
{
	static const char *const texts[] = {
		"app:x:4294967295:0::/:/bin/sh\n", /* -1: setresuid(2) would leave ours */
		"app:x:-1:0::/:/bin/sh\n",	   "app:x:99999999999999999999:0::/:/bin/sh\n",
		"app:x:4294967296:0::/:/bin/sh\n", "app:x:1000:4294967295::/:/bin/sh\n",
		"app:x:1000:-1::/:/bin/sh\n"};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(texts); i++) {
		_cleanup_(account_done) struct account account = ACCOUNT_INIT;

		if (by_name(texts[i], "app", &account) >= 0)
			fail_msg("uid %u, gid %u of %s", account.uid, account.gid, texts[i]);
	}
}

static void entries_of_nis_are_nobody(void **state)
{
	static const char text[] =
		"+::::::\n+app:::::/evil:/evil\n-x::::::\nroot:x:0:0::/root:/bin/sh\n";
	_cleanup_(account_done) struct account root = ACCOUNT_INIT;
	struct account none = ACCOUNT_INIT;

	(void)state;
	assert_int_equal(by_uid(text, 0, &root), 0);
	assert_string_equal(root.name, "root");
	assert_int_equal(by_name(text, "+", &none), -ENOENT);
	assert_int_equal(by_name(text, "+app", &none), -ENOENT);
	assert_int_equal(by_name(text, "app", &none), -ENOENT);
}

static void nuls_and_bytes_of_any_kind_do_no_harm(void **state)
{
	static const char data[] = "a\0b:x:1:1::/:/bin/sh\n\xff\xfe:x:2:2::/h\x1b[0m:/s\n"
				   "last:x:3:3::/l:/bin/l\n\0\0\0";
	_cleanup_(bytes_done) struct bytes bytes = bytes_of(data, sizeof(data) - 1);
	_cleanup_(account_done) struct account odd = ACCOUNT_INIT, last = ACCOUNT_INIT;

	(void)state;
	assert_int_equal(account_by_name(&bytes, "\xff\xfe", &odd), 0);
	assert_string_equal(odd.home, "/h\x1b[0m");
	assert_int_equal(account_by_name(&bytes, "last", &last), 0);
	assert_int_equal(last.uid, 3);
}

static void a_line_of_a_megabyte_hides_nobody_behind_it(void **state)
{
	enum { LONG = 1 << 20 };
	static const char end_of[] = ":x:5:5::/:/bin/sh\napp:x:6:6::/:/bin/sh\n";
	_cleanup_(bytes_done) struct bytes bytes = {malloc(LONG + sizeof(end_of)),
						    LONG + sizeof(end_of) - 1};
	_cleanup_(account_done) struct account account = ACCOUNT_INIT;

	(void)state;
	assert_non_null(bytes.data);
	memset(bytes.data, 'l', LONG);
	memcpy(bytes.data + LONG, end_of, sizeof(end_of));
	assert_int_equal(account_by_name(&bytes, "app", &account), 0);
	assert_int_equal(account.uid, 6);
}

/* --- groups --- */

#define GROUPS                                                                                     \
	"root:x:0:\nadm:x:4:app,syslog\nwheel:x:10:app\napp:x:1001:\nwheel2:x:10:app\n"            \
	"not:x:11:apple,ap,xapp\nevil:x:abc:app\nlast:x:12:root,app"

static void groups_are_found_by_name(void **state)
{
	_cleanup_(bytes_done) struct bytes text = text_of(GROUPS);
	gid_t gid = 77;

	(void)state;
	assert_int_equal(group_by_name(&text, "wheel", &gid), 0);
	assert_int_equal(gid, 10);
	assert_int_equal(group_by_name(&text, "last", &gid), 0);
	assert_int_equal(gid, 12);
	gid = 77;
	assert_int_equal(group_by_name(&text, "whee", &gid), -ENOENT);
	assert_int_equal(group_by_name(&text, "evil", &gid), -ENOENT);
	assert_int_equal(group_by_name(&text, "", &gid), -ENOENT);
	assert_int_equal(group_by_name(&(struct bytes)BYTES_INIT, "root", &gid), -ENOENT);
	assert_int_equal(gid, 77);
}

static void a_user_has_his_own_group_and_each_that_lists_him_once(void **state)
{
	static const gid_t want[] = {1001, 4, 10, 12};
	_cleanup_(bytes_done) struct bytes text = text_of(GROUPS);
	_cleanup_free_ gid_t *groups = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(groups_of(&text, "app", 1001, &groups, &n), 0);
	assert_int_equal(n, ELEMENTS(want));
	assert_memory_equal(groups, want, sizeof(want));
}

static void a_number_without_a_name_has_its_group_alone(void **state)
{
	_cleanup_(bytes_done) struct bytes text = text_of(GROUPS);
	_cleanup_free_ gid_t *groups = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(groups_of(&text, NULL, 5, &groups, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(groups[0], 5);
}

static void a_number_that_is_no_gid_makes_no_group(void **state)
{
	_cleanup_(bytes_done) struct bytes text =
		text_of("a:x:4294967295:app\nb:x:-1:app\nc:x:99999999999999:app\n");
	_cleanup_free_ gid_t *groups = NULL;
	gid_t gid = 77;
	size_t n = 0;

	(void)state;
	assert_int_equal(group_by_name(&text, "a", &gid), -ENOENT);
	assert_int_equal(group_by_name(&text, "b", &gid), -ENOENT);
	assert_int_equal(gid, 77);
	assert_int_equal(groups_of(&text, "app", 5, &groups, &n), 0);
	assert_int_equal(n, 1);
}

static void a_group_of_100000_members_is_read_to_its_end(void **state)
{
	enum { MEMBERS = 100000 };
	_cleanup_(bytes_done) struct bytes text = {.data = malloc(8 * MEMBERS + 64)};
	_cleanup_free_ gid_t *groups = NULL;
	size_t n = 0;

	(void)state;
	assert_non_null(text.data);
	text.size = (size_t)snprintf(text.data, 16, "big:x:9:");
	for (int i = 0; i < MEMBERS; i++)
		text.size += (size_t)snprintf(text.data + text.size, 8, "%d,", i);
	text.size += (size_t)snprintf(text.data + text.size, 32, "app\nnext:x:10:app\n");
	assert_int_equal(groups_of(&text, "app", 5, &groups, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(groups[2], 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_is_found_by_name_and_by_number),
		cmocka_unit_test(of_several_users_with_a_number_the_first_is_taken),
		cmocka_unit_test(nobody_is_found_by_a_part_of_a_name),
		cmocka_unit_test(lines_that_are_none_are_passed_over),
		cmocka_unit_test(a_number_that_is_no_uid_makes_no_user),
		cmocka_unit_test(entries_of_nis_are_nobody),
		cmocka_unit_test(nuls_and_bytes_of_any_kind_do_no_harm),
		cmocka_unit_test(a_line_of_a_megabyte_hides_nobody_behind_it),
		cmocka_unit_test(groups_are_found_by_name),
		cmocka_unit_test(a_user_has_his_own_group_and_each_that_lists_him_once),
		cmocka_unit_test(a_number_without_a_name_has_its_group_alone),
		cmocka_unit_test(a_number_that_is_no_gid_makes_no_group),
		cmocka_unit_test(a_group_of_100000_members_is_read_to_its_end),
	};

	return cmocka_run_group_tests_name("accounts", tests, NULL, NULL);
}
