/* SPDX-License-Identifier: MIT
 *
 * Addresses of sockets: every form of the grammar, and what isn't one. What the kernel makes of them is looked at in
 * tests/integration/test_sockets.py.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>

#include "lib/socket/address.h"

enum { BOTH, LISTEN, CONNECT };

struct good {
	const char *text;
	int use; /* who takes it; the other one must not */
	enum address_kind kind;
	int family;
	bool any;
	const char *host, *interface;
	int port;
	const char *path;
};

#define TCP(text, use, family, any, host, port)                                                    \
	{                                                                                          \
		text, use, ADDRESS_TCP, family, any, host, "", port, ""                            \
	}
#define UNIX(text, kind, path)                                                                     \
	{                                                                                          \
		text, BOTH, kind, AF_UNIX, false, "", "", 0, path                                  \
	}

static const struct good goods[] = {
	TCP("tcp:80", BOTH, AF_UNSPEC, false, "", 80),
	TCP("tcp4:80", BOTH, AF_INET, false, "", 80),
	TCP("tcp6:80", BOTH, AF_INET6, false, "", 80),
	TCP("tcp:1", BOTH, AF_UNSPEC, false, "", 1),
	TCP("tcp:65535", BOTH, AF_UNSPEC, false, "", 65535),
	TCP("tcp:0", LISTEN, AF_UNSPEC, false, "", 0),
	TCP("tcp:10.0.0.1:80", BOTH, AF_UNSPEC, false, "10.0.0.1", 80),
	TCP("tcp4:10.0.0.1:80", BOTH, AF_INET, false, "10.0.0.1", 80),
	TCP("tcp4:10.0.0.1:0", LISTEN, AF_INET, false, "10.0.0.1", 0),
	TCP("tcp:0.0.0.0:80", BOTH, AF_UNSPEC, false, "0.0.0.0", 80),
	TCP("tcp:[fd00::1]:80", BOTH, AF_UNSPEC, false, "fd00::1", 80),
	TCP("tcp6:[fd00::1]:80", BOTH, AF_INET6, false, "fd00::1", 80),
	TCP("tcp:[::ffff:10.0.0.1]:80", CONNECT, AF_UNSPEC, false, "::ffff:10.0.0.1", 80),
	{"tcp:[fe80::1%eth0]:80", BOTH, ADDRESS_TCP, AF_UNSPEC, false, "fe80::1", "eth0", 80, ""},
	{"tcp6:[fe80::1%abcdefghijklmno]:80", BOTH, ADDRESS_TCP, AF_INET6, false, "fe80::1",
	 "abcdefghijklmno", 80, ""},
	TCP("tcp:[::]:80", LISTEN, AF_UNSPEC, true, "::", 80),
	TCP("tcp:[::]:80", CONNECT, AF_UNSPEC, false, "::", 80),
	TCP("tcp6:[::]:80", BOTH, AF_INET6, false, "::", 80),
	TCP("tcp:*:80", LISTEN, AF_UNSPEC, true, "*", 80),
	TCP("tcp4:*:80", LISTEN, AF_INET, true, "*", 80),
	TCP("tcp6:*:0", LISTEN, AF_INET6, true, "*", 0),
	TCP("tcp:localhost:80", CONNECT, AF_UNSPEC, false, "localhost", 80),
	TCP("tcp:A-b.c_d.example.:80", CONNECT, AF_UNSPEC, false, "A-b.c_d.example.", 80),
	TCP("tcp4:name:80", CONNECT, AF_INET, false, "name", 80),
	TCP("tcp:1.2.3.4.example:80", CONNECT, AF_UNSPEC, false, "1.2.3.4.example", 80),
	UNIX("unix:/x", ADDRESS_UNIX, "/x"),
	UNIX("unix:/run/a:b c/\n", ADDRESS_UNIX, "/run/a:b c/\n"),
	UNIX("unix:/@x", ADDRESS_UNIX, "/@x"),
	UNIX("unix://x", ADDRESS_UNIX, "//x"),
	UNIX("unix:@x", ADDRESS_ABSTRACT, "x"),
	UNIX("unix:@@", ADDRESS_ABSTRACT, "@"),
	UNIX("unix:@/run/x", ADDRESS_ABSTRACT, "/run/x"),
	UNIX("unix:@x/", ADDRESS_ABSTRACT, "x/"), /* it's no path */
};

