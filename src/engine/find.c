/* SPDX-License-Identifier: MIT */
#include "engine/find.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/cgroup_scan.h"
#include "engine/engine.h"
#include "engine/search.h"
#include "engine/users.h"
#include "engine/verify.h"

/* A container may be restarted between an answer and a look at the process: then it's asked again. */
enum { TRIES = 3 };

static void search_done(struct search *search)
{
	int64_t foreign_until;

	for (size_t i = 0; i < search->n_hits; i++) {
		container_done(&search->hits[i].container);
		pidref_done(&search->hits[i].ref);
	}
	search->n_hits = 0;
	container_done(&search->idle);
	sources_done(&search->sources);
	/* Another try has what is left of users' time. */
	foreign_until = search->shared.foreign_until;
	engine_shared_done(&search->shared);
	search->shared.foreign_until = foreign_until;
	search->stale = (struct cj_error)CJ_ERROR_INIT;
}

/* A misspelt engine must not end in asking the usual sockets. */
static int check_sockets(const struct search *search, struct cj_error *err)
{
	const char *const *socket = search->request.options->sockets;

	for (; socket && *socket; socket++) {
		const char *equals = strchr(*socket, '=');
		const struct engine *engine =
			equals ? engine_by_scheme(*socket, (size_t)(equals - *socket)) : NULL;

		if (equals && **socket != '/' && (!engine || !engine->listens))
			return cj_fail(err, EINVAL,
				       "ask at %s: no engine of that name has a socket", *socket);
		if (!equals && search->only && !search->only->listens)
			return cj_fail(err, EINVAL, "ask %s at %s: it has no socket",
				       search->only->scheme, *socket);
		if ((!equals || **socket == '/') && !search->only)
			return cj_fail(err, EINVAL, "ask at %s: of which engine? ENGINE=PATH says",
				       *socket);
	}
	return 0;
}

static int ask(struct search *search, struct cj_error *err)
{
	const struct engine *const *engine = engines;
	int r = check_sockets(search, err);

	if (r == 0 && search->only)
		r = search->only->sources(&search->request, &search->sources, err);
	for (; !search->only && *engine && r == 0; engine++)
		if ((*engine)->sources)
			r = (*engine)->sources(&search->request, &search->sources, err);
	if (r == -ENOMEM)
		return cj_fail(err, ENOMEM, "ask engines");
	if (r == 0)
		r = sources_run(&search->sources, err);
	for (size_t i = 0; r == 0 && i < search->sources.n; i++)
		search_log_source(search, &search->sources.items[i]);
	return r;
}

static bool may_run(const struct container *container)
{
	return container->pid > 0 &&
	       (container->state == CONTAINER_RUNNING || container->state == CONTAINER_PAUSED ||
		container->state == CONTAINER_UNKNOWN);
}

/* The engine that stands first in the table names what several know. */
static bool is_known(struct search *search, struct container *container, const struct pidref *ref)
{
	for (size_t i = 0; i < search->n_hits; i++) {
		struct hit *hit = &search->hits[i];

		if (hit->ref.pid != ref->pid || hit->ref.id != ref->id)
			continue;
		if (engine_rank(container->scheme) < engine_rank(hit->container.scheme)) {
			struct container other = hit->container;

			hit->container = *container;
			*container = other;
		}
		container_complete(&hit->container, container);
		return true;
	}
	return false;
}

static void note_idle(struct search *search, struct container *container)
{
	if (search->idle.scheme)
		return;
	search->idle = *container;
	*container = (struct container){.scheme = NULL};
}

static int consider(struct search *search, enum source_way way, struct container *container,
		    struct cj_error *err)
{
	_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;
	struct cj_error reason = CJ_ERROR_INIT;
	struct hit *hit = &search->hits[search->n_hits];
	int r;

	if (!may_run(container)) {
		note_idle(search, container);
		return 0;
	}
	r = container_open(container, &ref, &reason);
	if (r < 0) {
		search_log(search, reason.text);
		/* It ended while no daemon was there to write that down. */
		if (r == -ESRCH && way == SOURCE_READ) {
			container->state = CONTAINER_STOPPED;
			note_idle(search, container);
			return 0;
		}
		if (!search->stale.code)
			search->stale = reason;
		return 0;
	}
	if (is_known(search, container, &ref))
		return 0;
	if (search->n_hits == SEARCH_HITS_MAX)
		return cj_fail(err, ENOTUNIQ, "find %s, which is the beginning of very many ids",
			       search->request.ref);
	hit->container = *container;
	*container = (struct container){.scheme = NULL};
	hit->ref = ref;
	ref = (struct pidref)PIDREF_INIT;
	search->n_hits++;
	return 0;
}

static bool is_same(const struct container *a, const struct container *b)
{
	if (a->id && b->id)
		return strcmp(a->id, b->id) == 0;
	return a->pid > 0 && a->pid == b->pid;
}

