/* SPDX-License-Identifier: MIT
 *
 * Comparing inspections, with made-up items; and lines of mountinfo. What is read of live processes
 * is tests/integration/test_inspect.py's.
 */
#include "unit.h"

#include "lib/items.h"
#include "sys/mountinfo.h"

static struct cj_inspection *make(void)
{
	struct cj_inspection *made = calloc(1, sizeof(*made));

	assert_non_null(made);
	return made;
}

static const struct cj_difference *find(const struct cj_differences *in, const char *object,
					size_t skip)
{
	for (size_t i = 0; i < cj_differences_count(in); i++)
		if (strcmp(cj_differences_at(in, i)->object, object) == 0 && skip-- == 0)
			return cj_differences_at(in, i);
	return NULL;
}

static struct cj_differences *compare(struct cj_inspection *a, struct cj_inspection *b,
				      const char *const *only)
{
	struct cj_inspection *both[] = {a, b};
	struct cj_differences *found = NULL;

	assert_int_equal(cj_inspections_diff(both, 2, only, &found, NULL), 0);
	return found;
}

static void each_kind_of_value_is_compared(void **state)
{
	struct cj_inspection *a = make(), *b = make();
	struct cj_differences *found;
	const char *const one[] = {"x", "y"}, *const other[] = {"x", "z"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct cj_inspection *to = i ? b : a;

		items_of(to, "s", "same text"), item_text(to, "f", "t");
		items_of(to, "s", "text"), item_text(to, "f", i ? "t" : "u");
		items_of(to, "s", "same number"), item_number(to, "f", -7);
		items_of(to, "s", "number"), item_number(to, "f", i);
		items_of(to, "s", "bool"), item_bool(to, "f", i);
		items_of(to, "s", "same list"), item_list(to, "f", one, 2);
		items_of(to, "s", "list"), item_list(to, "f", i ? one : other, 2);
		items_of(to, "s", "shorter"), item_list(to, "f", one, 1 + (size_t)i);
		items_of(to, "s", "unread"), item_unread(to, "f", EACCES);
	}
	items_of(a, "s", "kinds"), item_text(a, "f", "1");
	items_of(b, "s", "kinds"), item_number(b, "f", 1);
	found = compare(a, b, NULL);
	assert_int_equal(cj_differences_count(found), 10);
	for (size_t i = 0; i < 10; i++) {
		const struct cj_difference *row = cj_differences_at(found, i);

		assert_int_equal(row->same, strncmp(row->object, "same", 4) == 0);
		assert_ptr_equal(row->items[0], cj_inspection_item(a, i)); /* the order stays */
		assert_ptr_equal(row->items[1], cj_inspection_item(b, i));
	}
	cj_differences_free(found);
	cj_inspection_free(a);
	cj_inspection_free(b);
}

static void what_only_one_has_and_what_isnt_compared(void **state)
{
	struct cj_inspection *a = make(), *b = make();
	struct cj_differences *found;

	(void)state;
	items_of(a, "s", "mine"), item_number(a, "f", 1);
	items_of(a, "s", "never"), items_not_compared(a), item_number(a, "f", 1);
	items_of(b, "s", "never"), items_not_compared(b), item_number(b, "f", 2);
	items_of(b, "s", "yours"), item_number(b, "f", 1);
	found = compare(a, b, NULL);
	assert_int_equal(cj_differences_count(found), 2);
	assert_null(find(found, "mine", 0)->items[1]);
	assert_null(find(found, "yours", 0)->items[0]);
	assert_false(find(found, "mine", 0)->same || find(found, "yours", 0)->same);
	cj_differences_free(found);
	cj_inspection_free(a);
	cj_inspection_free(b);
}

static void a_variable_that_is_set_twice_is_compared_twice(void **state)
{
	struct cj_inspection *a = make(), *b = make();
	struct cj_differences *found;

	(void)state;
	items_of(a, "environment", "A"), item_text(a, "value", "1");
	items_of(a, "environment", "A"), item_text(a, "value", "2");
	items_of(b, "environment", "A"), item_text(b, "value", "1");
	items_of(b, "environment", "A"), item_text(b, "value", "3");
	found = compare(a, b, NULL);
	assert_int_equal(cj_differences_count(found), 2);
	assert_true(find(found, "A", 0)->same);
	assert_string_equal(find(found, "A", 1)->items[1]->text, "3");
	assert_false(find(found, "A", 1)->same);
	cj_differences_free(found);
	cj_inspection_free(a);
	cj_inspection_free(b);
}

