/* SPDX-License-Identifier: MIT
 *
 * The names of the parts of an identity, as --skip takes them.
 */
#include "unit.h"

#include "base/part.h"

static void every_part_before_the_command_can_be_named(void **state)
{
	(void)state;
	for (int i = 0; i < PARTS; i++) {
		const char *name = part_name((enum part)i);
		uint32_t set = 0;
		int r = parts_parse(name, &set, NULL);

		if (i >= PART_COMMAND) {
			assert_int_equal(r, -EINVAL);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(set, UINT32_C(1) << i);
	}
}

static void a_list_is_the_union_of_its_words(void **state)
{
	uint32_t set = 0;

	(void)state;
	assert_int_equal(parts_parse("seccomp,keyring,seccomp", &set, NULL), 0);
	assert_int_equal(set, 1U << PART_SECCOMP | 1U << PART_KEYRING);
}

static void a_word_that_is_no_part_is_named(void **state)
{
	static const struct {
		const char *text, *named;
	} wrong[] = {{"", "\"\""},
		     {"seccomp,", "\"\""},
		     {",seccomp", "\"\""},
		     {"seccomp,nonsense", "\"nonsense\""},
		     {"Seccomp", "\"Seccomp\""},
		     {"sec", "\"sec\""},
		     {"seccomps", "\"seccomps\""},
		     {" seccomp", "\" seccomp\""},
		     {"seccomp keyring", "\"seccomp keyring\""}};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++) {
		struct cj_error err = CJ_ERROR_INIT;
		uint32_t set = 77;

		assert_int_equal(parts_parse(wrong[i].text, &set, &err), -EINVAL);
		assert_int_equal(set, 77);
		assert_names(&err, wrong[i].named);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_part_before_the_command_can_be_named),
		cmocka_unit_test(a_list_is_the_union_of_its_words),
		cmocka_unit_test(a_word_that_is_no_part_is_named),
	};

	return cmocka_run_group_tests_name("part", tests, NULL, NULL);
}
