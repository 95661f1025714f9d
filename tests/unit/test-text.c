/* SPDX-License-Identifier: MIT
 *
 * Text on its way to people: formatted without a heap, escaped before a terminal, in columns; and
 * the error that carries it.
 */
#include "unit.h"

#include <limits.h>

#include "base/escape.h"
#include "base/format.h"
#include "base/table.h"

/* --- format --- */

static void formats_agree_with_snprintf(void **state)
{
	char ours[256], libc[256];

	(void)state;
#define FORMAT "%s|%c|%d|%d|%u|%x|%ld|%lu|%lld|%llu|%llx|%zu|%%"
#define VALUES                                                                                     \
	"text", 'c', INT_MIN, INT_MAX, UINT_MAX, 0xdeadbeefU, LONG_MIN, ULONG_MAX, LLONG_MIN,      \
		ULLONG_MAX, ULLONG_MAX, SIZE_MAX
	assert_int_equal(format_safe(ours, sizeof(ours), FORMAT, VALUES),
			 snprintf(libc, sizeof(libc), FORMAT, VALUES));
	assert_string_equal(ours, libc);
}

static void a_text_that_does_not_fit_is_cut_and_ended(void **state)
{
	char buf[8];

	(void)state;
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(format_safe(buf, 6, "%s %d", "abc", 12345), 5);
	assert_string_equal(buf, "abc 1");
	assert_int_equal(buf[6], 'x');
	assert_int_equal(format_safe(buf, 1, "%s", "abc"), 0);
	assert_string_equal(buf, "");
	assert_int_equal(format_safe(buf, 0, "%s", "abc"), 0);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
static void an_unknown_conversion_is_copied_and_takes_no_argument(void **state)
{
	char buf[32];

	(void)state;
	(void)format_safe(buf, sizeof(buf), "%d %5d %s", 1, 2, "x");
	assert_string_equal(buf, "1 %5d %s");
	(void)format_safe(buf, sizeof(buf), "100%");
	assert_string_equal(buf, "100%");
}
#pragma GCC diagnostic pop

static void a_missing_string_does_not_crash(void **state)
{
	const char *volatile nothing = NULL;
	char buf[16];

	(void)state;
	(void)format_safe(buf, sizeof(buf), "<%s>", nothing);
	assert_string_equal(buf, "<(null)>");
}

/* --- escape --- */

static void assert_escapes(const char *text, const char *want)
{
	char buf[128];

	assert_int_equal(text_escape(buf, sizeof(buf), text), strlen(want));
	assert_string_equal(buf, want);
}

static void plain_text_of_any_script_stays_as_it_is(void **state)
{
	(void)state;
	assert_escapes("", "");
	assert_escapes("plain ~ text", "plain ~ text");
	assert_escapes("na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\xb3",
		       "na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\xb3");
}

static void control_characters_never_reach_a_terminal(void **state)
{
	(void)state;
	assert_escapes("\x1b]0;title\x07", "\\x1b]0;title\\x07");
	assert_escapes("a\r\n\tb", "a\\x0d\\x0a\\x09b");
	assert_escapes("\x7f", "\\x7f");
	assert_escapes("\xc2\x9b"
		       "31m",
		       "\\xc2\\x9b31m"); /* C1: CSI as one character */
}

static void what_is_not_utf_8_is_written_byte_by_byte(void **state)
{
	(void)state;
	assert_escapes("\x80", "\\x80");
	assert_escapes("\xc3", "\\xc3"); /* cut off by the end */
	assert_escapes("\xe6\x97", "\\xe6\\x97");
	assert_escapes("\xc0\x9b", "\\xc0\\x9b"); /* overlong ESC */
	assert_escapes("\xe0\x80\x9b", "\\xe0\\x80\\x9b");
	assert_escapes("\xed\xa0\x80", "\\xed\\xa0\\x80");	    /* a surrogate */
	assert_escapes("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
	assert_escapes("\xff\xfe", "\\xff\\xfe");
	assert_escapes("\xc3"
		       "A",
		       "\\xc3"
		       "A");
}

static void marks_that_turn_the_direction_of_writing_are_shown(void **state)
{
	(void)state;
	assert_escapes("a\xe2\x80\xae"
		       "b",
		       "a\\xe2\\x80\\xae"
		       "b");				   /* U+202E */
	assert_escapes("\xe2\x81\xa6", "\\xe2\\x81\\xa6"); /* U+2066 */
	assert_escapes("\xe2\x80\x8f", "\\xe2\\x80\\x8f"); /* U+200F */
	assert_escapes("\xd8\x9c", "\\xd8\\x9c");	   /* U+061C */
	assert_escapes("\xe2\x80\xa8", "\\xe2\\x80\\xa8"); /* U+2028 */
}

static void an_escape_is_cut_between_characters(void **state)
{
	char buf[8];

	(void)state;
	assert_int_equal(text_escape(buf, 8, "abc\x1b"), 7);
	assert_string_equal(buf, "abc\\x1b");
	assert_int_equal(text_escape(buf, 7, "abc\x1b"), 3);
	assert_string_equal(buf, "abc");
	assert_int_equal(text_escape(buf, 3, "a\xc3\xaf"), 1);
	assert_string_equal(buf, "a");
	assert_int_equal(text_escape(buf, 1, "a"), 0);
	assert_string_equal(buf, "");
	assert_int_equal(text_escape(buf, 0, "a"), 0);
}

/* --- table --- */

static char *print(const struct table *table)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(table_print(table, out), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void columns_line_up_by_characters_not_bytes(void **state)
{
	static const char *const headings[] = {"NAME", "PID", "ROOT", NULL};
	static const char *const cells[] = {"na\xc3\xafve", "1", "/", "b", "4711", "/x"};
	struct table table;

	(void)state;
	table_init(&table, headings);
	for (size_t i = 0; i < ELEMENTS(cells); i++)
		table_add(&table, cells[i]);
	_cleanup_free_ char *text = print(&table);
	assert_string_equal(text, "NAME   PID   ROOT\n"
				  "na\xc3\xafve  1     /\n"
				  "b      4711  /x\n");
	table_done(&table);
}

static void a_cell_can_not_forge_a_row(void **state)
{
	static const char *const headings[] = {"NAME", "PID", NULL};
	struct table table;

	(void)state;
	table_init(&table, headings);
	table_add(&table, "x\nroot  1");
	table_add(&table, "7");
	_cleanup_free_ char *text = print(&table);
	assert_string_equal(text, "NAME          PID\n"
				  "x\\x0aroot  1  7\n");
	table_done(&table);
	table_done(&table);
}

/* --- error --- */

static void the_first_failure_wins(void **state)
{
	struct cj_error err = CJ_ERROR_INIT;

	(void)state;
	assert_int_equal(cj_fail(&err, ENOENT, "open %s", "a"), -ENOENT);
	assert_int_equal(cj_fail(&err, EPERM, "open %s", "b"), -EPERM);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(err.text, "open a");
	cj_hint(&err, "try %d", 1);
	cj_hint(&err, "try %d", 2);
	assert_string_equal(err.hint, "try 1");
}

static void nobody_has_to_listen_to_an_error(void **state)
{
	(void)state;
	assert_int_equal(cj_fail(NULL, EPERM, "x"), -EPERM);
	cj_hint(NULL, "x");
}

static void an_error_fits_a_pipe_and_its_text_is_cut(void **state)
{
	struct cj_error err = CJ_ERROR_INIT;
	char path[2 * sizeof(err.text)];

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	(void)cj_fail(&err, ENAMETOOLONG, "open %s", path);
	cj_hint(&err, "%s", path);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
	assert_true(sizeof(err) < 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_agree_with_snprintf),
		cmocka_unit_test(a_text_that_does_not_fit_is_cut_and_ended),
		cmocka_unit_test(an_unknown_conversion_is_copied_and_takes_no_argument),
		cmocka_unit_test(a_missing_string_does_not_crash),
		cmocka_unit_test(plain_text_of_any_script_stays_as_it_is),
		cmocka_unit_test(control_characters_never_reach_a_terminal),
		cmocka_unit_test(what_is_not_utf_8_is_written_byte_by_byte),
		cmocka_unit_test(marks_that_turn_the_direction_of_writing_are_shown),
		cmocka_unit_test(an_escape_is_cut_between_characters),
		cmocka_unit_test(columns_line_up_by_characters_not_bytes),
		cmocka_unit_test(a_cell_can_not_forge_a_row),
		cmocka_unit_test(the_first_failure_wins),
		cmocka_unit_test(nobody_has_to_listen_to_an_error),
		cmocka_unit_test(an_error_fits_a_pipe_and_its_text_is_cut),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
