/* SPDX-License-Identifier: MIT
 *
 * Networks from which clients may come: which texts are one, and which addresses are in it.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "net/networks.h"

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage storage = {.ss_family = AF_UNIX};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		v4->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		v6->sin6_family = AF_INET6;
	return storage;
}

static bool matches(const struct networks *networks, const char *text)
{
	struct sockaddr_storage storage = address_of(text);

	return networks_match(networks, (struct sockaddr *)&storage, sizeof(storage));
}

static void an_address_is_in_its_network_and_not_in_the_next(void **state)
{
	static const struct {
		const char *network, *in[3], *out[4];
	} cases[] = {
		{"10.0.0.0/8",
		 {"10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"},
		 {"9.255.255.255", "11.0.0.0", "::ffff:11.0.0.0", "unix"}},
		{"192.0.2.128/25",
		 {"192.0.2.128", "192.0.2.255"},
		 {"192.0.2.127", "192.0.3.0", "::192.0.2.128"}},
		{"192.0.2.7", {"192.0.2.7"}, {"192.0.2.6", "192.0.2.8"}},
		{"192.0.2.7/32", {"192.0.2.7", "::ffff:192.0.2.7"}, {"192.0.2.6"}},
		{"192.0.2.6/31", {"192.0.2.6", "192.0.2.7"}, {"192.0.2.5", "192.0.2.8"}},
		{"0.0.0.0/0", {"0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"}, {"::", "::1"}},
		{"128.0.0.0/1", {"128.0.0.0", "255.0.0.0"}, {"127.255.255.255", "0.0.0.0"}},
		{"fd00::/8", {"fd00::", "fdff::1"}, {"fe00::", "fc00::", "10.0.0.1"}},
		{"2001:db8::/33", {"2001:db8:7fff::"}, {"2001:db8:8000::", "2001:db7::"}},
		{"::1", {"::1"}, {"::", "::2", "0.0.0.1", "127.0.0.1"}},
		{"::1/128", {"::1"}, {"::2"}},
		{"::/0", {"::", "ffff::"}, {"10.0.0.1", "::ffff:10.0.0.1", "unix"}},
		{"::ffff:10.0.0.0/104", {"10.1.1.1", "::ffff:10.1.1.1"}, {"11.0.0.0"}},
		{"::ffff:0:0/96", {"1.2.3.4", "::ffff:1.2.3.4"}, {"::1"}},
		{"::ffff:10.0.0.1", {"10.0.0.1"}, {"10.0.0.2"}},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		struct networks networks = NETWORKS_INIT;
		struct cj_error err = CJ_ERROR_INIT;

		if (networks_add(&networks, cases[i].network, &err) < 0)
			fail_msg("%s: %s", cases[i].network, err.text);
		for (size_t n = 0; n < 3 && cases[i].in[n]; n++)
			if (!matches(&networks, cases[i].in[n]))
				fail_msg("%s isn't in %s", cases[i].in[n], cases[i].network);
		for (size_t n = 0; n < 4 && cases[i].out[n]; n++)
			if (matches(&networks, cases[i].out[n]))
				fail_msg("%s is in %s", cases[i].out[n], cases[i].network);
		networks_done(&networks);
	}
}

static void what_is_no_network_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *text, *word;
	} bad[] = {
		{"", "not an address"},
		{"/8", "not an address"},
		{"10.0.0/8", "not an address"},
		{"10/8", "not an address"},
		{"010.0.0.0/8", "not an address"},
		{" 10.0.0.0/8", "not an address"},
		{"10.0.0.0 /8", "not an address"},
		{"localhost", "not an address"},
		{"fe80::1%lo", "not an address"},
		{"[::1]", "not an address"},
		{"10.0.0.0:80", "not an address"},
		{"1111:2222:3333:4444:5555:6666:255.255.255.255:aaaa:bbbb/128", "not an address"},
		{"10.0.0.0/", "prefix"},
		{"10.0.0.0/33", "up to 32"},
		{"10.0.0.0/-1", "prefix"},
		{"10.0.0.0/+8", "prefix"},
		{"10.0.0.0/08", "prefix"},
		{"10.0.0.0/00", "prefix"},
		{"10.0.0.0/8/8", "prefix"},
		{"10.0.0.0/8 ", "prefix"},
		{"10.0.0.0/255.0.0.0", "prefix"},
		{"10.0.0.0/4294967304", "prefix"},
		{"::/129", "up to 128"},
		{"10.0.0.1/8", "did you mean 10.0.0.0/8"},
		{"10.0.0.1/31", "did you mean 10.0.0.0/31"},
		{"10.0.0.1/0", "did you mean 0.0.0.0/0"},
		{"fd00::1/8", "did you mean fd00::/8"},
		{"::ffff:10.0.0.1/104", "did you mean 10.0.0.0/8"},
		{"10.0.0.\x1b[31m", "\\x1b"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(bad); i++) {
		struct networks networks = NETWORKS_INIT;
		struct cj_error err = CJ_ERROR_INIT;

		if (networks_add(&networks, bad[i].text, &err) != -EINVAL)
			fail_msg("%s was taken", bad[i].text);
		assert_names(&err, bad[i].word);
		assert_int_equal(networks.n, 0);
	}
}

static void any_of_several_is_enough_and_none_hold_nothing(void **state)
{
	struct networks networks = NETWORKS_INIT;
	char text[32];

	(void)state;
	assert_false(matches(&networks, "127.0.0.1"));
	for (int i = 0; i < NETWORKS_MAX; i++) {
		(void)snprintf(text, sizeof(text), "10.%d.%d.0/24", i / 256, i % 256);
		assert_int_equal(networks_add(&networks, text, NULL), 0);
	}
	assert_int_equal(networks_add(&networks, "fd00::/8", NULL), -E2BIG);
	assert_true(matches(&networks, "10.0.0.1"));
	assert_true(matches(&networks, "10.3.255.1"));
	assert_false(matches(&networks, "10.4.0.1"));
	networks_done(&networks);
}

static void an_address_that_is_cut_short_is_none(void **state)
{
	struct networks networks = NETWORKS_INIT;
	struct sockaddr_storage v4 = address_of("10.0.0.1"), v6 = address_of("::1");

	(void)state;
	assert_int_equal(networks_add(&networks, "0.0.0.0/0", NULL), 0);
	assert_int_equal(networks_add(&networks, "::/0", NULL), 0);
	assert_true(networks_match(&networks, (struct sockaddr *)&v4, sizeof(struct sockaddr_in)));
	assert_false(networks_match(&networks, (struct sockaddr *)&v4, 4));
	assert_true(networks_match(&networks, (struct sockaddr *)&v6, sizeof(struct sockaddr_in6)));
	assert_false(networks_match(&networks, (struct sockaddr *)&v6, sizeof(struct sockaddr_in)));
	networks_done(&networks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_in_its_network_and_not_in_the_next),
		cmocka_unit_test(what_is_no_network_is_refused_with_the_reason),
		cmocka_unit_test(any_of_several_is_enough_and_none_hold_nothing),
		cmocka_unit_test(an_address_that_is_cut_short_is_none),
	};

	return cmocka_run_group_tests_name("net-networks", tests, NULL, NULL);
}
