/* SPDX-License-Identifier: MIT
 *
 * What is brought, in order: the programs that were asked for, then the toolboxes', then the
 * interpreters of scripts. All is found before anything is put on the list.
 */
#include "lib/bring.h"

#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/grow.h"
#include "lib/bring_state.h"

enum { TOOLBOXES_MAX = 64, HOME_MAX = 128 };

void bring_done(struct bring *bring)
{
	for (size_t i = 0; i < bring->n; i++) {
		free(bring->items[i].path);
		free(bring->items[i].source);
		free(bring->items[i].bytes);
	}
	free(bring->items);
	for (size_t i = 0; i < bring->n_notes; i++)
		free(bring->notes[i]);
	free(bring->notes);
	*bring = (struct bring)BRING_INIT;
}

static void leave(void *data)
{
	(void)data; /* owned by the list of them */
}

static void state_done(struct bring_state *state)
{
	struct bring made = {state->items, state->n_items, state->notes, state->n_notes};

	bring_done(&made);
	tdestroy(state->names, leave);
	for (size_t i = 0; i < state->n_names; i++) {
		free(state->order[i]->text);
		free(state->order[i]);
	}
	free(state->order);
	tdestroy(state->places, leave);
	tdestroy(state->known, known_free);
	tdestroy(state->pieces, piece_free);
	for (size_t i = 0; i < state->n_toolboxes; i++)
		toolbox_done(&state->toolboxes[i]);
	free(state->toolboxes);
	free(state->implied);
	free(state->implied_names);
	ldcache_done(&state->cache);
}

int bring_fail(struct bring_state *state, int code, const char *format, ...)
{
	char text[sizeof(state->err->text)];
	va_list args;

	va_start(args, format);
	(void)format_safe_v(text, sizeof(text), format, args);
	va_end(args);
	return state->subject ? cj_fail(state->err, code, "bring \"%s\": %s", state->subject, text)
			      : cj_fail(state->err, code, "%s", text);
}

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return strcmp(x->text, y->text);
}

int bring_claim(struct bring_state *state, const char *name, struct piece *piece,
		struct piece **ret_owner)
{
	struct name wanted = {.text = strdup(name), .piece = piece}, *new;
	void *found;

	if (!wanted.text)
		return -ENOMEM;
	found = tfind(&wanted, &state->names, compare_names);
	if (found) {
		free(wanted.text);
		*ret_owner = (*(struct name **)found)->piece;
		return 0;
	}
	new = malloc(sizeof(*new));
	if (!new || state->n_names == BRING_NAMES_MAX ||
	    !array_grow((void **)&state->order, sizeof(struct name *), &state->names_room,
			state->n_names + 1)) {
		free(wanted.text);
		free(new);
		return state->n_names == BRING_NAMES_MAX
			       ? bring_fail(state, E2BIG, "more than %d programs", BRING_NAMES_MAX)
			       : -ENOMEM;
	}
	*new = wanted;
	state->order[state->n_names++] = new;
	*ret_owner = piece;
	return tsearch(new, &state->names, compare_names) ? 0 : -ENOMEM;
}

static int add_file(struct bring_state *state, const char *file)
{
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
	const struct known *known;
	struct piece *owner;
	int r;

	state->subject = file;
	r = bring_find_program(state, file, &known);
	if (r == 0)
		r = bring_prepare(state, known);
	if (r == 0)
		r = bring_claim(state, name, known->piece, &owner);
	if (r < 0)
		return bring_fail(state, -r, "take it");
	if (owner != known->piece)
		return bring_fail(state, EEXIST, "%s and %s want the same name", known->piece->path,
				  owner->path);
	return 0;
}

static int add_files(struct bring_state *state)
{
	const char *const *files = state->request->files;
	int r = 0;

	for (size_t i = 0; r == 0 && files && files[i]; i++)
		r = add_file(state, files[i]);
	return r;
}

static int add_directories(struct bring_state *state)
{
	const char *const *dirs = state->request->dirs;
	size_t n = 0;
	int r = 0;

	while (dirs && dirs[n])
		n++;
	if (n > TOOLBOXES_MAX)
		return cj_fail(state->err, E2BIG, "bring more than %d directories", TOOLBOXES_MAX);
	state->toolboxes = calloc(n + 1, sizeof(*state->toolboxes));
	if (!state->toolboxes)
		return cj_fail(state->err, ENOMEM, "bring directories");
	for (size_t i = 0; r == 0 && i < n; i++) {
		state->subject = dirs[i];
		r = bring_directory(state, dirs[i]);
	}
	return r;
}

/* A shell for a script that nobody asked for by itself: where the name is free. */
static int add_implied(struct bring_state *state)
{
	struct piece *owner;
	int r = 0;

	for (size_t i = 0; r == 0 && i < state->n_implied; i++) {
		state->subject = state->implied_names[i];
		r = bring_claim(state, state->implied_names[i], state->implied[i], &owner);
	}
	return r < 0 ? bring_fail(state, -r, "take it") : 0;
}

static int make_list(struct bring_state *state)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < state->n_names; i++) {
		state->subject = state->order[i]->text;
		r = bring_add_program(state, state->order[i]->text, state->order[i]->piece);
	}
	return r;
}

static int add_top(struct bring_state *state)
{
	static const char *const tops[] = {"bin", "files", "lib", "start", "dir"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ELEMENTS(tops); i++)
		r = bring_add_item(state, BROUGHT_DIRECTORY, tops[i], NULL);
	return r < 0 ? cj_fail(state->err, -r, "bring programs") : 0;
}

/* It becomes part of a path list, in which $ is expanded. */
static int check_home(const struct bring_request *request, struct cj_error *err)
{
	const char *home = request->home;

	if (!home || home[0] != '/' || strpbrk(home, ":;$\n") || strlen(home) > HOME_MAX)
		return cj_fail(err, EINVAL, "bring programs to \"%s\"", home ? home : "");
	return 0;
}

int bring_resolve(const struct bring_request *request, struct bring *ret, struct cj_error *err)
{
	struct cj_error none = CJ_ERROR_INIT;
	_cleanup_(state_done) struct bring_state state = {
		.request = request,
		.err = err ? err : &none,
		.cache = LDCACHE_INIT,
		.subject = "",
	};
	int r = check_home(request, state.err);

	if (r == 0)
		r = add_top(&state);
	if (r == 0)
		r = add_files(&state);
	if (r == 0)
		r = add_directories(&state);
	if (r == 0)
		r = add_implied(&state);
	if (r == 0)
		r = make_list(&state);
	if (r < 0)
		return r;
	*ret = (struct bring){state.items, state.n_items, state.notes, state.n_notes};
	state.items = NULL;
	state.n_items = 0;
	state.notes = NULL;
	state.n_notes = 0;
	return 0;
}