/* With the word that the error has to name. */
static const struct bad {
	const char *text, *word;
} bads[] = {
	{"", "begins with none"},
	{"80", "begins with none"},
	{"tcp", "begins with none"},
	{"TCP:80", "begins with none"},
	{" tcp:80", "begins with none"},
	{"udp:80", "begins with none"},
	{"tcp5:80", "begins with none"},
	{"/run/x", "begins with none"},
	{"tcp:", "no port"},
	{"tcp:x", "no port"},
	{"tcp:+80", "no port"},
	{"tcp: 80", "no port"},
	{"tcp:80 ", "no port"},
	{"tcp:-1", "no port"},
	{"tcp:0x50", "no port"},
	{"tcp:65536", "no port"},
	{"tcp:4294967376", "no port"},
	{"tcp:18446744073709551696", "no port"},
	{"tcp:80x", "no port"},
	{"tcp:10.0.0.1", "no port"},
	{"tcp:10.0.0.1:", "no port"},
	{"tcp:10.0.0.1:http", "no port"},
	{"tcp:[::1", "HOST"},
	{"tcp:[::1]", "no port"},
	{"tcp:[::1]80", "no port"},
	{"tcp:[::1]:", "no port"},
	{"tcp:[", "no port"},
	{"tcp:]", "no port"},
	{"tcp:[]:80", "HOST"},
	{"tcp:[:80", "HOST"},
	{"tcp:]:80", "HOST"},
	{"tcp::80", "HOST"},
	{"tcp:::1", "HOST"},
	{"tcp:1:2:3", "HOST"},
	{"tcp:::1:80", "HOST"},
	{"tcp:fd00::1:80", "HOST"},
	{"tcp:[::1]x:80", "HOST"},
	{"tcp:[[::1]]:80", "HOST"},
	{"tcp:x[::1]:80", "HOST"},
	{"tcp:[10.0.0.1]:80", "HOST"},
	{"tcp:[localhost]:80", "HOST"},
	{"tcp:[*]:80", "HOST"},
	{"tcp4:[::1]:80", "HOST"},
	{"tcp4:[::]:1", "HOST"},
	{"tcp:fe80::1%eth0:80", "HOST"},
	{"tcp:name%eth0:80", "HOST"},
	{"tcp:a/b:80", "HOST"},
	{"tcp:[fe80::1%]:80", "HOST"},
	{"tcp:[%eth0]:80", "HOST"},
	{"tcp:[fe80::1%abcdefghijklmnop]:80", "HOST"},
	{"tcp:[fe80::1%eth0%eth1", "no port"},
	{"tcp:[12345::1]:80", "HOST"},
	{"tcp6:10.0.0.1:80", "10.0.0.1"}, /* a number of the other family isn't a name */
	{"tcp:-x:80", "-x"},
	{"tcp:.x:80", ".x"},
	{"tcp:a b:80", "a b"},
	{"tcp:a\nb:80", "a"},
	{"tcp:a\033[2J:80", "a"},
	{"tcp:a\x7f:80", "a"},
	{"tcp:a\xc3\xa4:80", "a"},
	{"tcp:**:80", "**"},
	{"unix:", "absolute"},
	{"unix:x", "absolute"},
	{"unix:./x", "absolute"},
	{"unix:/", "name"},
	{"unix:/x/", "name"},
	{"unix:@", "name"},
};

static void assert_is(const struct good *good, enum address_use use)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct address address;

	if (address_parse(good->text, use, &address, &err) < 0)
		fail_msg("%s: %s", good->text, err.text);
	assert_int_equal(err.code, 0);
	if (address.kind != good->kind || address.family != good->family ||
	    address.any != good->any || address.port != good->port)
		fail_msg("%s: kind %d, family %d, any %d, port %d", good->text, address.kind,
			 address.family, address.any, address.port);
	assert_string_equal(address.host, good->host);
	assert_string_equal(address.interface, good->interface);
	assert_string_equal(address.path, good->path);
	assert_int_equal(cj_address_check(good->text, use == ADDRESS_TO_LISTEN, NULL), 0);
}

static void assert_isnt(const char *text, enum address_use use, const char *word)
{
	struct address address = {.port = 4711};
	struct cj_error err = CJ_ERROR_INIT;

	if (address_parse(text, use, &address, &err) != -EINVAL)
		fail_msg("\"%s\" is taken for an address", text);
	assert_int_equal(err.code, EINVAL);
	assert_names(&err, word);
	assert_int_equal(address.port, 4711); /* written only on success */
	assert_int_equal(cj_address_check(text, use == ADDRESS_TO_LISTEN, NULL), -EINVAL);
}

/* Does the table have it twice, once for each? */
static bool has_twin(const struct good *good)
{
	size_t n = 0;

	for (size_t i = 0; i < ELEMENTS(goods); i++)
		n += strcmp(goods[i].text, good->text) == 0;
	return n > 1;
}

static void what_is_an_address_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(goods); i++) {
		const struct good *good = &goods[i];

		if (good->use != CONNECT)
			assert_is(good, ADDRESS_TO_LISTEN);
		if (good->use != LISTEN)
			assert_is(good, ADDRESS_TO_CONNECT);
		if (good->use == CONNECT && !has_twin(good))
			assert_isnt(good->text, ADDRESS_TO_LISTEN, good->host);
		if (good->use == LISTEN && !has_twin(good))
			assert_isnt(good->text, ADDRESS_TO_CONNECT, good->text);
	}
}

static void what_isnt_one_is_refused_and_why(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(bads); i++) {
		const char *both = bads[i].word;

		assert_isnt(bads[i].text, ADDRESS_TO_CONNECT, both);
		assert_isnt(bads[i].text, ADDRESS_TO_LISTEN, both);
	}
}

