/* SPDX-License-Identifier: MIT
 *
 * How a brought program is started: bin/NAME, and for dynamic programs and scripts the runner
 * with its orders.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "lib/bring_state.h"
#include "lib/runner_program.h"
#include "runner/runner.h"

enum {
	SCRIPTS_MAX = 5
}; /* one interpreting the other, as the kernel: exec_binprm() in fs/exec.c */

/* --- finding all --- */

static int prepare_elf(struct bring_state *state, const struct known *known)
{
	struct piece *piece = known->piece;
	const struct library_machine *machine;
	struct elf own = {.bits = 0};

	if (piece->fault == -ENOTSUP)
		return bring_fail(state, ENOEXEC, "%s is for another machine", piece->path);
	if (piece->fault < 0)
		return bring_fail(state, -piece->fault, "%s is damaged or can't be read",
				  piece->path);
	if (piece->elf.kind == ELF_LIBRARY || piece->elf.kind == ELF_OTHER)
		return bring_fail(state, ENOEXEC, "%s is no program, but %s", piece->path,
				  piece->elf.kind == ELF_LIBRARY ? "a library"
								 : "another kind of ELF file");
	if (runner_program_size == 0) /* nor do we know what runs here */
		return piece->elf.kind == ELF_STATIC
			       ? 0
			       : bring_fail(state, ENOTSUP,
					    "%s is dynamic: on this architecture only static ones",
					    piece->path);
	/* the machine of the runner is ours: e_machine stands at the same place in both classes */
	memcpy(&own.machine, runner_program + 18, sizeof(own.machine));
	machine = library_machine(piece->elf.bits, piece->elf.machine);
	if (piece->elf.machine != own.machine && (!machine || machine->host != own.machine))
		return bring_fail(state, ENOEXEC, "%s is for another machine", piece->path);
	if (piece->elf.kind == ELF_STATIC || piece->needs)
		return 0;
	return bring_find_needs(state, known);
}

static int imply(struct bring_state *state, const char *name, struct piece *piece)
{
	if (!array_grow((void **)&state->implied, sizeof(struct piece *), &state->implied_room,
			state->n_implied + 1) ||
	    !array_grow((void **)&state->implied_names, sizeof(char *), &state->implied_names_room,
			state->n_implied + 1))
		return bring_fail(state, ENOMEM, "make a list");
	state->implied[state->n_implied] = piece;
	state->implied_names[state->n_implied++] = name;
	return 0;
}

static int prepare(struct bring_state *state, const struct known *known, int depth);

static int find_interpreter(struct bring_state *state, struct piece *piece,
			    const struct known **ret)
{
	const char *wanted = piece->script.interpreter;
	int r;

	if (piece->script.by_env)
		return bring_find_program(state, wanted, ret);
	r = bring_look(state, wanted, ret);
	return r < 0 ? bring_fail(state, -r, "the interpreter %s of %s", wanted, piece->path) : 0;
}

static int prepare_script(struct bring_state *state, const struct known *known, int depth)
{
	struct piece *piece = known->piece;
	const struct known *interpreter;
	const char *slash;
	int r;

	if (piece->interpreter)
		return 0;
	if (piece->fault_text)
		return bring_fail(state, ENOTSUP, "%s: %s", piece->path, piece->fault_text);
	if (runner_program_size == 0)
		return bring_fail(state, ENOTSUP,
				  "%s is a script: on this architecture only static programs",
				  piece->path);
	if (piece->busy || depth == SCRIPTS_MAX)
		return bring_fail(state, ELOOP, "the interpreters of %s", piece->path);
	piece->busy = true;
	r = find_interpreter(state, piece, &interpreter);
	if (r == 0)
		r = prepare(state, interpreter, depth + 1);
	piece->busy = false;
	if (r < 0)
		return r;
	piece->interpreter = interpreter->piece;
	slash = strrchr(piece->script.interpreter, '/');
	piece->interpreter_name = slash ? slash + 1 : piece->script.interpreter;
	return imply(state, piece->interpreter_name, piece->interpreter);
}

