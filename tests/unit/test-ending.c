/* SPDX-License-Identifier: MIT
 *
 * What the kernel counts of those that it killed for want of memory: files of both versions, and files that
 * aren't.
 */
#include "unit.h"

#include "lib/ending.h"

static void the_count_is_found_in_files_of_both_versions(void **state)
{
	(void)state;
	assert_int_equal(ending_parse_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), 7);
	assert_int_equal(
		ending_parse_kills("low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 5\n"),
		1);
	assert_int_equal(ending_parse_kills("oom_kill 0"), 0);
}

static void a_file_without_it_counts_nothing(void **state)
{
	static const char *const texts[] = {"",
					    "\n",
					    "oom_kill_disable 1\nunder_oom 0\n",
					    "oom 1\n",
					    "oom_kill\n",
					    "oom_kill x\n",
					    "oom_kill -1\n",
					    "oom_kill 99999999999999999999\n",
					    "oom_kill 99999999999999999999999999999999999\n",
					    " oom_kill 1\n"};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(texts); i++)
		assert_int_equal(ending_parse_kills(texts[i]), -EBADMSG);
}

static void each_end_has_its_words(void **state)
{
	(void)state;
	assert_null(cj_ending_text(CJ_ENDING_OWN));
	for (int i = CJ_ENDING_TARGET; i <= CJ_ENDING_STUCK; i++)
		assert_non_null(cj_ending_text((enum cj_ending)i));
	assert_null(cj_ending_text((enum cj_ending)1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_count_is_found_in_files_of_both_versions),
		cmocka_unit_test(a_file_without_it_counts_nothing),
		cmocka_unit_test(each_end_has_its_words),
	};

	return cmocka_run_group_tests_name("ending", tests, NULL, NULL);
}
