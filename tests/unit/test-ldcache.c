/* SPDX-License-Identifier: MIT
 *
 * The cache of ldconfig: one made by hand in its format (glibc: sysdeps/generic/dl-cache.h), damaged
 * ones, and the machine's.
 */
#include "unit.h"

#include <elf.h>

#include "sys/ldcache.h"

enum { X86_64 = 0x0300, HEAD = 48, ENTRY = 24, ROOM = 2048, OLD = 16 + 12 };

static const struct {
	const char *name, *path;
	uint32_t flags;
	uint64_t hwcap;
} rows[] = {
	/* in falling order, numbers by their value, as ldconfig sorts */
	{"libz.so.1", "/usr/lib/x86_64-linux-gnu/libz.so.1", 0x303, 0},
	{"libx.so.10", "/lib/libx.so.10", 0x303, 0},
	{"libx.so.9", "/lib/fast/libx.so.9", 0x303, UINT64_C(1) << 62},
	{"libx.so.9", "/lib32/libx.so.9", 0x003, 0},
	{"libx.so.9", "/lib/libx.so.9", 0x303, 0},
	{"libx.so.9", "/usr/local/lib/libx.so.9", 0x303, 0},
	{"libx.so.9", "relative/libx.so.9", 0x303, 0},
	{"libc.so.6", "/lib/libc.so.6", 0x303, 0},
	{"liba-2.so", "/lib/liba-2.so", 0x301, 0},
	{"ld.so", "/lib/ld.so", 0x302, 0}, /* libc5's */
};

/* The size; `before`: what stands before it, in older caches. */
static size_t make(unsigned char *buf, size_t before)
{
	uint32_t n = ELEMENTS(rows), start = HEAD + ELEMENTS(rows) * ENTRY, at = start;
	unsigned char *cache = buf + before;

	memset(buf, 0, ROOM);
	if (before > 0) {
		uint32_t one = 1;

		memcpy(buf, "ld.so-1.7.0", 11);
		memcpy(buf + 12, &one, sizeof(one));
	}
	memcpy(cache, "glibc-ld.so.cache1.1", 20);
	memcpy(cache + 20, &n, 4);
	for (size_t i = 0; i < ELEMENTS(rows); i++) {
		unsigned char *entry = cache + HEAD + i * ENTRY;
		uint32_t value = at + (uint32_t)strlen(rows[i].name) + 1;

		memcpy(entry, &rows[i].flags, 4);
		memcpy(entry + 4, &at, 4);
		memcpy(entry + 8, &value, 4);
		memcpy(entry + 16, &rows[i].hwcap, 8);
		memcpy(cache + at, rows[i].name, strlen(rows[i].name) + 1);
		memcpy(cache + value, rows[i].path, strlen(rows[i].path) + 1);
		at = value + (uint32_t)strlen(rows[i].path) + 1;
	}
	at -= start;
	memcpy(cache + 24, &at, 4);
	return before + start + at;
}

static void check(const struct ldcache *cache, const char *name, const char *path, size_t skip)
{
	const char *found = ldcache_find(cache, name, X86_64, skip);

	if (!path)
		assert_null(found);
	else
		assert_non_null(found);
	if (path)
		assert_string_equal(found, path);
}

static void check_all(const struct ldcache *cache)
{
	assert_int_equal(cache->n, ELEMENTS(rows));
	check(cache, "libz.so.1", "/usr/lib/x86_64-linux-gnu/libz.so.1", 0);
	check(cache, "libx.so.10", "/lib/libx.so.10", 0);
	check(cache, "libx.so.9", "/lib/libx.so.9", 0);
	check(cache, "libx.so.9", "/usr/local/lib/libx.so.9", 1);
	check(cache, "libx.so.9", NULL, 2);
	check(cache, "libx.so.09", NULL, 0);
	check(cache, "libx.so", NULL, 0);
	check(cache, "libc.so.6", "/lib/libc.so.6", 0);
	check(cache, "liba-2.so", "/lib/liba-2.so", 0);
	check(cache, "ld.so", NULL, 0);
	check(cache, "zzz", NULL, 0);
	check(cache, "", NULL, 0);
	assert_string_equal(ldcache_find(cache, "libx.so.9", 0, 0), "/lib32/libx.so.9");
}

static void libraries_are_found_by_name_and_kind(void **state)
{
	struct ldcache cache = LDCACHE_INIT;
	unsigned char buf[ROOM];
	size_t size = make(buf, 0);

	(void)state;
	assert_int_equal(ldcache_parse(buf, size, &cache), 0);
	check_all(&cache);
}