static int prepare(struct bring_state *state, const struct known *known, int depth)
{
	struct piece *piece = known->piece;

	if (piece->noexec)
		return bring_fail(state, EACCES, "%s is on a mount without exec", piece->path);
	if (!piece->executable)
		return bring_fail(state, EACCES, "%s isn't executable", piece->path);
	if (piece->kind == PIECE_ELF)
		return prepare_elf(state, known);
	if (piece->kind == PIECE_SCRIPT)
		return prepare_script(state, known, depth);
	if (piece->fault < 0)
		return bring_fail(state, -piece->fault, "read %s", piece->path);
	return bring_fail(state, ENOEXEC, "%s is neither an ELF program nor a script", piece->path);
}

int bring_prepare(struct bring_state *state, const struct known *program)
{
	return prepare(state, program, 0);
}

/* --- taking it along --- */

static int take_libraries(struct bring_state *state, const struct needs *needs)
{
	char directory[32];
	int r;

	(void)snprintf(directory, sizeof(directory), "lib/%u", needs->number);
	r = bring_add_item(state, BROUGHT_DIRECTORY, directory, NULL);
	for (size_t i = 0; r == 0 && i < needs->n; i++) {
		char path[NAME_MAX + 40], to[PATH_MAX];

		r = bring_place(state, needs->libraries[i]);
		if (r < 0)
			return r;
		(void)snprintf(path, sizeof(path), "%s/%s", directory, needs->sonames[i]);
		if ((size_t)snprintf(to, sizeof(to), "../../%s", needs->libraries[i]->place) >=
		    sizeof(to))
			return -ENAMETOOLONG;
		r = bring_add_item(state, BROUGHT_LINK, path, to);
	}
	return r;
}

/* A program with its libraries, a script with its interpreter: once, however many names it has. */
static int take_along(struct bring_state *state, struct piece *piece)
{
	int r;

	for (; piece && !piece->taken; piece = piece->interpreter) {
		piece->taken = true;
		r = bring_place(state, piece);
		if (r == 0 && piece->needs)
			r = bring_place_loader(state, piece->needs->loader);
		if (r == 0 && piece->needs)
			r = take_libraries(state, piece->needs);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Texts one behind the other, each with its NUL. */
struct orders_text {
	struct runner_orders orders;
	size_t n;
	bool full;
};

static void add(struct orders_text *text, const char *a, const char *b, const char *c)
{
	int n = snprintf(text->orders.text + text->n, RUNNER_TEXT - text->n, "%s%s%s", a, b, c);

	if (n < 0 || (size_t)n >= RUNNER_TEXT - text->n) {
		text->full = true;
		return;
	}
	text->n += (size_t)n + 1;
	text->orders.arguments++; /* the file to execute is taken off in the end */
}

/* How a program is called: bin/NAME for an interpreter, by the caller's word else. */
struct call {
	struct bring_state *state;
	const char *name;	 /* of bin/NAME */
	const char *interpreter; /* the name of the interpreter; NULL: it is the program itself */
};

static void add_argv0(const struct call *call, struct orders_text *text)
{
	if (call->interpreter) {
		add(text, call->state->request->home, "/bin/", call->interpreter);
	} else {
		/* -1 for the file to execute, which is the first text */
		text->orders.own_argv0 = (int32_t)text->orders.arguments - 1;
		add(text, call->name, "", "");
	}
}

/*
 * A loader without --argv0 tells the program its path as argv[0]: so that has to end in the name.
 * Programs with many names (busybox) go by it.
 */
static int add_named_program(const struct call *call, const char *place, struct orders_text *text)
{
	const char *name = call->interpreter ? call->interpreter : call->name;
	char path[2 * NAME_MAX + 32], to[PATH_MAX];
	int r;

	(void)snprintf(path, sizeof(path), "start/%s/as", call->name);
	r = bring_add_item(call->state, BROUGHT_DIRECTORY, path, NULL);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "start/%s/as/%s", call->name, name);
	if ((size_t)snprintf(to, sizeof(to), "../../../%s", place) >= sizeof(to))
		return -ENAMETOOLONG;
	add(text, call->state->request->home, "/", path);
	return bring_add_item(call->state, BROUGHT_LINK, path, to);
}

static int add_dynamic(const struct call *call, const struct piece *piece, struct orders_text *text)
{
	const char *home = call->state->request->home;
	uint32_t options = piece->needs->loader->loader_options;
	char number[16];

	(void)snprintf(number, sizeof(number), "%u", piece->needs->number);
	add(text, call->name, "", "");
	if (options & LOADER_INHIBIT_CACHE)
		add(text, "--inhibit-cache", "", "");
	if (options & LOADER_INHIBIT_RPATH && piece->needs->without_rpath) {
		add(text, "--inhibit-rpath", "", "");
		add(text, piece->needs->without_rpath, "", "");
	}
	add(text, "--library-path", "", "");
	add(text, home, "/lib/", number);
	if (!(options & LOADER_ARGV0))
		return add_named_program(call, piece->place, text);
	add(text, "--argv0", "", "");
	add_argv0(call, text);
	add(text, home, "/", piece->place);
	return 0;
}

/* From the innermost interpreter outwards. Returns what is to be executed, in `ret_start`. */
static int add_start(const struct call *call, const struct piece *piece, struct orders_text *text,
		     const struct piece **ret_start)
{
	struct call inner = *call;
	int r;

	if (!piece->interpreter) {
		*ret_start = piece->needs ? piece->needs->loader : piece;
		if (piece->needs)
			return add_dynamic(call, piece, text);
		add_argv0(call, text);
		return 0;
	}
	inner.interpreter = piece->interpreter_name;
	r = add_start(&inner, piece->interpreter, text, ret_start);
	if (piece->script.argument)
		add(text, piece->script.argument, "", "");
	add(text, call->state->request->home, "/", piece->place);
	return r;
}

static int add_runner(struct bring_state *state, const char *path, const struct orders_text *text)
{
	const unsigned char *mark =
		memmem(runner_program, runner_program_size, RUNNER_MARK, sizeof(RUNNER_MARK));
	unsigned char *bytes;
	int r;

	if (!mark)
		return -ENOTSUP;
	bytes = malloc(runner_program_size);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, runner_program, runner_program_size);
	memcpy(bytes + (mark - runner_program), &text->orders, sizeof(text->orders));
	r = bring_add_item(state, BROUGHT_PROGRAM, path, NULL);
	if (r < 0) {
		free(bytes);
		return r;
	}
	state->items[state->n_items - 1].bytes = bytes;
	state->items[state->n_items - 1].size = runner_program_size;
	return 0;
}

