/* SPDX-License-Identifier: MIT
 *
 * Where a library is: what the program's loader would find, by the rules of ld.so(8) without
 * LD_LIBRARY_PATH, or by musl's. In a toolbox its own directories come first.
 */
#include "lib/bring_search.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/*
 * A loader passes by what isn't a library of the program's kind, so that linker scripts don't
 * count.
 */
bool search_fits(const struct search *search, const struct piece *piece)
{
	const struct elf *program = &search->list[0].piece->elf;

	return piece->kind == PIECE_ELF && piece->fault == 0 && piece->elf.bits == program->bits &&
	       piece->elf.machine == program->machine && piece->elf.kind != ELF_OTHER;
}

/* In the toolbox first, and where there's none that fits, on the host. */
static int try_path(struct search *search, const char *path, const struct known **ret)
{
	const struct toolbox *places[] = {search->state->toolbox, NULL};

	for (size_t i = places[0] ? 0 : 1; i < ELEMENTS(places); i++) {
		int r = bring_look_in(search->state, places[i], path, ret);

		if (r == -ENOMEM || (r == 0 && search_fits(search, (*ret)->piece)))
			return r;
	}
	return -ENOENT;
}

static int try_directory(struct search *search, const char *directory, const char *soname,
			 const struct known **ret)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", directory, soname);

	/* a relative one is relative to wherever the program is started */
	if (directory[0] != '/' || n < 0 || (size_t)n >= sizeof(path))
		return -ENOENT;
	return try_path(search, path, ret);
}

/* --- run paths --- */

/* Appends; false: it doesn't fit. */
static bool append(char *buf, size_t size, const char *text, size_t length)
{
	size_t n = strlen(buf);

	if (length >= size - n)
		return false;
	memcpy(buf + n, text, length);
	buf[n + length] = '\0';
	return true;
}

/* "$ORIGIN" or "${ORIGIN}" at `at`: its length, else 0. */
static size_t match_token(const char *at, const char *name)
{
	size_t length = strlen(name);

	if (strncmp(at, "${", 2) == 0 && strncmp(at + 2, name, length) == 0 &&
	    at[length + 2] == '}')
		return length + 3;
	return at[0] == '$' && strncmp(at + 1, name, length) == 0 ? length + 1 : 0;
}

/*
 * What $LIB may stand for is the distribution's choice: `lib` is one of them. False: can't be
 * expanded.
 */
static bool expand(const struct search *search, const struct loaded *of, const char *entry,
		   size_t length, const char *lib, char *buf, size_t size)
{
	const char *end = entry + length;
	/* of the program the kernel says where it is, without symbolic links */
	const char *self = of->by == NO_LOADER ? of->piece->path : of->found;
	bool fine = true;
	size_t n;

	buf[0] = '\0';
	while (fine && entry < end) {
		if ((n = match_token(entry, "ORIGIN")) > 0) {
			fine = append(buf, size, self, (size_t)(strrchr(self, '/') - self));
		} else if ((n = match_token(entry, "LIB")) > 0) {
			fine = append(buf, size, lib, strlen(lib));
		} else if ((n = match_token(entry, "PLATFORM")) > 0) {
			fine = search->machine && append(buf, size, search->machine->platform,
							 strlen(search->machine->platform));
		} else {
			n = 1;
			fine = append(buf, size, entry, n);
		}
		entry += n;
	}
	return fine && entry == end;
}

/* The names of $LIB, NULL behind the last. */
static const char *lib_name(const struct search *search, size_t i, char *buf, size_t size)
{
	if (i == 0)
		return "lib";
	if (!search->machine || i > 2)
		return NULL;
	(void)snprintf(buf, size, i == 1 ? "lib/%s" : "%s",
		       i == 1 ? search->machine->triple : search->machine->directory);
	return buf;
}

/* The distribution's choice shows in where its loader is. An index of lib_name(). */
static size_t likely_lib(const struct search *search)
{
	const char *path = search->loader->path;

	if (!search->machine)
		return 0;
	if (strstr(path, search->machine->triple))
		return 1;
	return strstr(path, search->machine->directory) ? 2 : 0;
}

/* Looks through "DIR:DIR…" of an object. */
static int try_run_path(struct search *search, const struct loaded *of, const char *paths,
			const char *soname, const struct known **ret)
{
	size_t first = likely_lib(search);

	for (;; paths++) {
		size_t length = strcspn(paths, ":");
		bool several = memmem(paths, length, "LIB", 3);

		for (size_t i = 0; length > 0; i++) {
			char directory[PATH_MAX], buf[64];
			const char *lib = lib_name(search, (first + i) % 3, buf, sizeof(buf));
			int r;

			if (i == 3 || (i > 0 && !several))
				break;
			if (!lib ||
			    !expand(search, of, paths, length, lib, directory, sizeof(directory)))
				continue;
			r = try_directory(search, directory, soname, ret);
			if (r != -ENOENT)
				return r;
		}
		paths += length;
		if (!*paths)
			return -ENOENT;
	}
}

