/* SPDX-License-Identifier: MIT
 *
 * Numbers and small grammars: the whole text or nothing.
 */
#include "unit.h"

#include "base/parse.h"

static void a_number_is_taken_as_a_whole_or_not_at_all(void **state)
{
	static const char *const wrong[] = {"",	    " 1",  "1 ",  "+1", "-1",  "123abc",
					    "0x10", "1.0", "1\n", "--", "\xb2"};
	uint64_t n = 77;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++) {
		assert_int_equal(parse_u64(wrong[i], 0, UINT64_MAX, &n), -EINVAL);
		assert_int_equal(n, 77);
	}
	assert_int_equal(parse_u64("0", 0, 0, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(parse_u64("007", 0, 9, &n), 0);
	assert_int_equal(n, 7);
}

static void a_number_never_wraps(void **state)
{
	uint64_t n = 77;
	int64_t i = 77;

	(void)state;
	assert_int_equal(parse_u64("18446744073709551615", 0, UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(parse_u64("18446744073709551616", 0, UINT64_MAX, &n), -ERANGE);
	assert_int_equal(parse_u64("99999999999999999999999999", 0, UINT64_MAX, &n), -ERANGE);
	assert_true(n == UINT64_MAX);
	assert_int_equal(parse_i64("9223372036854775807", INT64_MIN, INT64_MAX, &i), 0);
	assert_true(i == INT64_MAX);
	assert_int_equal(parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &i), -ERANGE);
	assert_int_equal(parse_i64("-9223372036854775807", INT64_MIN, INT64_MAX, &i), 0);
	assert_true(i == -INT64_MAX);
}

static void bounds_are_within_the_range(void **state)
{
	uint64_t n = 77;
	int i = 77;

	(void)state;
	assert_int_equal(parse_u64("4", 5, 9, &n), -ERANGE);
	assert_int_equal(parse_u64("10", 5, 9, &n), -ERANGE);
	assert_int_equal(n, 77);
	assert_int_equal(parse_u64("5", 5, 9, &n), 0);
	assert_int_equal(parse_u64("9", 5, 9, &n), 0);
	assert_int_equal(parse_int("-1000", -1000, 1000, &i), 0);
	assert_int_equal(i, -1000);
	assert_int_equal(parse_int("-1001", -1000, 1000, &i), -ERANGE);
	assert_int_equal(parse_int("4294967296", -1000, 1000, &i), -ERANGE);
	assert_int_equal(i, -1000);
}

static void a_signed_number_has_one_sign_and_digits(void **state)
{
	static const char *const wrong[] = {"", "-", "--1", "-+1", "- 1", "1-", "+1"};
	int64_t i = 77;

	(void)state;
	for (size_t at = 0; at < ELEMENTS(wrong); at++)
		assert_int_equal(parse_i64(wrong[at], INT64_MIN, INT64_MAX, &i), -EINVAL);
	assert_int_equal(i, 77);
	assert_int_equal(parse_i64("-0", -1, 1, &i), 0);
	assert_int_equal(i, 0);
}

static void a_pid_is_one_that_the_kernel_can_give(void **state)
{
	pid_t pid = 77;

	(void)state;
	assert_int_equal(parse_pid("0", &pid), -ERANGE);
	assert_int_equal(parse_pid("-1", &pid), -ERANGE);
	assert_int_equal(parse_pid("4194305", &pid), -ERANGE);
	assert_int_equal(parse_pid("4294967297", &pid), -ERANGE);
	assert_int_equal(parse_pid("123abc", &pid), -EINVAL);
	assert_int_equal(parse_pid("", &pid), -EINVAL);
	assert_int_equal(pid, 77);
	assert_int_equal(parse_pid("4194304", &pid), 0);
	assert_int_equal(pid, 4194304);
}

static void octal_and_hexadecimal_take_their_own_digits_alone(void **state)
{
	uint64_t n = 77;

	(void)state;
	assert_int_equal(parse_base("8", 8, &n), -EINVAL);
	assert_int_equal(parse_base("0x1f", 8, &n), -EINVAL);
	assert_int_equal(parse_base("0x", 16, &n), -EINVAL);
	assert_int_equal(parse_base("0x0x1", 16, &n), -EINVAL);
	assert_int_equal(parse_base("1g", 16, &n), -EINVAL);
	assert_int_equal(parse_base("10000000000000000", 16, &n), -ERANGE);
	assert_int_equal(n, 77);
	assert_int_equal(parse_base("0022", 8, &n), 0);
	assert_int_equal(n, 022);
	assert_int_equal(parse_base("0XfF", 16, &n), 0);
	assert_int_equal(n, 0xff);
	assert_int_equal(parse_base("ffffffffffffffff", 16, &n), 0);
	assert_true(n == UINT64_MAX);
}

static void a_size_has_a_binary_suffix_in_either_case(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} right[] = {
		{"0", 0},
		{"512", 512},
		{"512b", 512},
		{"64k", 65536},
		{"64K", 65536},
		{"64kb", 65536},
		{"64KiB", 65536},
		{"1.5k", 1536},
		{"1.5G", UINT64_C(1536) << 20},
		{"0.5m", 524288},
		{"2T", UINT64_C(2) << 40},
		{"0.0009k", 0},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(right); i++) {
		uint64_t n = 77;

		assert_int_equal(parse_size(right[i].text, &n), 0);
		assert_true(n == right[i].bytes);
	}
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const wrong[] = {"",	  "k",	 "-1",	"1.k",	"1..5", "1p",
					    "1i", "1ki", "1kk", "1 k",	"1bk",	"1ib",
					    "1e", "0x1", ".5k", "1,5k", "1\xeb"};
	uint64_t n = 77;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++)
		if (parse_size(wrong[i], &n) != -EINVAL)
			fail_msg("\"%s\" was taken as a size", wrong[i]);
	assert_int_equal(parse_size("8388608t", &n), -ERANGE);
	assert_int_equal(parse_size("18446744073709551616", &n), -ERANGE);
	assert_int_equal(parse_size("99999999999999999t", &n), -ERANGE);
	assert_int_equal(n, 77);
}

