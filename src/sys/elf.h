/* SPDX-License-Identifier: MIT
 *
 * What an ELF file needs to run, read from the file without running anything. 32 and 64 bits, own
 * byte order. elf(5), ld.so(8)
 * Not here: where its libraries are (ldcache.h, lib/bring_search.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elf_kind {
	ELF_STATIC,  /* the kernel alone starts it; a loader is such a one */
	ELF_DYNAMIC, /* it names a loader */
	ELF_LIBRARY, /* not to be started */
	ELF_OTHER,   /* object files, core dumps */
};

struct elf {
	enum elf_kind kind;
	int bits;	  /* 32, 64 */
	uint16_t machine; /* EM_… */
	bool no_default;  /* DF_1_NODEFLIB: neither cache nor default directories */
	/* Owned. NULL where there is none. */
	char *interpreter, *soname, *rpath, *runpath;
	char **needed;
	size_t n_needed;
};

#define ELF_INIT {.needed = NULL}

void elf_done(struct elf *elf);

/*
 * Reads it. The file may be anything: each offset is checked against its size, and it isn't
 * mapped, so that one that shrinks meanwhile is but an error.
 *
 *	ENOEXEC	no ELF file
 *	ENOTSUP	ELF, but of another byte order, or a version that we don't know
 *	EBADMSG	damaged: something lies outside of the file, or is endless
 */
int elf_read(int fd, struct elf *ret);

/*
 * Which of `n` (at most 32) NUL-ended texts are among the constants of a program: bit i for
 * texts[i]. Looked for where a program keeps its constants, which is but a part of the file.
 */
int elf_find_texts(int fd, const char *const *texts, size_t n, uint32_t *ret);
