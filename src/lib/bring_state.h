/* SPDX-License-Identifier: MIT
 *
 * What the files bring*.c share while one request is worked on.
 * Not here: what others need (bring.h).
 */
#pragma once

#include <stdbool.h>

#include "lib/bring.h"
#include "sys/elf.h"
#include "sys/hostfile.h"
#include "sys/ldcache.h"

struct piece;

/* What a "#!" line says. */
struct script {
	char *interpreter; /* a path, or with `by_env` a name for PATH */
	char *argument;	   /* NULL: none */
	bool by_env;	   /* "#!/usr/bin/env NAME" */
};

/* Libraries of one program, and how its loader is told of them. */
struct needs {
	struct piece *loader;
	unsigned int number; /* of lib/N */
	char **sonames;
	struct piece **libraries;
	size_t n;
	char *without_rpath; /* for --inhibit-rpath; NULL: not needed */
};

/* Options of a loader, read out of its constants. */
enum {
	LOADER_LIBRARY_PATH = 1 << 0,
	LOADER_INHIBIT_CACHE = 1 << 1,
	LOADER_INHIBIT_RPATH = 1 << 2,
	LOADER_ARGV0 = 1 << 3,
};

enum piece_kind { PIECE_ELF, PIECE_SCRIPT, PIECE_NEITHER };

/* A file of the host. There is one for each, whatever paths it was found by. */
struct piece {
	uint64_t device, inode, mount;
	char *path; /* the real one */
	bool executable, noexec;
	enum piece_kind kind;
	int fault;		/* why it can't be read as ELF: -errno */
	const char *fault_text; /* why its "#!" line can't be followed; NULL: it can */
	struct elf elf;
	struct script script;
	/* filled in when it is to be started */
	struct needs *needs;	   /* dynamic */
	struct piece *interpreter; /* script */
	const char *interpreter_name;
	bool busy;  /* is being prepared: whoever meets it again goes in circles */
	bool taken; /* is on the list, with its interpreter */
	bool searched;
	uint32_t loader_options; /* of a loader, once it's `searched` */
	/* filled in when it is taken along */
	char *place; /* beneath home */
};

/* A path that was looked at, and what was there. */
struct known {
	char *key;   /* the path, with the toolbox it's in */
	char *shown; /* the path as we'd give it to the kernel */
	int fault;   /* -errno */
	struct piece *piece;
};

struct toolbox {
	char *path; /* the real one */
	int fd;	    /* O_PATH */
	uint64_t mount;
	size_t number;
};

/* bin/NAME */
struct name {
	char *text;
	struct piece *piece;
};

struct bring_state {
	const struct bring_request *request;
	struct cj_error *err;
	const struct toolbox *toolbox; /* that we are in; NULL: none */
	struct toolbox *toolboxes;
	size_t n_toolboxes;
	struct ldcache cache;
	bool cache_tried;
	/* tsearch(3) */
	void *pieces, *known, *names, *places;
	struct piece **implied; /* interpreters, with the names that they are asked for by */
	const char **implied_names;
	size_t n_implied, implied_room, implied_names_room;
	struct name **order; /* of names, as they came */
	size_t n_names, names_room;
	unsigned int n_needs, n_doubles;
	struct brought *items;
	size_t n_items, items_room;
	char **notes;
	size_t n_notes, notes_room;
	const char *subject; /* `bring "…"` is about this; NULL: who takes the error names it */
};

/* bring_files.c: files of the host, and where they go */

/*
 * Looks at a path, in the toolbox that we are in first. -errno, and no text: it may be one of
 * many. What it gives lives as long as `state`.
 */
int bring_look(struct bring_state *state, const char *path, const struct known **ret);
/* In one of them only, from its root on; NULL: the host, and only there. */
int bring_look_in(struct bring_state *state, const struct toolbox *box, const char *path,
		  const struct known **ret);
/* Looks for a program by its name or path, as a shell does. The error has a text. */
int bring_find_program(struct bring_state *state, const char *name, const struct known **ret);
/* Fills in a loader's options. No text. */
int bring_find_options(struct piece *loader);
/* Takes a file along; piece->place is where. */
int bring_place(struct bring_state *state, struct piece *piece);
/* Gives it a place beneath home, which nobody else has. */
int bring_name_place(struct bring_state *state, struct piece *piece);
int bring_add_item(struct bring_state *state, enum brought_kind kind, const char *path,
		   const char *source);
void piece_free(void *data);
void known_free(void *data);

/* bring_script.c */

/* 1: it is a script, and `ret_fault` NULL or why it can't be followed; 0: it isn't one. */
int script_read(int fd, struct script *ret, const char **ret_fault);
void script_done(struct script *script);

/* bring_libraries.c: which libraries a dynamic program needs */
int bring_find_needs(struct bring_state *state, const struct known *program);
void needs_free(struct needs *needs);

/* bring_loader.c */

/* As bring_place(), but for a loader: a copy. */
int bring_place_loader(struct bring_state *state, struct piece *loader);

/* bring_start.c */

/* Everything that has to be found for starting it. May fail; takes nothing along. */
int bring_prepare(struct bring_state *state, const struct known *program);
/* Takes along a prepared program and makes bin/NAME. */
int bring_add_program(struct bring_state *state, const char *name, struct piece *piece);

/* bring_directory.c */
int bring_directory(struct bring_state *state, const char *path);
void toolbox_done(struct toolbox *toolbox);

/* bring.c */

/*
 * Gives bin/NAME to a file, unless somebody has it; and says whose it is. E2BIG: there are too
 * many.
 */
int bring_claim(struct bring_state *state, const char *name, struct piece *piece,
		struct piece **ret_owner);

/* Records `bring "SUBJECT": …` */
int bring_fail(struct bring_state *state, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