/* How a word names a container; the lower, the more it's meant. */
enum meaning { BY_ID, BY_NAME, BY_PREFIX };

static bool has_part(const char *name, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = name; (at = strstr(at, word)); at++)
		if ((at == name || at[-1] == '/') && (!at[length] || at[length] == '/'))
			return true;
	return false;
}

/* What has the word for the beginning of its id alone; all else the engine has found in its own manner. */
static enum meaning meaning_of(const struct container *container, const char *ref)
{
	if (container->id && strcmp(container->id, ref) == 0)
		return BY_ID;
	if (container_id_begins_with(container->id, ref) &&
	    !(container->name && has_part(container->name, ref)))
		return BY_PREFIX;
	return BY_NAME;
}

/* Whose containers count: others' only where the system and the caller have none that could be meant. */
enum whose { OURS, OTHERS };

static bool is_of(const struct container *container, enum whose whose)
{
	return users_is_foreign(container->owner) == (whose == OTHERS);
}

/* Walks over what was found, of `whose`, from `*i` and `*n` on; NULL: that was all. */
static struct container *next_found(const struct search *search, enum whose whose, size_t *i,
				    size_t *n)
{
	for (; *i < search->sources.n; (*i)++, *n = 0) {
		const struct containers *found = &search->sources.items[*i].found;

		for (; *n < found->n; (*n)++)
			if (found->items[*n].scheme && is_of(&found->items[*n], whose))
				return &found->items[(*n)++];
	}
	return NULL;
}

static enum meaning best_meaning(const struct search *search, enum whose whose)
{
	enum meaning best = BY_PREFIX;
	struct container *container;
	size_t i = 0, n = 0;

	while ((container = next_found(search, whose, &i, &n)))
		if (meaning_of(container, search->request.ref) < best)
			best = meaning_of(container, search->request.ref);
	return best;
}

/*
 * One engine has several of that name: whether they run doesn't make one of them more meant than others.
 * What users' engines tell may be anything: there it's what turns out to run that counts, if one may.
 */
static int check_single(const struct search *search, const struct containers *found,
			enum whose whose, enum meaning best, struct cj_error *err)
{
	const struct container *first = NULL;
	bool several = false;

	for (size_t i = 0; i < found->n; i++) {
		const struct container *container = &found->items[i];

		if (!is_of(container, whose) || meaning_of(container, search->request.ref) > best)
			continue;
		if (whose == OTHERS && may_run(container))
			return 0;
		if (first)
			several = several || !is_same(first, container);
		else
			first = container;
	}
	return several ? search_fail_with_several(search, found, err) : 0;
}

static int consider_those_of(struct search *search, enum whose whose, struct cj_error *err)
{
	enum meaning best = best_meaning(search, whose);
	struct container *container;
	size_t i = 0, n = 0;
	int r = 0;

	for (size_t k = 0; k < search->sources.n && r == 0; k++)
		r = check_single(search, &search->sources.items[k].found, whose, best, err);
	while (r == 0 && (container = next_found(search, whose, &i, &n)))
		if (meaning_of(container, search->request.ref) <= best)
			r = consider(search, search->sources.items[i].way, container, err);
	return r;
}

static bool all_were_asked(const struct search *search)
{
	for (size_t i = 0; i < search->sources.n; i++)
		if (search->sources.items[i].way != SOURCE_ASKED)
			return false;
	return search->sources.n > 0;
}

/* No daemon, and nothing on disk where it should be: cgroups still tell ids, which ps shows. */
static int look_at_cgroups(const struct search *search, struct containers *found,
			   struct cj_error *err)
{
	const char *scheme = search->only ? search->only->scheme : NULL;
	int r;

	if (!cgroup_scan_may_find(scheme, search->request.ref) || all_were_asked(search))
		return 0;
	r = cgroup_scan(scheme, search->request.ref, found);
	return r < 0 ? cj_fail(err, -r, "look at the cgroups of all processes") : 0;
}

static int consider_cgroups_of(struct search *search, enum whose whose, struct containers *found,
			       struct cj_error *err)
{
	int r = check_single(search, found, whose, BY_PREFIX, err);

	for (size_t i = 0; i < found->n && r == 0; i++) {
		struct container *container = &found->items[i];

		if (!is_of(container, whose))
			continue;
		if (search->n_hits == 0)
			search_log(search,
				   "no engine tells: read the cgroups of all processes instead");
		r = consider(search, SOURCE_READ, container, err);
	}
	return r;
}

/* What the system's engines don't tell of may be among it. */
static int check_source(const struct search *search, const struct source *source,
			const struct container *container, struct cj_error *err)
{
	char why[256];

	if (source->way != SOURCE_FAILED || source_is_foreign(source) ||
	    search_is_no_matter(search, source))
		return 0;
	(void)snprintf(why, sizeof(why), "%s can't tell (%.200s)", source->engine->scheme,
		       source->error.text);
	return search_fail_with_others(search, container, why, err);
}