/*
 * ld.so(8): DT_RPATH of the object and of those that it was loaded for, if it has no DT_RUNPATH.
 */
static int try_rpaths(struct search *search, size_t by, const char *soname,
		      const struct known **ret)
{
	if (search->list[by].piece->elf.runpath)
		return -ENOENT;
	for (ssize_t i = (ssize_t)by; i != NO_LOADER; i = search->list[i].by) {
		const struct elf *elf = &search->list[i].piece->elf;
		int r = elf->rpath && !elf->runpath
				? try_run_path(search, &search->list[i], elf->rpath, soname, ret)
				: -ENOENT;

		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

/* musl makes no difference between the two: both go for what is loaded for the object, too. */
static int try_musl_rpaths(struct search *search, size_t by, const char *soname,
			   const struct known **ret)
{
	for (ssize_t i = (ssize_t)by; i != NO_LOADER; i = search->list[i].by) {
		const struct elf *elf = &search->list[i].piece->elf;
		const char *paths = elf->runpath ? elf->runpath : elf->rpath;
		int r = paths ? try_run_path(search, &search->list[i], paths, soname, ret)
			      : -ENOENT;

		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

/* --- the places of the system --- */

static int try_cache(struct search *search, const char *soname, const struct known **ret)
{
	struct bring_state *state = search->state;

	if (!search->machine)
		return -ENOENT;
	if (!state->cache_tried) {
		state->cache_tried = true;
		/* without it, or with one that we can't read, there are the directories */
		(void)ldcache_open(LDCACHE_PATH, &state->cache);
	}
	for (size_t i = 0; state->cache.n > 0; i++) {
		const char *path = ldcache_find(&state->cache, soname, search->machine->cache, i);
		int r = path ? try_path(search, path, ret) : -ENOENT;

		if (!path || r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

static int try_system(struct search *search, const char *soname, const struct known **ret)
{
	static const char *const tops[] = {"", "/usr"};

	for (size_t i = 0; i < 6; i++) {
		char buf[64], directory[80];
		/* the machine's own before what all share */
		const char *lib = lib_name(search, (i / 2 + 1) % 3, buf, sizeof(buf));
		int r;

		if (!lib)
			continue;
		(void)snprintf(directory, sizeof(directory), "%s/%s", tops[i % 2], lib);
		r = try_directory(search, directory, soname, ret);
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

/* "DIR:DIR…"; the file has them in lines, too. */
static int try_musl_path(struct search *search, const char *soname, const struct known **ret)
{
	for (const char *at = search->musl_path; *at; at += strspn(at, ":\n")) {
		size_t length = strcspn(at, ":\n");
		_cleanup_free_ char *directory = strndup(at, length);
		int r = directory ? try_directory(search, directory, soname, ret) : -ENOMEM;

		if (r != -ENOENT)
			return r;
		at += length;
	}
	return -ENOENT;
}

/* What a toolbox has in its own directories comes before all. */
static int try_toolbox(struct search *search, const char *soname, const struct known **ret)
{
	struct bring_state *state = search->state;
	static const char *const tops[] = {"", "/usr", "/usr/local"};

	for (size_t i = 0; i < 9; i++) {
		char buf[64], path[PATH_MAX];
		const char *lib = lib_name(search, i / 3, buf, sizeof(buf));
		int n, r;

		if (!lib)
			continue;
		n = snprintf(path, sizeof(path), "%s/%s/%s", tops[i % 3], lib, soname);
		if (n < 0 || (size_t)n >= sizeof(path))
			continue;
		r = bring_look_in(state, state->toolbox, path, ret);
		if (r == -ENOMEM || (r == 0 && search_fits(search, (*ret)->piece)))
			return r;
	}
	return -ENOENT;
}

static int find_glibc(struct search *search, size_t by, const char *soname,
		      const struct known **ret)
{
	const struct elf *elf = &search->list[by].piece->elf;
	int r = try_rpaths(search, by, soname, ret);

	if (r == -ENOENT && elf->runpath)
		r = try_run_path(search, &search->list[by], elf->runpath, soname, ret);
	if (r == -ENOENT && !elf->no_default)
		r = try_cache(search, soname, ret);
	if (r == -ENOENT && !elf->no_default)
		r = try_system(search, soname, ret);
	return r;
}

int search_library(struct search *search, size_t by, const char *soname, const struct known **ret)
{
	int r = search->state->toolbox ? try_toolbox(search, soname, ret) : -ENOENT;

	if (r != -ENOENT)
		return r;
	if (!search->musl_path)
		return find_glibc(search, by, soname, ret);
	r = try_musl_rpaths(search, by, soname, ret);
	return r == -ENOENT ? try_musl_path(search, soname, ret) : r;
}
