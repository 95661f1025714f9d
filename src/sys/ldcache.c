/* SPDX-License-Identifier: MIT */
#include "sys/ldcache.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"

/* glibc: sysdeps/generic/dl-cache.h, ldconfig.h */
#define MAGIC "glibc-ld.so.cache1.1"
#define OLD_MAGIC "ld.so-1.7.0"

enum {
	OLD_HEAD = 16, /* magic, padding, number */
	OLD_ENTRY = 12,
	TYPE_MASK = 0xff,
	TYPE_ELF = 1,
	TYPE_LIBC6 = 3,
	KIND_MASK = 0xff00,
	CACHE_LIMIT = 256 << 20,
	ORDER_MASK = 3,
	ORDER_UNSET = 0, /* before 2.32 */
	ORDER_LITTLE = 2,
	ORDER_BIG = 3,
};

struct cache_head {
	char magic[sizeof(MAGIC) - 1];
	uint32_t n, texts;
	uint8_t flags, padding[3];
	uint32_t extension, unused[3];
};

struct cache_entry {
	int32_t flags;
	uint32_t key, value; /* offsets of texts from the head on */
	uint32_t os_version;
	uint64_t hwcap;
};

_Static_assert(sizeof(struct cache_head) == 48, "as in the file");
_Static_assert(sizeof(struct cache_entry) == 24, "as in the file");

void ldcache_done(struct ldcache *cache)
{
	if (cache->map_size > 0)
		(void)munmap((void *)(size_t)cache->map, cache->map_size);
	*cache = (struct ldcache)LDCACHE_INIT;
}

/* Before 2.32 the cache had the libraries twice: in the format before this one, too. */
static int skip_old(const unsigned char **data, size_t *size)
{
	uint32_t n;
	uint64_t length;

	if (*size < OLD_HEAD || memcmp(*data, OLD_MAGIC, sizeof(OLD_MAGIC) - 1) != 0)
		return 0;
	memcpy(&n, *data + OLD_HEAD - sizeof(n), sizeof(n));
	length = (OLD_HEAD + (uint64_t)n * OLD_ENTRY + 7) & ~UINT64_C(7);
	if (length > *size)
		return -EBADMSG;
	*data += length;
	*size -= length;
	return 0;
}

int ldcache_parse(const void *data, size_t size, struct ldcache *ret)
{
	static const uint16_t one = 1;
	int own = *(const unsigned char *)&one ? ORDER_LITTLE : ORDER_BIG, order;
	const unsigned char *at = data;
	struct cache_head head;
	int r = skip_old(&at, &size);

	if (r < 0)
		return r;
	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, at, sizeof(head));
	order = head.flags & ORDER_MASK;
	if (memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0 ||
	    (order != ORDER_UNSET && order != own) ||
	    head.n > (size - sizeof(head)) / sizeof(struct cache_entry))
		return -EBADMSG;
	ret->at = at;
	ret->size = size;
	ret->n = head.n;
	return 0;
}

int ldcache_open(const char *path, struct ldcache *ret)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	void *map;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > CACHE_LIMIT)
		return -EBADMSG;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	r = ldcache_parse(map, (size_t)st.st_size, ret);
	if (r < 0) {
		(void)munmap(map, (size_t)st.st_size);
		return r;
	}
	ret->map = map;
	ret->map_size = (size_t)st.st_size;
	return 0;
}

/* NULL: it isn't within the file. */
static const char *text(const struct ldcache *cache, uint32_t offset)
{
	if (offset >= cache->size || !memchr(cache->at + offset, '\0', cache->size - offset))
		return NULL;
	return (const char *)cache->at + offset;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Runs of digits count as numbers: _dl_cache_libcmp() in glibc's elf/dl-cache.c. */
static int compare(const char *a, const char *b)
{
	while (*a) {
		if (is_digit(*a) && is_digit(*b)) {
			uint64_t x = 0, y = 0;

			while (is_digit(*a))
				x = x * 10 + (uint64_t)(*a++ - '0');
			while (is_digit(*b))
				y = y * 10 + (uint64_t)(*b++ - '0');
			if (x != y)
				return x < y ? -1 : 1;
		} else if (is_digit(*a)) {
			return 1;
		} else if (is_digit(*b)) {
			return -1;
		} else if (*a != *b) {
			return (signed char)*a < (signed char)*b ? -1 : 1;
		} else {
			a++;
			b++;
		}
	}
	return *b ? -1 : 0;
}

static const char *read_entry(const struct ldcache *cache, size_t i, struct cache_entry *ret)
{
	memcpy(ret, cache->at + sizeof(struct cache_head) + i * sizeof(*ret), sizeof(*ret));
	return text(cache, ret->key);
}

/* The first whose name isn't after this one: they stand in falling order. */
static size_t search(const struct ldcache *cache, const char *soname)
{
	size_t low = 0, high = cache->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct cache_entry entry;
		const char *name = read_entry(cache, middle, &entry);

		if (name && compare(soname, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_wanted(const struct cache_entry *entry, uint32_t kind)
{
	uint32_t flags = (uint32_t)entry->flags, type = flags & TYPE_MASK;

	return entry->hwcap == 0 && (type == TYPE_ELF || type == TYPE_LIBC6) &&
	       (flags & KIND_MASK) == kind;
}

const char *ldcache_find(const struct ldcache *cache, const char *soname, uint32_t kind,
			 size_t skip)
{
	for (size_t i = search(cache, soname); i < cache->n; i++) {
		struct cache_entry entry;
		const char *name = read_entry(cache, i, &entry), *path;

		if (!name || compare(soname, name) != 0)
			break;
		/* "libx.so.01" compares as "libx.so.1" */
		if (strcmp(soname, name) != 0 || !is_wanted(&entry, kind))
			continue;
		path = text(cache, entry.value);
		if (path && path[0] == '/' && skip-- == 0)
			return path;
	}
	return NULL;
}

static const struct library_machine machines[] = {
	{64, EM_X86_64, EM_X86_64, 0x0300, "x86_64-linux-gnu", "lib64", "x86_64"},
	{32, EM_X86_64, EM_X86_64, 0x0800, "x86_64-linux-gnux32", "libx32", "x86_64"},
	{32, EM_386, EM_X86_64, 0, "i386-linux-gnu", "lib32", "i686"},
	{64, EM_AARCH64, EM_AARCH64, 0x0a00, "aarch64-linux-gnu", "lib64", "aarch64"},
	{32, EM_ARM, EM_AARCH64, 0x0900, "arm-linux-gnueabihf", "lib", "v7l"},
};

const struct library_machine *library_machine(int bits, uint16_t machine)
{
	for (size_t i = 0; i < ELEMENTS(machines); i++)
		if (machines[i].bits == bits && machines[i].machine == machine)
			return &machines[i];
	return NULL;
}