/* start/NAME/NAME and the runner. */
static int add_started(struct bring_state *state, const char *name, const struct piece *piece)
{
	struct orders_text text = {.orders = {.mark = RUNNER_MARK, .own_argv0 = -1}};
	const struct call call = {state, name, NULL};
	const struct piece *start = NULL;
	char path[2 * NAME_MAX + 32], to[PATH_MAX];
	int r;

	(void)snprintf(path, sizeof(path), "start/%s", name);
	r = bring_add_item(state, BROUGHT_DIRECTORY, path, NULL);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "start/%s/%s", name, name);
	add(&text, state->request->home, "/", path);
	r = add_start(&call, piece, &text, &start);
	if (r < 0)
		return r;
	text.orders.arguments--;
	if (text.full || (size_t)snprintf(to, sizeof(to), "../../%s", start->place) >= sizeof(to))
		return -ENAMETOOLONG;
	r = bring_add_item(state, BROUGHT_LINK, path, to);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "bin/%s", name);
	return add_runner(state, path, &text);
}

static int add_static(struct bring_state *state, const char *name, const struct piece *piece)
{
	char path[NAME_MAX + 8], to[PATH_MAX];

	(void)snprintf(path, sizeof(path), "bin/%s", name);
	if ((size_t)snprintf(to, sizeof(to), "../%s", piece->place) >= sizeof(to))
		return -ENAMETOOLONG;
	return bring_add_item(state, BROUGHT_LINK, path, to);
}

int bring_add_program(struct bring_state *state, const char *name, struct piece *piece)
{
	int r = take_along(state, piece);

	if (r == 0)
		r = piece->needs || piece->interpreter ? add_started(state, name, piece)
						       : add_static(state, name, piece);
	return r < 0 ? bring_fail(state, -r, "make bin/%s", name) : 0;
}
