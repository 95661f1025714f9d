/* SPDX-License-Identifier: MIT
 *
 * What an ELF file needs: of our own program, of files made by hand in both classes, and of damaged
 * ones.
 */
#include "unit.h"

#include <elf.h>
#include <sys/mman.h>

#include "sys/elf.h"

#define LOADER "/lib/ld-made-up.so.1"

/* Offset 0 has to be an empty text. */
static const char texts[] = "\0libone.so.1\0libtwo.so.2\0$ORIGIN/../lib\0/opt/run\0libself.so";

enum { ONE = 1, TWO = 13, RPATH = 25, RUNPATH = 40, SELF = 49, ADDRESS = 0x400000 };

#define MAKE(bits)                                                                                 \
	struct image##bits {                                                                       \
		Elf##bits##_Ehdr head;                                                             \
		Elf##bits##_Phdr segments[3];                                                      \
		char interpreter[sizeof(LOADER)];                                                  \
		Elf##bits##_Dyn dynamic[9];                                                        \
		char texts[sizeof(texts)];                                                         \
	};                                                                                         \
	static struct image##bits make##bits(void)                                                 \
	{                                                                                          \
		struct image##bits image = {.head.e_type = ET_DYN};                                \
		size_t at = offsetof(struct image##bits, interpreter);                             \
		memcpy(image.head.e_ident, ELFMAG, SELFMAG);                                       \
		image.head.e_ident[EI_CLASS] = ELFCLASS##bits;                                     \
		image.head.e_ident[EI_DATA] = own_order();                                         \
		image.head.e_ident[EI_VERSION] = EV_CURRENT;                                       \
		image.head.e_machine = 4711;                                                       \
		image.head.e_entry = ADDRESS;                                                      \
		image.head.e_phoff = offsetof(struct image##bits, segments);                       \
		image.head.e_phnum = 3;                                                            \
		image.head.e_phentsize = sizeof(Elf##bits##_Phdr);                                 \
		image.segments[0].p_type = PT_LOAD;                                                \
		image.segments[0].p_vaddr = ADDRESS;                                               \
		image.segments[0].p_filesz = sizeof(image);                                        \
		image.segments[1].p_type = PT_INTERP;                                              \
		image.segments[1].p_offset = at;                                                   \
		image.segments[1].p_filesz = sizeof(LOADER);                                       \
		image.segments[2].p_type = PT_DYNAMIC;                                             \
		image.segments[2].p_offset = offsetof(struct image##bits, dynamic);                \
		image.segments[2].p_filesz = sizeof(image.dynamic);                                \
		memcpy(image.interpreter, LOADER, sizeof(LOADER));                                 \
		memcpy(image.texts, texts, sizeof(texts));                                         \
		Elf##bits##_Dyn dynamic[9] = {                                                     \
			{DT_NEEDED, {ONE}},                                                        \
			{DT_NEEDED, {TWO}},                                                        \
			{DT_STRTAB, {ADDRESS + offsetof(struct image##bits, texts)}},              \
			{DT_STRSZ, {sizeof(texts)}},                                               \
			{DT_RPATH, {RPATH}},                                                       \
			{DT_RUNPATH, {RUNPATH}},                                                   \
			{DT_SONAME, {SELF}},                                                       \
			{DT_FLAGS_1, {DF_1_NODEFLIB}},                                             \
			{DT_NULL, {0}},                                                            \
		};                                                                                 \
		memcpy(image.dynamic, dynamic, sizeof(dynamic));                                   \
		return image;                                                                      \
	}

static unsigned char own_order(void)
{
	static const uint16_t one = 1;

	return *(const unsigned char *)&one ? ELFDATA2LSB : ELFDATA2MSB;
}

MAKE(64)
MAKE(32)

static int file_of(const void *data, size_t size)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, data, size), 0);
	return fd;
}

static int read_it(const void *data, size_t size, struct elf *ret)
{
	_cleanup_fd_ int fd = file_of(data, size);

	return elf_read(fd, ret);
}

static void check_made(const struct elf *elf, int bits)
{
	assert_int_equal(elf->bits, bits);
	assert_int_equal(elf->machine, 4711);
	assert_int_equal(elf->kind, ELF_DYNAMIC);
	assert_string_equal(elf->interpreter, LOADER);
	assert_int_equal(elf->n_needed, 2);
	assert_string_equal(elf->needed[0], "libone.so.1");
	assert_string_equal(elf->needed[1], "libtwo.so.2");
	assert_string_equal(elf->rpath, "$ORIGIN/../lib");
	assert_string_equal(elf->runpath, "/opt/run");
	assert_string_equal(elf->soname, "libself.so");
	assert_true(elf->no_default);
}

static void all_is_read_in_both_classes(void **state)
{
	_cleanup_(elf_done) struct elf wide = ELF_INIT, narrow = ELF_INIT;
	struct image64 image64 = make64();
	struct image32 image32 = make32();

	(void)state;
	assert_int_equal(read_it(&image64, sizeof(image64), &wide), 0);
	check_made(&wide, 64);
	assert_int_equal(read_it(&image32, sizeof(image32), &narrow), 0);
	check_made(&narrow, 32);
}

static void our_own_program_needs_cmocka_and_a_loader_that_exists(void **state)
{
	_cleanup_(elf_done) struct elf elf = ELF_INIT;
	_cleanup_fd_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	bool found = false;

	(void)state;
	assert_int_equal(elf_read(fd, &elf), 0);
	assert_int_equal(elf.kind, ELF_DYNAMIC);
	assert_int_equal(elf.bits, sizeof(void *) * 8);
	assert_int_equal(access(elf.interpreter, X_OK), 0);
	for (size_t i = 0; i < elf.n_needed; i++)
		found = found || strncmp(elf.needed[i], "libcmocka.so", 12) == 0;
	assert_true(found);
}

static void without_a_loader_it_is_static_or_a_library(void **state)
{
	struct image64 image = make64();
	static const struct {
		uint16_t type;
		uint64_t entry;
		int64_t first; /* tag of the first entry: DT_NULL, nothing is needed */
		enum elf_kind kind;
	} rows[] = {
		{ET_EXEC, ADDRESS, DT_NULL, ELF_STATIC},   {ET_DYN, ADDRESS, DT_NULL, ELF_STATIC},
		{ET_DYN, ADDRESS, DT_NEEDED, ELF_LIBRARY}, {ET_DYN, 0, DT_NULL, ELF_LIBRARY},
		{ET_REL, 0, DT_NULL, ELF_OTHER},	   {ET_CORE, 0, DT_NULL, ELF_OTHER},
	};

	(void)state;
	image.segments[1].p_type = PT_NULL;
	for (size_t i = 0; i < ELEMENTS(rows); i++) {
		_cleanup_(elf_done) struct elf elf = ELF_INIT;

		image.head.e_type = rows[i].type;
		image.head.e_entry = rows[i].entry;
		image.dynamic[0].d_tag = rows[i].first;
		assert_int_equal(read_it(&image, sizeof(image), &elf), 0);
		assert_int_equal(elf.kind, rows[i].kind);
		assert_null(elf.interpreter);
	}
}

static void what_is_no_elf_and_what_is_foreign_is_told_apart(void **state)
{
	struct image64 image = make64();
	struct elf elf = ELF_INIT;

	(void)state;
	assert_int_equal(read_it("", 0, &elf), -ENOEXEC);
	assert_int_equal(read_it("\177EL", 3, &elf), -ENOEXEC);
	assert_int_equal(read_it("#!/bin/sh\necho not an ELF file\n", 31, &elf), -ENOEXEC);
	image.head.e_ident[EI_DATA] = own_order() == ELFDATA2LSB ? ELFDATA2MSB : ELFDATA2LSB;
	assert_int_equal(read_it(&image, sizeof(image), &elf), -ENOTSUP);
	image = make64();
	image.head.e_ident[EI_CLASS] = 3;
	assert_int_equal(read_it(&image, sizeof(image), &elf), -ENOTSUP);
}

static void what_lies_outside_of_the_file_is_found_out(void **state)
{
	struct elf elf = ELF_INIT;
	struct image64 image;

	(void)state;
#define BROKEN(change)                                                                             \
	do {                                                                                       \
		image = make64();                                                                  \
		change;                                                                            \
		assert_int_equal(read_it(&image, sizeof(image), &elf), -EBADMSG);                  \
	} while (0)
	BROKEN(image.head.e_phoff = sizeof(image));
	BROKEN(image.head.e_phoff = UINT64_MAX - 8);
	BROKEN(image.head.e_phnum = 65535);
	BROKEN(image.head.e_phentsize = 8);
	BROKEN(image.segments[1].p_offset = UINT64_MAX);
	BROKEN(image.segments[1].p_filesz = UINT64_MAX);
	BROKEN(image.segments[1].p_filesz = 4); /* without its NUL */
	BROKEN(image.segments[2].p_offset = UINT64_MAX - 15);
	BROKEN(image.segments[2].p_filesz = UINT64_MAX);
	BROKEN(image.segments[0].p_offset = UINT64_MAX - 15);
	BROKEN(image.segments[0].p_filesz = 16);
	BROKEN(image.dynamic[0].d_un.d_val = sizeof(texts));
	BROKEN(image.dynamic[1].d_un.d_val = UINT64_MAX);
	BROKEN(image.dynamic[2].d_un.d_val = 0);
	BROKEN(image.dynamic[3].d_un.d_val = 3); /* the table ends within a name */
}

/* No length and no changed byte makes it read what isn't there: sanitizers and valgrind watch. */
static void damaged_files_are_errors_and_no_more(void **state)
{
	struct image64 whole = make64();
	unsigned char changed[sizeof(whole)];

	(void)state;
	/* behind the texts there is but padding */
	for (size_t size = 0; size < offsetof(struct image64, texts) + sizeof(texts); size++) {
		struct elf elf = ELF_INIT;
		int r = read_it(&whole, size, &elf);

		assert_true(r == -ENOEXEC || r == -EBADMSG);
	}
	for (size_t at = 0; at < sizeof(whole); at++) {
		for (unsigned int bit = 0; bit < 9; bit++) {
			_cleanup_(elf_done) struct elf elf = ELF_INIT;

			memcpy(changed, &whole, sizeof(whole));
			changed[at] = bit == 8 ? 0xff : (unsigned char)(changed[at] ^ 1U << bit);
			(void)read_it(changed, sizeof(changed), &elf);
		}
	}
}

static void texts_are_found_whole_and_only_where_constants_are(void **state)
{
	static const char *const wanted[] = {"libone.so.1", "libone", "made-up.so.1", "/opt/run"};
	struct image64 image = make64();
	_cleanup_fd_ int fd = -EBADF, code = -EBADF, data = -EBADF;
	uint32_t found = 0;

	(void)state;
	image.segments[0].p_flags = PF_R;
	fd = file_of(&image, sizeof(image));
	assert_int_equal(elf_find_texts(fd, wanted, ELEMENTS(wanted), &found), 0);
	assert_int_equal(found, 1 << 0 | 1 << 2 | 1 << 3); /* "libone" doesn't end there */
	image.segments[0].p_flags = PF_R | PF_X;
	code = file_of(&image, sizeof(image));
	assert_int_equal(elf_find_texts(code, wanted, ELEMENTS(wanted), &found), 0);
	assert_int_equal(found, 1 << 0 | 1 << 2 | 1 << 3);
	image.segments[0].p_flags = PF_R | PF_W;
	data = file_of(&image, sizeof(image));
	assert_int_equal(elf_find_texts(data, wanted, ELEMENTS(wanted), &found), 0);
	assert_int_equal(found, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_read_in_both_classes),
		cmocka_unit_test(our_own_program_needs_cmocka_and_a_loader_that_exists),
		cmocka_unit_test(without_a_loader_it_is_static_or_a_library),
		cmocka_unit_test(what_is_no_elf_and_what_is_foreign_is_told_apart),
		cmocka_unit_test(what_lies_outside_of_the_file_is_found_out),
		cmocka_unit_test(damaged_files_are_errors_and_no_more),
		cmocka_unit_test(texts_are_found_whole_and_only_where_constants_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
