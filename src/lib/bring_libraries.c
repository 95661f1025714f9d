/* SPDX-License-Identifier: MIT
 *
 * All libraries that a dynamic program needs, and how its loader is told of them.
 * Not here: where one of them is (bring_search.c).
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "base/io.h"
#include "lib/bring_search.h"

enum { LOADED_MAX = 4096, MUSL_PATH_LIMIT = 65536 };

static void search_done(struct search *search)
{
	free(search->musl_path);
	free(search->list);
}

void needs_free(struct needs *needs)
{
	if (!needs)
		return;
	for (size_t i = 0; i < needs->n; i++)
		free(needs->sonames[i]);
	free(needs->sonames);
	free(needs->libraries);
	free(needs->without_rpath);
	free(needs);
}

static void free_needs(struct needs **needs)
{
	needs_free(*needs);
}

/* --- the list --- */

static int add_loaded(struct search *search, struct loaded one)
{
	if (search->n == LOADED_MAX)
		return -E2BIG;
	if (!array_grow((void **)&search->list, sizeof(one), &search->room, search->n + 1))
		return -ENOMEM;
	search->list[search->n++] = one;
	return 0;
}

/* musl's loader is its C library under all these names: load_library() in ldso/dynlink.c. */
static bool is_part_of_musl(const char *soname)
{
	static const char *const parts[] = {"c", "pthread", "rt", "m", "dl", "util", "xnet"};

	for (size_t i = 0; i < ELEMENTS(parts); i++) {
		size_t length = strlen(parts[i]);

		if (strncmp(soname, "lib", 3) == 0 && strncmp(soname + 3, parts[i], length) == 0 &&
		    soname[3 + length] == '.')
			return true;
	}
	return false;
}

/* The loader is in memory already, and whatever was asked for before. */
static bool is_there(const struct search *search, const char *soname)
{
	const char *own = search->loader->elf.soname;

	if (search->musl_path && is_part_of_musl(soname))
		return true;
	if (strcmp(soname, search->loader_name) == 0 || (own && strcmp(soname, own) == 0))
		return true;
	for (size_t i = 1; i < search->n; i++)
		if (strcmp(search->list[i].soname, soname) == 0)
			return true;
	return false;
}

static int add_library(struct search *search, size_t by, const char *soname)
{
	struct bring_state *state = search->state;
	const char *needer = search->list[by].piece->path;
	const struct known *known;
	int r;

	if (is_there(search, soname))
		return 0;
	if (strchr(soname, '/') || !soname[0] || strlen(soname) > NAME_MAX ||
	    strcmp(soname, ".") == 0 || strcmp(soname, "..") == 0)
		return bring_fail(state, ENOTSUP, "%s needs the library %s by its path", needer,
				  soname);
	r = search_library(search, by, soname, &known);
	if (r == -ENOENT)
		return bring_fail(state, ENOENT, "library %s, needed by %s", soname, needer);
	if (r == 0 && known->piece->noexec)
		return bring_fail(state, EACCES, "%s is on a mount without exec",
				  known->piece->path);
	if (r == 0)
		r = add_loaded(search,
			       (struct loaded){known->piece, known->shown, soname, (ssize_t)by});
	return r < 0 ? bring_fail(state, -r, "look for library %s", soname) : 0;
}

/* --- the loader --- */

static int find_loader(struct search *search)
{
	struct bring_state *state = search->state;
	const struct elf *program = &search->list[0].piece->elf;
	const char *slash = strrchr(program->interpreter, '/');
	const struct known *known;
	int r;

	if (program->interpreter[0] != '/')
		return bring_fail(state, ENOTSUP, "its loader \"%s\" is no absolute path",
				  program->interpreter);
	r = bring_look(state, program->interpreter, &known);
	if (r < 0)
		return bring_fail(state, -r, "its loader %s", program->interpreter);
	search->loader = known->piece;
	search->loader_name = slash + 1;
	if (!search_fits(search, known->piece) || known->piece->elf.kind != ELF_STATIC)
		return bring_fail(state, ENOEXEC, "its loader %s isn't one", program->interpreter);
	if (!known->piece->executable || known->piece->noexec)
		return bring_fail(state, EACCES, "its loader %s can't be executed",
				  program->interpreter);
	return 0;
}

