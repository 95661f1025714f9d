/* SPDX-License-Identifier: MIT
 *
 * Host programs, with all that they need, made ready to run in a container that has none of it:
 * which files of the host have to be where beneath BASE/conjoin. Nothing is run for this, nothing
 * changed.
 *
 * Beneath BASE/conjoin (`home`), which is one file system in memory:
 *
 *	bin/NAME	what the user calls: a link to a static program, or a runner (runner/runner.c)
 *	files/FILE	each file of the host once, read-only: programs, libraries, scripts; of a
 *			loader a copy that looks nowhere by itself (bring_loader.c)
 *	more/N/FILE	the same, where another file has that name already
 *	lib/N/SONAME	links to the libraries of one program; two programs with different libraries
 *			of the same name don't meet
 *	start/NAME/NAME	a link to the loader (the interpreter, of a script): what the runner executes.
 *			The kernel calls a process by the last part of that path.
 *	start/NAME/as	for loaders that don't know --argv0
 *	dir/N		a brought directory
 *
 * A dynamic program is started as "LOADER --library-path home/lib/N … PROGRAM ARG…", so that
 * its libraries are nobody else's: neither its children nor the container's own programs hear of
 * them.
 *
 * What is brought is what the files themselves name. What a program opens while it runs is not:
 * plug-ins and NSS modules, which it names without a path, it doesn't find; iconv modules, terminfo,
 * locales, the library of an interpreter (python3 needs -S and little else, or a --bring-dir) and its
 * configuration are the container's, if it has them. A program that asks for its own file
 * (/proc/self/exe) gets the loader.
 * Not here: putting it there (stage/view.c).
 */
#pragma once

#include <stddef.h>

#include <conjoin/error.h>

#include "stage/brought.h"

struct bring_request {
	const char *const *files; /* names or paths of programs; NULL-ended, or NULL */
	const char *const *dirs;  /* whole toolboxes; NULL-ended, or NULL */
	const char *path;	  /* PATH, for names without a slash; NULL: the usual one */
	const char *home; /* "/run/conjoin": where it all will be; absolute, without : ; $ */
};

struct bring {
	struct brought *items;
	size_t n;
	char **notes; /* "left out: /box/bin/x: …": what of `dirs` can't be brought; not escaped */
	size_t n_notes;
};

#define BRING_INIT {.items = NULL}

/*
 * Finds out. Of the host as it is now: sources are real paths, without symbolic links. Of files
 * of the same name the earlier one counts, those of `files` before those of `dirs`.
 *
 *	EINVAL	the request itself; a file that can't be a program
 *	EEXIST	two different files want the same name
 *	ENOENT	a program, its loader or a library isn't there; a directory without any program
 *	ENOEXEC	neither ELF program nor script, or one of another machine
 *	EBADMSG	a damaged ELF file
 *	EACCES	not executable, or on a mount without exec
 *	ELOOP	scripts that interpret each other
 *	ENOTSUP	a way of starting that can't be taken along (env -S, libraries named by path), or
 *		an architecture without a runner
 *	E2BIG	more than BRING_NAMES_MAX programs
 *
 * The text begins with `bring "NAME"` and names the file that is at fault.
 */
int bring_resolve(const struct bring_request *request, struct bring *ret, struct cj_error *err);
void bring_done(struct bring *bring);

enum { BRING_NAMES_MAX = 4096 };