static void only_what_was_asked_for_and_an_unknown_section_is_named(void **state)
{
	static const char *const second[] = {"two", NULL}, *const wrong[] = {"two", "three", NULL};
	struct cj_inspection *both[] = {make(), make()};
	struct cj_differences *found;
	struct cj_error err = CJ_ERROR_INIT;

	(void)state;
	for (int i = 0; i < 2; i++) {
		items_of(both[i], "one", ""), item_number(both[i], "f", i);
		items_of(both[i], "two", ""), item_number(both[i], "f", 5);
	}
	found = compare(both[0], both[1], second);
	assert_int_equal(cj_differences_count(found), 1);
	assert_true(cj_differences_at(found, 0)->same);
	cj_differences_free(found);
	assert_int_equal(cj_inspections_diff(both, 2, wrong, &found, &err), -EINVAL);
	assert_non_null(strstr(err.text, "three"));
	cj_inspection_free(both[0]);
	cj_inspection_free(both[1]);
}

static void three_are_the_same_only_if_all_are(void **state)
{
	struct cj_inspection *all[] = {make(), make(), make()};
	struct cj_differences *found;

	(void)state;
	for (int i = 0; i < 3; i++) {
		items_of(all[i], "s", "same"), item_number(all[i], "f", 1);
		items_of(all[i], "s", "last"), item_number(all[i], "f", i == 2);
	}
	assert_int_equal(cj_inspections_diff(all, 3, NULL, &found, NULL), 0);
	assert_true(find(found, "same", 0)->same);
	assert_false(find(found, "last", 0)->same);
	cj_differences_free(found);
	for (int i = 0; i < 3; i++)
		cj_inspection_free(all[i]);
}

static void strings_one_after_the_other_are_a_list(void **state)
{
	struct cj_inspection *to = make();

	(void)state;
	items_of(to, "s", "");
	item_strings(to, "a", "one\0\0three\0", 11);
	item_strings(to, "b", "no end", 6);
	item_strings(to, "c", "", 0);
	assert_int_equal(to->items[0].n, 3);
	assert_string_equal(to->items[0].list[1], "");
	assert_string_equal(to->items[0].list[2], "three");
	assert_int_equal(to->items[1].n, 1);
	assert_string_equal(to->items[1].list[0], "no end");
	assert_int_equal(to->items[2].n, 0);
	cj_inspection_free(to);
}

static void assert_word(struct mount_word word, const char *wanted)
{
	_cleanup_free_ char *text = mount_word_text(word);

	assert_string_equal(text, wanted);
}

static void a_line_of_mountinfo_is_taken_apart(void **state)
{
	const char *text =
		"36 35 98:0 /mnt1 /a\\040b\\134 rw,noatime shared:1 master:2 - overlay over\\011lay "
		"rw,lowerdir=/l1:/l\\0542,upperdir=/u\\,x,workdir=/w\n"
		"37 36 0:5 / / rw - proc proc rw\n"
		"38 cut";
	struct mount_line line;
	struct mount_word word;

	(void)state;
	assert_true(mountinfo_next(&text, &line));
	assert_word(line.id, "36");
	assert_word(line.device, "98:0");
	assert_word(line.root, "/mnt1");
	assert_word(line.point, "/a b\\");
	assert_word(line.source, "over\tlay");
	assert_true(mount_word_is(line.type, "overlay"));
	assert_true(mount_option(line.options, "upperdir", &word));
	assert_word(word, "/u\\,x");
	assert_true(mount_option(line.options, "workdir", &word));
	assert_word(word, "/w");
	assert_false(mount_option(line.options, "lower", &word));
	assert_true(mountinfo_next(&text, &line));
	assert_true(mount_word_is(line.type, "proc"));
	assert_true(mountinfo_next(&text, &line));
	assert_int_equal(line.type.length, 0);
	assert_false(mountinfo_next(&text, &line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_value_is_compared),
		cmocka_unit_test(what_only_one_has_and_what_isnt_compared),
		cmocka_unit_test(a_variable_that_is_set_twice_is_compared_twice),
		cmocka_unit_test(only_what_was_asked_for_and_an_unknown_section_is_named),
		cmocka_unit_test(three_are_the_same_only_if_all_are),
		cmocka_unit_test(strings_one_after_the_other_are_a_list),
		cmocka_unit_test(a_line_of_mountinfo_is_taken_apart),
	};

	return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