/* One that knows none is no loader. */
static int find_options(struct bring_state *state, struct piece *loader)
{
	int r = bring_find_options(loader);

	if (r < 0)
		return bring_fail(state, -r, "read its loader %s", loader->path);
	if (!(loader->loader_options & LOADER_LIBRARY_PATH))
		return bring_fail(state, ENOTSUP, "its loader %s takes no --library-path",
				  loader->path);
	return 0;
}

/* /etc/ld-musl-ARCH.path, else the usual ones. */
static int find_musl_path(struct search *search)
{
	_cleanup_(host_file_done) struct host_file file = HOST_FILE_INIT;
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	const char *arch = search->loader_name + strlen("ld-musl-");
	char path[NAME_MAX + 16];
	int r;

	if (strncmp(search->loader_name, "ld-musl-", strlen("ld-musl-")) != 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/etc/ld-musl-%.*s.path", (int)strcspn(arch, "."), arch);
	r = host_file_open(search->state->toolbox ? search->state->toolbox->fd : -EBADF, path,
			   &file);
	if (r == 0)
		r = io_read_all(file.fd, MUSL_PATH_LIMIT, &text);
	search->musl_path = strdup(r == 0 ? text.data : "/lib:/usr/local/lib:/usr/lib");
	return search->musl_path ? 0 : -ENOMEM;
}

/* --- what comes of it --- */

/*
 * DT_RPATH comes before --library-path, and may lead to the container's libraries. The list is of
 * names as the loader has them: none for the program, the whole path for libraries.
 */
static int find_without_rpath(const struct search *search, struct needs *needs)
{
	const char *home = search->state->request->home;
	char *data = NULL;
	size_t size;
	bool any = false;
	FILE *out;

	out = open_memstream(&data, &size);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < search->n; i++) {
		const struct loaded *one = &search->list[i];

		if (!one->piece->elf.rpath || one->piece->elf.runpath)
			continue;
		/* the empty name of the program ends where the first colon is */
		if (i > 0)
			(void)fprintf(out, "%s%s/lib/%u/%s", any ? ":" : "", home, needs->number,
				      one->soname);
		else
			(void)fputs(":", out);
		any = i > 0 || any;
	}
	if (fclose(out) != 0) {
		free(data);
		return -ENOMEM;
	}
	if (size == 0)
		free(take_ptr(data));
	needs->without_rpath = data;
	return 0;
}

static int take_needs(const struct search *search, struct needs **ret)
{
	_cleanup_(free_needs) struct needs *needs = calloc(1, sizeof(*needs));
	int r;

	if (!needs)
		return -ENOMEM;
	needs->loader = search->loader;
	needs->number = search->state->n_needs++;
	needs->sonames = calloc(search->n + 1, sizeof(*needs->sonames));
	needs->libraries = calloc(search->n + 1, sizeof(struct piece *));
	if (!needs->sonames || !needs->libraries)
		return -ENOMEM;
	for (size_t i = 1; i < search->n; i++) {
		needs->sonames[needs->n] = strdup(search->list[i].soname);
		if (!needs->sonames[needs->n])
			return -ENOMEM;
		needs->libraries[needs->n++] = search->list[i].piece;
	}
	r = find_without_rpath(search, needs);
	if (r == 0)
		*ret = take_ptr(needs);
	return r;
}

static int fill_list(struct search *search)
{
	for (size_t i = 0; i < search->n; i++) {
		const struct elf *elf = &search->list[i].piece->elf;

		for (size_t k = 0; k < elf->n_needed; k++) {
			int r = add_library(search, i, elf->needed[k]);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int bring_find_needs(struct bring_state *state, const struct known *program)
{
	_cleanup_(search_done) struct search search = {.state = state};
	struct piece *piece = program->piece;
	int r;

	search.machine = library_machine(piece->elf.bits, piece->elf.machine);
	r = add_loaded(&search, (struct loaded){piece, program->shown, NULL, NO_LOADER});
	if (r == 0)
		r = find_loader(&search);
	if (r == 0)
		r = find_options(state, search.loader);
	if (r == 0)
		r = find_musl_path(&search);
	if (r == 0)
		r = fill_list(&search);
	if (r == 0)
		r = take_needs(&search, &piece->needs);
	return r < 0 ? bring_fail(state, -r, "look for its libraries") : 0;
}