/* Nobody answers and nothing is on disk, but containers of root's that the engine has started still run. */
static int check_untold(const struct search *search, const struct container *container,
			struct cj_error *err)
{
	_cleanup_(containers_done) struct containers found = CONTAINERS_INIT;
	char why[256];
	int r = cgroup_scan(container->scheme, NULL, &found);

	if (r < 0)
		return cj_fail(err, -r, "look at the cgroups of all processes");
	for (size_t i = 0; i < found.n; i++)
		if (is_of(&found.items[i], OURS)) {
			(void)snprintf(why, sizeof(why),
				       "nobody tells the names of %s's containers of the system",
				       container->scheme);
			return search_fail_with_others(search, container, why, err);
		}
	return 0;
}

/* A user's container is the one that is meant only where it's known that the system has none of that name. */
static int check_system_told(const struct search *search, struct cj_error *err)
{
	const struct container *container;
	uint32_t checked = 0; /* 1 << engine_rank(): what is asked is asked of the engine */
	size_t i = 0, n = 0;
	int r = 0;

	while (r == 0 && (container = next_found(search, OTHERS, &i, &n))) {
		uint32_t engine = UINT32_C(1) << engine_rank(container->scheme);
		bool told = false;

		if (checked & engine)
			continue;
		checked |= engine;
		for (size_t k = 0; k < search->sources.n && r == 0; k++) {
			const struct source *source = &search->sources.items[k];

			r = check_source(search, source, container, err);
			told |= !source_is_foreign(source) &&
				strcmp(source->engine->scheme, container->scheme) == 0 &&
				(source->way == SOURCE_ASKED || source->way == SOURCE_READ);
		}
		if (r == 0 && !told)
			r = check_untold(search, container, err);
	}
	return r;
}

static bool is_open(const struct search *search)
{
	return search->n_hits == 0 && !search->idle.scheme && !search->stale.code;
}

/* What users could make up comes last, whichever way it's told. */
static int consider_all(struct search *search, struct cj_error *err)
{
	_cleanup_(containers_done) struct containers scanned = CONTAINERS_INIT;
	int r = consider_those_of(search, OURS, err);

	if (r == 0 && is_open(search))
		r = look_at_cgroups(search, &scanned, err);
	if (r == 0 && is_open(search))
		r = consider_cgroups_of(search, OURS, &scanned, err);
	if (r == 0 && is_open(search))
		r = check_system_told(search, err);
	if (r == 0 && is_open(search))
		r = consider_those_of(search, OTHERS, err);
	if (r == 0 && is_open(search))
		r = consider_cgroups_of(search, OTHERS, &scanned, err);
	return r;
}

/* 0, -EAGAIN: worth another try, or the failure. */
static int decide(struct search *search, struct pidref *ret, struct container *ret_container,
		  struct cj_error *err)
{
	struct hit *hit = &search->hits[0];

	if (search->n_hits > 1)
		return search_fail_with_hits(search, err);
	if (search->n_hits == 1) {
		*ret = hit->ref;
		*ret_container = hit->container;
		hit->ref = (struct pidref)PIDREF_INIT;
		hit->container = (struct container){.scheme = NULL};
		return 0;
	}
	if (search->stale.code == ESRCH)
		return -EAGAIN;
	if (search->stale.code)
		return search_fail_again(&search->stale, err);
	return search->idle.scheme ? search_fail_with_idle(search, err)
				   : search_fail_with_none(search, err);
}

int engines_find(const struct engine *engine, const char *ref,
		 const struct cj_engine_options *options, struct pidref *ret,
		 struct container *ret_container, struct cj_error *err)
{
	_cleanup_free_ struct search *search = calloc(1, sizeof(*search));
	int r = -EAGAIN;

	if (!search)
		return cj_fail(err, ENOMEM, "find %s", ref);
	search->only = engine;
	search->request = (struct engine_request){.options = options,
						  .ref = ref,
						  .bare = !engine,
						  .root = "",
						  .shared = &search->shared};
	search->request.until = clock_ms() + engine_time(options);
	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		r = ask(search, err);
		if (r == 0)
			r = consider_all(search, err);
		if (r == 0)
			r = decide(search, ret, ret_container, err);
		if (r == -EAGAIN && i == TRIES - 1)
			r = search_fail_again(&search->stale, err);
		search_done(search);
	}
	return r;
}

int engines_list(const struct cj_engine_options *options, struct containers *ret,
		 struct cj_error *err)
{
	_cleanup_free_ struct search *search = calloc(1, sizeof(*search));
	int r;

	if (!search)
		return cj_fail(err, ENOMEM, "list containers");
	search->request =
		(struct engine_request){.options = options, .root = "", .shared = &search->shared};
	r = ask(search, err);
	for (size_t i = 0; i < search->sources.n && r == 0; i++)
		if (containers_move(ret, &search->sources.items[i].found) < 0)
			r = cj_fail(err, ENOMEM, "list containers");
	search_done(search);
	return r;
}
