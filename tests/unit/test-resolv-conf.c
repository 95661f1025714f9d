/* SPDX-License-Identifier: MIT
 *
 * resolv.conf(5) as a container may have it.
 */
#include "lib/socket/resolv_conf.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static void what_it_says_is_read(void **state)
{
	struct resolv_conf conf;

	(void)state;
	resolv_conf_parse(
		"# comment\n"
		"; another\n"
		"domain left.example\n"
		"search a.example\tb.example \r\n"
		"  nameserver 10.0.0.2 # not a comment to the C library, and no word of ours\n"
		"nameserver fd00::2\n"
		"nameserver fe80::1%eth0\n"
		"options ndots:5 timeout:3 attempts:1 rotate use-vc edns0 trust-ad",
		&conf);
	assert_int_equal(conf.n_servers, 2); /* c-ares takes none with an interface */
	assert_string_equal(conf.servers[0], "10.0.0.2");
	assert_string_equal(conf.servers[1], "fd00::2");
	assert_int_equal(conf.n_domains, 2);
	assert_string_equal(conf.domains[0], "a.example");
	assert_string_equal(conf.domains[1], "b.example");
	assert_int_equal(conf.ndots, 5);
	assert_int_equal(conf.timeout, 3);
	assert_int_equal(conf.attempts, 1);
	assert_true(conf.rotate && conf.use_tcp);
}

/* As resolv.conf(5) has them. */
static void what_it_doesnt_say_is_as_usual(void **state)
{
	static const char *const texts[] = {NULL,
					    "",
					    "\n\n",
					    "nonsense",
					    "nameserver\n",
					    "options\n",
					    "nameserver name.example\nnameserver 10.0.0\n"};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(texts); i++) {
		struct resolv_conf conf;

		resolv_conf_parse(texts[i], &conf);
		assert_int_equal(conf.n_servers, 1);
		assert_string_equal(conf.servers[0], "127.0.0.1");
		assert_int_equal(conf.n_domains, 0);
		assert_int_equal(conf.ndots, 1);
		assert_int_equal(conf.timeout, 5);
		assert_int_equal(conf.attempts, 2);
		assert_false(conf.rotate || conf.use_tcp);
	}
}

static void numbers_have_limits(void **state)
{
	struct resolv_conf conf;

	(void)state;
	resolv_conf_parse("options ndots:99 timeout:99 attempts:99\n", &conf);
	assert_int_equal(conf.ndots, 15);
	assert_int_equal(conf.timeout, 30);
	assert_int_equal(conf.attempts, 5);
	resolv_conf_parse("options ndots:0 timeout:0 attempts:0\n", &conf);
	assert_int_equal(conf.ndots, 0);
	assert_int_equal(conf.timeout, 1);
	assert_int_equal(conf.attempts, 1);
	resolv_conf_parse("options ndots:-1 timeout:x attempts:99999999999\n", &conf);
	assert_int_equal(conf.ndots, 1);
	assert_int_equal(conf.timeout, 5);
	assert_int_equal(conf.attempts, 2);
}

/* What parts the words of a list of servers, c-ares' own, gets into none. */
static void a_server_is_a_number_and_nothing_else(void **state)
{
	static const char *const texts[] = {"10.0.0.2,10.0.0.3",     "10.0.0.2:53", "[fd00::2]:53",
					    "fe80::1%eth0,10.0.0.3", "fe80::1%[x]", "::1 extra"};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(texts); i++) {
		struct resolv_conf conf;
		char text[128];

		(void)snprintf(text, sizeof(text), "nameserver %s\n", texts[i]);
		resolv_conf_parse(text, &conf);
		assert_int_equal(conf.n_servers, 1);
		assert_string_equal(conf.servers[0], i == 5 ? "::1" : "127.0.0.1");
	}
}

static void more_than_there_is_room_for_is_left_out(void **state)
{
	enum { MANY = 1000 };
	static char text[MANY * 32 + 2048];
	struct resolv_conf conf;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < MANY; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "nameserver 10.0.%d.%d\n",
				      i / 250, i % 250);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "search ");
	memset(text + n, 'x', 300); /* longer than a word may be */
	n += 300;
	for (int i = 0; i < 40; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " d%d", i);
	resolv_conf_parse(text, &conf);
	assert_int_equal(conf.n_servers, RESOLV_SERVERS);
	assert_string_equal(conf.servers[2], "10.0.0.2");
	assert_int_equal(conf.n_domains, RESOLV_DOMAINS);
	assert_string_equal(conf.domains[0], "d0");
	assert_string_equal(conf.domains[31], "d31");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_says_is_read),
		cmocka_unit_test(what_it_doesnt_say_is_as_usual),
		cmocka_unit_test(numbers_have_limits),
		cmocka_unit_test(a_server_is_a_number_and_nothing_else),
		cmocka_unit_test(more_than_there_is_room_for_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
