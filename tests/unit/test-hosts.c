/* SPDX-License-Identifier: MIT
 *
 * What hosts(5) says of a name, whatever stands in it.
 */
#include "unit.h"

#include "lib/socket/address.h"
#include "lib/socket/hosts.h"

struct sample {
	const char *text, *host;
	int family;
	const char *found; /* as address_format() writes them, each with a blank behind */
};

static const struct sample samples[] = {
	{"10.0.0.1 web\n", "web", AF_UNSPEC, "tcp:10.0.0.1:80 "},
	{"10.0.0.1 web", "web", AF_UNSPEC, "tcp:10.0.0.1:80 "}, /* no newline at its end */
	{"10.0.0.1 web\r\n10.0.0.2 db\r\n", "web", AF_UNSPEC, "tcp:10.0.0.1:80 "},
	{"10.0.0.1 web\r\n10.0.0.2 db\r\n", "db", AF_UNSPEC, "tcp:10.0.0.2:80 "},
	{"\t 10.0.0.1\t\tweb  www \t\n", "www", AF_UNSPEC, "tcp:10.0.0.1:80 "},
	{"10.0.0.1 WEB.Example\n", "web.eXAMPLE", AF_UNSPEC, "tcp:10.0.0.1:80 "},
	{"10.0.0.1 web\nfd00::1 web\n10.0.0.2 web\n", "web", AF_UNSPEC,
	 "tcp:10.0.0.1:80 tcp:[fd00::1]:80 tcp:10.0.0.2:80 "},
	{"10.0.0.1 web\nfd00::1 web\n10.0.0.2 web\n", "web", AF_INET,
	 "tcp:10.0.0.1:80 tcp:10.0.0.2:80 "},
	{"10.0.0.1 web\nfd00::1 web\n10.0.0.2 web\n", "web", AF_INET6, "tcp:[fd00::1]:80 "},
	{"10.0.0.1 web web web\n", "web", AF_UNSPEC, "tcp:10.0.0.1:80 "},

	/* comments */
	{"# 10.0.0.1 web\n10.0.0.2 web\n", "web", AF_UNSPEC, "tcp:10.0.0.2:80 "},
	{"10.0.0.1 a # web\n", "web", AF_UNSPEC, ""},
	{"10.0.0.1 web#www\n", "web", AF_UNSPEC, "tcp:10.0.0.1:80 "},
	{"10.0.0.1 a#web\n", "web", AF_UNSPEC, ""},
	{"10.0.0.1# web\n", "web", AF_UNSPEC, ""},
	{"#\n#10.0.0.1 web", "web", AF_UNSPEC, ""},

	/* not that name */
	{"", "web", AF_UNSPEC, ""},
	{"\n\n", "web", AF_UNSPEC, ""},
	{"10.0.0.1\n", "web", AF_UNSPEC, ""},
	{"10.0.0.1\nweb\n", "web", AF_UNSPEC, ""}, /* a name isn't on the next line */
	{"10.0.0.1 \n web\n", "web", AF_UNSPEC, ""},
	{"10.0.0.1 webs we eb\n", "web", AF_UNSPEC, ""},
	{"10.0.0.1 web.example\n", "web", AF_UNSPEC, ""},
	{"10.0.0.1 x\n", "10.0.0.1", AF_UNSPEC, ""},

	/* not an address */
	{"web web\n10.0.0.1 web\n", "web", AF_UNSPEC, "tcp:10.0.0.1:80 "},
	{"10.0.0.256 web\n", "web", AF_UNSPEC, ""},
	{"10.0.1 web\n", "web", AF_UNSPEC, ""},
	{"010.0.0.1x web\n", "web", AF_UNSPEC, ""},
	{"[fd00::1] web\n", "web", AF_UNSPEC, ""},
	{"fe80::1%eth0 web\n", "web", AF_UNSPEC, ""},
	{"fd00:::1 web\n:: web\n", "web", AF_UNSPEC, "tcp:[::]:80 "},
	{"\x80\xff\x01 web\n10.0.0.1 \x80\xff\033[2J web\n", "web", AF_UNSPEC, "tcp:10.0.0.1:80 "},
};