/* An address that begins so, has `n` characters of the filler and ends so. */
static const char *long_text(const char *begin, size_t n, char filler, const char *end)
{
	static char text[1 << 20];

	assert_true(strlen(begin) + n + strlen(end) < sizeof(text));
	memcpy(text, begin, strlen(begin));
	memset(text + strlen(begin), filler, n);
	memcpy(text + strlen(begin) + n, end, strlen(end) + 1);
	return text;
}

static void lengths_are_bounded(void **state)
{
	static const struct {
		const char *begin;
		size_t most; /* of the filler; one more is too many */
		const char *end, *word;
	} rows[] = {
		{"tcp:", 255, ":80", "tcp:xxx"},
		{"unix:/", PATH_MAX - 2, "", "4095"},
		{"unix:@", 107, "", "107"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(rows); i++) {
		struct address address;

		assert_int_equal(
			address_parse(long_text(rows[i].begin, rows[i].most, 'x', rows[i].end),
				      ADDRESS_TO_CONNECT, &address, NULL),
			0);
		assert_isnt(long_text(rows[i].begin, rows[i].most + 1, 'x', rows[i].end),
			    ADDRESS_TO_CONNECT, rows[i].word);
		assert_isnt(long_text(rows[i].begin, 1000000, 'x', rows[i].end), ADDRESS_TO_CONNECT,
			    rows[i].word);
	}
	assert_isnt(long_text("tcp:[", 1000000, ':', "]:80"), ADDRESS_TO_LISTEN, "tcp:[");
	assert_isnt(long_text("tcp:[fe80::1%", 1000000, 'x', "]:80"), ADDRESS_TO_LISTEN, "tcp:[");
	assert_isnt(long_text("tcp:", 1000000, '9', ""), ADDRESS_TO_LISTEN, "tcp:999");
	assert_isnt(long_text("", 1000000, 'x', ""), ADDRESS_TO_LISTEN, "xxx");
}

static void a_port_may_have_zeros_before_it_or_not_but_is_the_same(void **state)
{
	struct address address;

	(void)state;
	if (address_parse("tcp:0080", ADDRESS_TO_LISTEN, &address, NULL) == 0)
		assert_int_equal(address.port, 80);
}

/* --- what the kernel calls them --- */

static void numbers_are_told_from_names(void **state)
{
	static const struct {
		const char *text;
		int family; /* AF_UNSPEC: a name */
	} rows[] = {
		{"tcp:10.0.0.1:80", AF_INET},	 {"tcp4:10.0.0.1:80", AF_INET},
		{"tcp:[fd00::1]:80", AF_INET6},	 {"tcp6:[fd00::1]:80", AF_INET6},
		{"tcp:localhost:80", AF_UNSPEC}, {"tcp:10.0.0.1.x:80", AF_UNSPEC},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(rows); i++) {
		struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
		struct address address;

		assert_int_equal(address_parse(rows[i].text, ADDRESS_TO_CONNECT, &address, NULL),
				 0);
		assert_int_equal(address_is_numeric(&address, &name), rows[i].family != AF_UNSPEC);
		assert_int_equal(name.ss_family, rows[i].family);
		if (rows[i].family != AF_UNSPEC)
			assert_int_equal(address_port(&name), 80);
	}
}

static void they_are_shown_as_they_are_written(void **state)
{
	struct sockaddr_storage name;
	char text[64];

	(void)state;
	address_loopback(AF_INET, 80, &name);
	assert_int_equal(address_length(&name), sizeof(struct sockaddr_in));
	assert_true(address_format(&name, "", text, sizeof(text)));
	assert_string_equal(text, "tcp:127.0.0.1:80");
	address_loopback(AF_INET6, 65535, &name);
	assert_int_equal(address_length(&name), sizeof(struct sockaddr_in6));
	assert_true(address_format(&name, "", text, sizeof(text)));
	assert_string_equal(text, "tcp:[::1]:65535");
	address_any(AF_INET, 0, &name);
	assert_true(address_format(&name, "", text, sizeof(text)));
	assert_string_equal(text, "tcp:0.0.0.0:0");
	address_any(AF_INET6, 1, &name);
	assert_true(address_format(&name, "", text, sizeof(text)));
	assert_string_equal(text, "tcp:[::]:1");
	name.ss_family = AF_UNIX;
	assert_false(address_format(&name, "", text, sizeof(text)));
}

static void what_doesnt_fit_isnt_shown(void **state)
{
	static const char whole[] = "tcp:127.0.0.1:80";
	struct sockaddr_storage name;
	char text[sizeof(whole)];

	(void)state;
	address_loopback(AF_INET, 80, &name);
	assert_true(address_format(&name, "", text, sizeof(text)));
	for (size_t size = 0; size < sizeof(text); size++)
		assert_false(address_format(&name, "", text, size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_an_address_is_read),
		cmocka_unit_test(what_isnt_one_is_refused_and_why),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(a_port_may_have_zeros_before_it_or_not_but_is_the_same),
		cmocka_unit_test(numbers_are_told_from_names),
		cmocka_unit_test(they_are_shown_as_they_are_written),
		cmocka_unit_test(what_doesnt_fit_isnt_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
