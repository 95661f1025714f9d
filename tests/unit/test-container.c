/* SPDX-License-Identifier: MIT
 *
 * Which containers a word names, and the words for what they are.
 */
#include "unit.h"

#include "engine/container.h"

#define LONG_A "aaaa000000000000000000000000000000000000000000000000000000000001"
#define LONG_B "aaaa000000000000000000000000000000000000000000000000000000000002"

static void add(struct containers *containers, const char *id, const char *name)
{
	struct container *container = containers_add(containers);

	assert_non_null(container);
	assert_int_equal(container_set(&container->id, id), 0);
	assert_int_equal(container_set(&container->name, name), 0);
}

/* The names of those that `ref` leaves, with blanks between. */
static void assert_matches(const char *ref, const char *wanted)
{
	_cleanup_(containers_done) struct containers containers = CONTAINERS_INIT;
	char names[128] = "";

	add(&containers, LONG_A, "web");
	add(&containers, LONG_B, "db");
	add(&containers, "web", "odd");	  /* its id is another one's name */
	add(&containers, "bbbb", LONG_A); /* its name is another one's id */
	add(&containers, "cccc", "123456");
	add(&containers, NULL, "nameless id");
	add(&containers, "dddd", NULL);
	containers_match(&containers, ref);
	for (size_t i = 0; i < containers.n; i++) {
		const struct container *container = &containers.items[i];
		size_t n = strlen(names);

		(void)snprintf(names + n, sizeof(names) - n, "%s%s", n ? " " : "",
			       container->name ? container->name : "-");
	}
	assert_string_equal(names, wanted);
}

static void a_whole_id_comes_before_a_name_and_that_before_a_prefix(void **state)
{
	(void)state;
	assert_matches(LONG_A, "web");
	assert_matches("web", "odd");
	assert_matches("db", "db");
	assert_matches("/db", "db");
	assert_matches("123456", "123456");
	assert_matches("bb", LONG_A);
	assert_matches("dd", "-");
}

static void a_prefix_of_several_leaves_them_all(void **state)
{
	(void)state;
	assert_matches("aaaa", "web db");
}

static void what_names_nothing_leaves_nothing(void **state)
{
	(void)state;
	assert_matches("", "");
	assert_matches("nobody", "");
	assert_matches(LONG_A "0", "");
	assert_matches("%s", "");
}

static void a_label_is_found_by_its_whole_key(void **state)
{
	struct container container = {.scheme = NULL};

	(void)state;
	assert_null(container_label(&container, "a"));
	assert_int_equal(container_add_label(&container, "ab", "1"), 0);
	assert_int_equal(container_add_label(&container, "a", "x=y"), 0);
	assert_int_equal(container_add_label(&container, "", "empty"), 0);
	assert_string_equal(container_label(&container, "a"), "x=y");
	assert_string_equal(container_label(&container, "ab"), "1");
	assert_string_equal(container_label(&container, ""), "empty");
	assert_null(container_label(&container, "abc"));
	container_done(&container);
}

static void words_of_engines_have_one_meaning(void **state)
{
	(void)state;
	assert_int_equal(container_state_parse("exited"), CONTAINER_STOPPED);
	assert_int_equal(container_state_parse("removing"), CONTAINER_DEAD);
	assert_int_equal(container_state_parse("configured"), CONTAINER_CREATED);
	assert_int_equal(container_state_parse("whatever"), CONTAINER_UNKNOWN);
	assert_int_equal(container_state_parse(NULL), CONTAINER_UNKNOWN);
	for (enum container_state each = CONTAINER_UNKNOWN; each <= CONTAINER_DEAD; each++)
		assert_int_equal(container_state_parse(container_state_name(each)), each);
}

static void moving_and_removing_lose_nothing(void **state)
{
	_cleanup_(containers_done) struct containers all = CONTAINERS_INIT;
	struct containers more = CONTAINERS_INIT;

	(void)state;
	for (int i = 0; i < 100; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "%d", i);
		add(i % 2 ? &all : &more, id, NULL);
	}
	assert_int_equal(containers_move(&all, &more), 0);
	assert_int_equal(more.n, 0);
	assert_int_equal(all.n, 100);
	containers_remove(&all, 0);
	containers_remove(&all, all.n - 1);
	assert_int_equal(all.n, 98);
	assert_string_equal(all.items[0].id, "3");
	assert_string_equal(all.items[97].id, "96");
}

static void only_the_same_users_word_completes_a_container(void **state)
{
	struct container container = {.scheme = "x"}, other = {.scheme = "y", .owner = 54321};

	(void)state;
	assert_int_equal(container_set(&other.image, "image"), 0);
	assert_int_equal(container_set(&other.bundle, "/bundle"), 0);
	container_complete(&container, &other);
	assert_null(container.image);
	assert_null(container.bundle);
	container.owner = other.owner;
	container_complete(&container, &other);
	assert_string_equal(container.image, "image");
	assert_string_equal(container.bundle, "/bundle");
	container_done(&container);
	container_done(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_same_users_word_completes_a_container),
		cmocka_unit_test(a_whole_id_comes_before_a_name_and_that_before_a_prefix),
		cmocka_unit_test(a_prefix_of_several_leaves_them_all),
		cmocka_unit_test(what_names_nothing_leaves_nothing),
		cmocka_unit_test(a_label_is_found_by_its_whole_key),
		cmocka_unit_test(words_of_engines_have_one_meaning),
		cmocka_unit_test(moving_and_removing_lose_nothing),
	};

	return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