static void a_decimal_is_cut_to_thousandths(void **state)
{
	static const struct {
		const char *text;
		uint64_t thousandths;
	} right[] = {{"2", 2000}, {"0.5", 500},	 {"0.05", 50},	 {"1.2345678901234567890", 1234},
		     {"0", 0},	  {"0.0009", 0}, {"3.999", 3999}};
	static const char *const wrong[] = {"", ".", ".5", "1.", "1.5.", "1,5", "-1", "1e3", " 1"};
	uint64_t n = 77;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++)
		if (parse_decimal(wrong[i], &n) != -EINVAL)
			fail_msg("\"%s\" was taken as a number", wrong[i]);
	assert_int_equal(parse_decimal("18446744073709551615", &n), -ERANGE);
	assert_int_equal(n, 77);
	for (size_t i = 0; i < ELEMENTS(right); i++) {
		assert_int_equal(parse_decimal(right[i].text, &n), 0);
		assert_int_equal(n, right[i].thousandths);
	}
}

static void durations_have_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} right[] = {{"10", 10000},   {"1.5s", 1500},	{"500ms", 500}, {"2m", 120000},
		     {"1h", 3600000}, {"1d", 86400000}, {"0", 0},	{"0.0004ms", 1},
		     {"0.0005", 1},   {"0.000", 0}};
	static const char *const wrong[] = {"",
					    "s",
					    "-1",
					    "1x",
					    "1 s",
					    "1sm",
					    "1S",
					    "1e3",
					    " 1",
					    "99999999999999999999",
					    "999999999999999d"};
	uint64_t ms = 77;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(right); i++) {
		assert_int_equal(parse_duration(right[i].text, &ms), 0);
		assert_int_equal(ms, right[i].ms);
	}
	ms = 77;
	for (size_t i = 0; i < ELEMENTS(wrong); i++)
		assert_true(parse_duration(wrong[i], &ms) < 0);
	assert_int_equal(ms, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_taken_as_a_whole_or_not_at_all),
		cmocka_unit_test(a_number_never_wraps),
		cmocka_unit_test(bounds_are_within_the_range),
		cmocka_unit_test(a_signed_number_has_one_sign_and_digits),
		cmocka_unit_test(a_pid_is_one_that_the_kernel_can_give),
		cmocka_unit_test(octal_and_hexadecimal_take_their_own_digits_alone),
		cmocka_unit_test(a_size_has_a_binary_suffix_in_either_case),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(a_decimal_is_cut_to_thousandths),
		cmocka_unit_test(durations_have_units),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
