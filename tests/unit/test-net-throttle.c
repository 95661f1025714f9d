/* SPDX-License-Identifier: MIT
 *
 * How often somebody may fail: buckets, sources, a table that is full, and how often it's logged. The clock is ours.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "net/throttle.h"

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage storage = {.ss_family = AF_UNIX};

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&storage)->sin_addr) == 1)
		storage.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&storage)->sin6_addr) == 1)
		storage.ss_family = AF_INET6;
	return storage;
}

static struct throttle_verdict fails(struct throttle *throttle, const char *text, int64_t now)
{
	struct sockaddr_storage address = address_of(text);

	return throttle_fail(throttle, (struct sockaddr *)&address, sizeof(address), now);
}

static int64_t waits(struct throttle *throttle, const char *text, int64_t now)
{
	struct sockaddr_storage address = address_of(text);

	return throttle_wait(throttle, (struct sockaddr *)&address, sizeof(address), now);
}

static struct throttle *new_one(size_t sources, unsigned int burst)
{
	struct throttle *throttle = throttle_new(&(struct throttle_options){.sources = sources,
									    .burst = burst,
									    .interval = 100,
									    .seed = 42});

	assert_non_null(throttle);
	return throttle;
}

static void some_failures_are_free_and_more_are_earned_by_waiting(void **state)
{
	struct throttle *throttle = new_one(4, 3);

	(void)state;
	assert_int_equal(waits(throttle, "10.0.0.1", 1000), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fails(throttle, "10.0.0.1", 1000).wait, 0);
	assert_int_equal(waits(throttle, "10.0.0.1", 1000), 100);
	assert_int_equal(fails(throttle, "10.0.0.1", 1000).wait, 100);
	assert_int_equal(fails(throttle, "10.0.0.1", 1040).wait, 60);
	assert_int_equal(waits(throttle, "10.0.0.1", 1099), 1);
	assert_int_equal(waits(throttle, "10.0.0.1", 1100), 0);
	assert_int_equal(fails(throttle, "10.0.0.1", 1100).wait, 0);
	assert_int_equal(fails(throttle, "10.0.0.1", 1100).wait, 100);
	/* Never more than the burst, however long one waits. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(fails(throttle, "10.0.0.1", INT64_MAX / 2).wait, 0);
	assert_int_equal(fails(throttle, "10.0.0.1", INT64_MAX / 2).wait, 100);
	/* A clock that goes back gives nothing, and breaks nothing. */
	assert_int_equal(fails(throttle, "10.0.0.1", 0).wait, 100);
	throttle_free(throttle);
}

static void sources_do_not_pay_for_each_other(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
		{"10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1", "10.0.0.2", false},
		{"10.0.0.1", "::ffff:10.0.0.1", true},
		{"2001:db8::1", "2001:db8::ffff:0:0:1", true}, /* of one /64 */
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"0.0.0.0", "::", false},
		{"10.0.0.1", "a00:1::", false},
		{"unix", "unix", true},
		{"unix", "0.0.0.0", false},
		{"unix", "::", false},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(pairs); i++) {
		struct throttle *throttle = new_one(8, 1);

		assert_int_equal(fails(throttle, pairs[i].a, 0).wait, 0);
		assert_int_equal(waits(throttle, pairs[i].b, 0), pairs[i].same ? 100 : 0);
		assert_int_equal(fails(throttle, pairs[i].b, 0).wait, pairs[i].same ? 100 : 0);
		assert_int_equal(throttle_sources(throttle), pairs[i].same ? 1 : 2);
		throttle_free(throttle);
	}
}

static void who_was_heard_of_least_recently_makes_room(void **state)
{
	struct throttle *throttle = new_one(3, 1);

	(void)state;
	(void)fails(throttle, "10.0.0.1", 0);
	(void)fails(throttle, "10.0.0.2", 0);
	(void)fails(throttle, "10.0.0.3", 0);
	(void)fails(throttle, "10.0.0.1", 0); /* heard of again */
	(void)fails(throttle, "10.0.0.4", 0);
	assert_int_equal(throttle_sources(throttle), 3);
	assert_int_equal(waits(throttle, "10.0.0.2", 0), 0);
	assert_int_equal(waits(throttle, "10.0.0.1", 0), 100);
	assert_int_equal(waits(throttle, "10.0.0.3", 0), 100);
	assert_int_equal(waits(throttle, "10.0.0.4", 0), 100);
	throttle_free(throttle);
}

/* A table of one, of two, and of many, against one that never forgets. */
static void a_table_that_is_full_stays_whole(void **state)
{
	enum { ADDRESSES = 200, STEPS = 20000 };
	static const size_t sizes[] = {1, 2, 7, 64};
	uint32_t random = 1;

	(void)state;
	for (size_t s = 0; s < ELEMENTS(sizes); s++) {
		struct throttle *throttle = new_one(sizes[s], 1);
		int last[ADDRESSES] = {0}; /* when it was heard of; 0: never */

		for (int step = 1; step < STEPS; step++) {
			char text[32];
			size_t younger = 0, i;

			random = random * 1664525 + 1013904223;
			i = (random >> 16) % ADDRESSES;
			(void)snprintf(text, sizeof(text), "10.9.%zu.%zu", i / 16, i % 16);
			for (size_t n = 0; n < ADDRESSES; n++)
				younger += last[i] && last[n] > last[i];
			assert_int_equal(fails(throttle, text, 0).wait,
					 last[i] && younger < sizes[s] ? 100 : 0);
			last[i] = step;
			assert_true(throttle_sources(throttle) <= sizes[s]);
		}
		throttle_free(throttle);
	}
}

static void it_is_logged_at_most_once_a_second_and_what_was_not_is_counted(void **state)
{
	struct throttle *throttle = new_one(4, 2);
	struct throttle_verdict verdict = fails(throttle, "10.0.0.1", 0);

	(void)state;
	assert_true(verdict.log);
	assert_int_equal(verdict.unreported, 0);
	for (int i = 1; i < 10; i++)
		assert_false(fails(throttle, "10.0.0.1", i * 100).log);
	assert_true(fails(throttle, "10.0.0.2", 900).log);
	verdict = fails(throttle, "10.0.0.1", 1000);
	assert_true(verdict.log);
	assert_int_equal(verdict.unreported, 9);
	assert_false(fails(throttle, "10.0.0.1", 1999).log);
	verdict = fails(throttle, "10.0.0.1", 2000);
	assert_true(verdict.log);
	assert_int_equal(verdict.unreported, 1);
	throttle_free(throttle);
}

static void without_options_it_has_sensible_ones(void **state)
{
	struct throttle *throttle = throttle_new(NULL);

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(fails(throttle, "::1", 0).wait, 0);
	assert_int_equal(fails(throttle, "::1", 0).wait, 1000);
	for (int i = 0; i < 2000; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "10.1.%d.%d", i / 250, i % 250);
		(void)fails(throttle, text, 0);
	}
	assert_int_equal(throttle_sources(throttle), 1024);
	throttle_free(throttle);
	throttle_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(some_failures_are_free_and_more_are_earned_by_waiting),
		cmocka_unit_test(sources_do_not_pay_for_each_other),
		cmocka_unit_test(who_was_heard_of_least_recently_makes_room),
		cmocka_unit_test(a_table_that_is_full_stays_whole),
		cmocka_unit_test(it_is_logged_at_most_once_a_second_and_what_was_not_is_counted),
		cmocka_unit_test(without_options_it_has_sensible_ones),
	};

	return cmocka_run_group_tests_name("net-throttle", tests, NULL, NULL);
}