/* Up to glibc 2.31 the same stood behind the format before; its length is rounded up to 8. */
static void the_older_format_before_it_is_passed_by(void **state)
{
	struct ldcache cache = LDCACHE_INIT;
	unsigned char buf[ROOM];
	size_t size = make(buf, (OLD + 7) / 8 * 8);

	(void)state;
	assert_int_equal(ldcache_parse(buf, size, &cache), 0);
	check_all(&cache);
}

static void a_foreign_byte_order_is_refused(void **state)
{
	struct ldcache cache = LDCACHE_INIT;
	unsigned char buf[ROOM];
	size_t size = make(buf, 0);
	static const uint16_t one = 1;
	int own = *(const unsigned char *)&one ? 2 : 3;

	(void)state;
	buf[28] = (unsigned char)own;
	assert_int_equal(ldcache_parse(buf, size, &cache), 0);
	buf[28] = (unsigned char)(5 - own);
	assert_int_equal(ldcache_parse(buf, size, &cache), -EBADMSG);
	buf[28] = 1; /* "invalid" */
	assert_int_equal(ldcache_parse(buf, size, &cache), -EBADMSG);
}

/* In a block of its exact size: sanitizers and valgrind watch. */
static void ask_of(const unsigned char *data, size_t size)
{
	_cleanup_free_ unsigned char *exact = malloc(size ? size : 1);
	struct ldcache cache = LDCACHE_INIT;
	size_t n = 0;

	assert_non_null(exact);
	memcpy(exact, data, size);
	if (ldcache_parse(exact, size, &cache) < 0)
		return;
	for (size_t i = 0; i < ELEMENTS(rows); i++) {
		const char *path = ldcache_find(&cache, rows[i].name, X86_64, 0);

		n += path ? strlen(path) : 0;
	}
	assert_true(n < ROOM);
}

static void damaged_caches_are_errors_and_no_more(void **state)
{
	unsigned char buf[ROOM], changed[ROOM];
	size_t size = make(buf, 0);
	struct ldcache cache = LDCACHE_INIT;

	(void)state;
	for (size_t n = 0; n < size; n++)
		ask_of(buf, n);
	assert_int_equal(ldcache_parse(buf, HEAD - 1, &cache), -EBADMSG);
	assert_int_equal(ldcache_parse(buf, HEAD + ENTRY, &cache), -EBADMSG);
	for (size_t at = 0; at < size; at++) {
		memcpy(changed, buf, size);
		changed[at] ^= 0x80;
		ask_of(changed, size);
		changed[at] = 0xff;
		ask_of(changed, size);
	}
	memcpy(changed, "glibc-ld.so.cache9.9", 20);
	assert_int_equal(ldcache_parse(changed, size, &cache), -EBADMSG);
}

static void a_file_that_is_no_cache_is_told_from_none(void **state)
{
	struct ldcache cache = LDCACHE_INIT;
	struct tree *tree = *state;
	char path[128];

	write_text(tree, "empty", "");
	write_text(tree, "text", "something else, and long enough that it could have been one…");
	(void)snprintf(path, sizeof(path), "%s/none", tree->path);
	assert_int_equal(ldcache_open(path, &cache), -ENOENT);
	(void)snprintf(path, sizeof(path), "%s/empty", tree->path);
	assert_int_equal(ldcache_open(path, &cache), -EBADMSG);
	(void)snprintf(path, sizeof(path), "%s/text", tree->path);
	assert_int_equal(ldcache_open(path, &cache), -EBADMSG);
	assert_int_equal(ldcache_open(tree->path, &cache), -EBADMSG);
}

static void machines_are_known_by_class_and_number(void **state)
{
	const struct library_machine *machine = library_machine(64, EM_X86_64);

	(void)state;
	assert_string_equal(machine->triple, "x86_64-linux-gnu");
	assert_int_equal(machine->cache, X86_64);
	assert_string_equal(library_machine(32, EM_386)->triple, "i386-linux-gnu");
	assert_null(library_machine(32, EM_AARCH64));
	assert_null(library_machine(64, 4711));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(libraries_are_found_by_name_and_kind),
		cmocka_unit_test(the_older_format_before_it_is_passed_by),
		cmocka_unit_test(a_foreign_byte_order_is_refused),
		cmocka_unit_test(damaged_caches_are_errors_and_no_more),
		cmocka_unit_test_setup_teardown(a_file_that_is_no_cache_is_told_from_none,
						make_tree, remove_tree),
		cmocka_unit_test(machines_are_known_by_class_and_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
