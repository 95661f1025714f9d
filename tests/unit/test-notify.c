/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "lib/notify.h"

static const char *filtered(const char *text, size_t size)
{
	static char buf[NOTIFY_TEXT + 1];
	ssize_t n = notify_filter(text, size, 4711, buf);

	assert_true(n >= 0 && n <= NOTIFY_TEXT);
	buf[n] = '\0';
	assert_int_equal(strlen(buf), n);
	return buf;
}

#define FILTERED(text) filtered(text, sizeof(text) - 1)

static void what_a_command_may_say_is_passed_on(void **state)
{
	(void)state;
	assert_string_equal(FILTERED("READY=1"), "READY=1\n");
	assert_string_equal(
		FILTERED("RELOADING=1\nMONOTONIC_USEC=18446744073709551615\nSTATUS=a = b\n"),
		"RELOADING=1\nMONOTONIC_USEC=18446744073709551615\nSTATUS=a = b\n");
	assert_string_equal(
		FILTERED("STOPPING=1\nWATCHDOG=1\nERRNO=2\nEXTEND_TIMEOUT_USEC=30000000"),
		"STOPPING=1\nWATCHDOG=1\nERRNO=2\nEXTEND_TIMEOUT_USEC=30000000\n");
	assert_string_equal(FILTERED("STATUS="), "STATUS=\n");
}

static void all_else_is_left_out(void **state)
{
	(void)state;
	assert_string_equal(FILTERED(""), "");
	assert_string_equal(FILTERED("\n\n\n"), "");
	assert_string_equal(FILTERED("=1\nREADY\nREADY=\nREADY=2\nREADY=11\nREADY=1 \n READY=1"),
			    "");
	assert_string_equal(FILTERED("WATCHDOG=trigger\nWATCHDOG_USEC=1\nFDSTORE=1\nFDNAME=x"), "");
	assert_string_equal(FILTERED("FDSTOREREMOVE=1\nNOTIFYACCESS=all\nBUSERROR=x\nBARRIER=1"),
			    "");
	assert_string_equal(FILTERED("ERRNO=-1\nERRNO=0x1\nERRNO=\nERRNO=123456789012345678901"),
			    "");
	assert_string_equal(FILTERED("ready=1\nREADYY=1\nREAD=1\nREADY=1"), "READY=1\n");
}

static void the_main_process_is_ours(void **state)
{
	(void)state;
	assert_string_equal(FILTERED("MAINPID=1\nMAINPID=2\nREADY=1"), "MAINPID=4711\nREADY=1\n");
	assert_string_equal(FILTERED("MAINPID=\x01\x02"), "MAINPID=4711\n");
}

static void a_status_holds_nothing_that_moves_a_cursor(void **state)
{
	(void)state;
	assert_string_equal(FILTERED("STATUS=a\x1b[2Jb\x7f\r\tc\0d"), "STATUS=a[2Jbcd\n");
	assert_string_equal(FILTERED("STATUS=\xc2\x9b x \xc2\xa0 \xc3\xa4\xc2"),
			    "STATUS= x \xc2\xa0 \xc3\xa4\xc2\n");
	assert_string_equal(FILTERED("READY=1\0\nREADY\0=1"), "");
}

static void each_is_said_once(void **state)
{
	(void)state;
	assert_string_equal(FILTERED("STATUS=1\nREADY=1\nSTATUS=2\nREADY=1"),
			    "STATUS=1\nREADY=1\n");
}

static void what_would_become_too_long_is_refused(void **state)
{
	char text[NOTIFY_TEXT], buf[NOTIFY_TEXT];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "STATUS=", 7);
	assert_int_equal(notify_filter(text, sizeof(text) - 1, 1, buf), sizeof(text));
	assert_int_equal(notify_filter(text, sizeof(text), 1, buf), -EMSGSIZE);
	memcpy(text, "MAINPID=1\nSTATUS=", 17);
	assert_int_equal(notify_filter(text, sizeof(text) - 1, 4711, buf), -EMSGSIZE);
}

static void an_address_is_a_path_or_an_abstract_name(void **state)
{
	static const char *const bad[] = {"", "/", "@", "relative", "vsock:2:1", NULL};
	struct cj_notify_options options = CJ_NOTIFY_OPTIONS_INIT;
	struct cj_notify *notify = NULL;
	char address[200] = "/";

	(void)state;
	for (size_t i = 0; i < ELEMENTS(bad); i++) {
		options.address = bad[i];
		assert_int_equal(cj_notify_new(&options, &notify, NULL), -EINVAL);
	}
	memset(address + 1, 'x', 107);
	options.address = address;
	assert_int_equal(cj_notify_new(&options, &notify, NULL), -EINVAL);
	address[107] = '\0';
	assert_int_equal(cj_notify_new(&options, &notify, NULL), 0);
	cj_notify_free(notify);
	cj_notify_free(NULL);
}

static void nobody_can_know_the_name_beforehand(void **state)
{
	struct cj_notify_options options = CJ_NOTIFY_OPTIONS_INIT;
	struct cj_notify *one = NULL, *other = NULL;

	(void)state;
	options.address = "@x";
	assert_int_equal(cj_notify_new(&options, &one, NULL), 0);
	assert_int_equal(cj_notify_new(&options, &other, NULL), 0);
	assert_string_not_equal(cj_notify_variable(one), cj_notify_variable(other));
	assert_int_equal(strncmp(cj_notify_variable(one), "NOTIFY_SOCKET=@", 15), 0);
	assert_true(strlen(cj_notify_variable(one)) >= 15 + 32);
	cj_notify_free(one);
	cj_notify_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_command_may_say_is_passed_on),
		cmocka_unit_test(all_else_is_left_out),
		cmocka_unit_test(the_main_process_is_ours),
		cmocka_unit_test(a_status_holds_nothing_that_moves_a_cursor),
		cmocka_unit_test(each_is_said_once),
		cmocka_unit_test(what_would_become_too_long_is_refused),
		cmocka_unit_test(an_address_is_a_path_or_an_abstract_name),
		cmocka_unit_test(nobody_can_know_the_name_beforehand),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
