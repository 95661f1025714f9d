/* SPDX-License-Identifier: MIT
 *
 * Where dynamic libraries are, by the rules of glibc: the cache that ldconfig(8) writes
 * (/etc/ld.so.cache, "glibc-ld.so.cache1.1"), and the names of directories of each machine.
 * Not here: the order in which places are searched (lib/bring_search.c).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LDCACHE_PATH "/etc/ld.so.cache"

/* The file, mapped: ldconfig never changes one, it renames a new one over it. */
struct ldcache {
	const unsigned char *map;
	size_t map_size;
	const unsigned char *at; /* what offsets count from */
	size_t size;
	size_t n; /* libraries */
};

#define LDCACHE_INIT {.map = NULL}

void ldcache_done(struct ldcache *cache);

/*
 *	ENOENT	there's none
 *	EBADMSG	it isn't one of this format, or is damaged
 */
int ldcache_open(const char *path, struct ldcache *ret);

/* Takes `size` bytes for a cache; they have to outlive it. EBADMSG as above. */
int ldcache_parse(const void *data, size_t size, struct ldcache *ret);

/*
 * The path of a library for a kind of machine (library_machine.cache), NULL if there's none;
 * `skip`: how many such are passed by. Those for special processors (glibc-hwcaps) are always
 * passed by.
 */
const char *ldcache_find(const struct ldcache *cache, const char *soname, uint32_t kind,
			 size_t skip);

/* A kind of machine: what its libraries' directories are called. elf.h has bits and machine. */
struct library_machine {
	int bits;
	uint16_t machine;
	uint16_t host;	       /* the machine whose kernel runs these, too */
	uint32_t cache;	       /* FLAG_REQUIRED_MASK of the cache's flags */
	const char *triple;    /* "x86_64-linux-gnu" */
	const char *directory; /* "lib64" */
	const char *platform;  /* "x86_64" */
};

/* NULL: not known here. */
const struct library_machine *library_machine(int bits, uint16_t machine);