static const char *find(const char *text, const char *host, int family, size_t max)
{
	static char found[4096];
	struct sockaddr_storage names[HOSTS_MAX + 1];
	size_t n;

	memset(names, 0xa5, sizeof(names));
	n = hosts_find(text, host, family, 80, names, max);
	assert_true(n <= max);
	found[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		char one[64];

		assert_true(address_format(&names[i], "", one, sizeof(one)));
		(void)snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s ", one);
	}
	return found;
}

static void what_the_file_says_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(samples); i++) {
		const struct sample *s = &samples[i];

		if (strcmp(find(s->text, s->host, s->family, HOSTS_MAX), s->found) != 0)
			fail_msg("\"%s\": %s", s->text,
				 find(s->text, s->host, s->family, HOSTS_MAX));
	}
}

static void a_place_without_a_file_has_none(void **state)
{
	(void)state;
	assert_string_equal(find(NULL, "web", AF_UNSPEC, HOSTS_MAX), "");
}

static void there_are_no_more_than_wanted(void **state)
{
	char text[40 * 20] = "";

	(void)state;
	for (int i = 1; i <= 40; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "10.0.0.%d web\n",
			       i);
	for (size_t max = 0; max <= HOSTS_MAX; max++) {
		struct sockaddr_storage names[HOSTS_MAX + 1];

		memset(names, 0xa5, sizeof(names));
		assert_int_equal(hosts_find(text, "web", AF_UNSPEC, 80, names, max), max);
		for (size_t i = 0; i < sizeof(names[max]); i++)
			assert_int_equal(((unsigned char *)&names[max])[i], 0xa5);
	}
	assert_string_equal(find(text, "web", AF_INET6, HOSTS_MAX), "");
}

/* As text goes, it ends there; what stands before it counts. */
static void a_nul_ends_it(void **state)
{
	static const char text[] = "10.0.0.1 web\n10.0.0.2 w\0eb\n10.0.0.3 web\n";
	struct bytes file = bytes_of(text, sizeof(text) - 1);

	(void)state;
	assert_string_equal(find(file.data, "web", AF_UNSPEC, HOSTS_MAX), "tcp:10.0.0.1:80 ");
	assert_string_equal(find(file.data, "w", AF_UNSPEC, HOSTS_MAX), "tcp:10.0.0.2:80 ");
	bytes_done(&file);
}

/* Of a size that takes long, if it's read more than once a byte. */
static void big_files_are_read_in_no_time(void **state)
{
	static const char *const fillers[] = {"x",    "\n",	      " ", "#", "1 ",
					      "web ", "10.0.0.1 a\n", "\r"};
	enum { SIZE = 1 << 20 };
	static const char last[] = "\n10.0.0.9 web\n";
	int64_t begin = clock_ms();

	(void)state;
	for (size_t i = 0; i < ELEMENTS(fillers); i++) {
		size_t step = strlen(fillers[i]);
		char *text = malloc(SIZE + sizeof(last));

		assert_non_null(text);
		for (size_t at = 0; at < SIZE; at++)
			text[at] = fillers[i][at % step];
		memcpy(text + SIZE, last, sizeof(last));
		assert_string_equal(find(text, "web", AF_UNSPEC, HOSTS_MAX), "tcp:10.0.0.9:80 ");
		free(text);
	}
	assert_in_range(clock_ms() - begin, 0, 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_file_says_is_found),
		cmocka_unit_test(a_place_without_a_file_has_none),
		cmocka_unit_test(there_are_no_more_than_wanted),
		cmocka_unit_test(a_nul_ends_it),
		cmocka_unit_test(big_files_are_read_in_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
