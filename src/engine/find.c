/* SPDX-License-Identifier: MIT */
#include "engine/find.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "engine/shared.h"
#include "engine/verify.h"

/* A container may be restarted between an answer and a look at the process: then it's asked again. */
enum { TRIES = 3, MAX_HITS = 64, DEFAULT_TIMEOUT_MS = 2000 };

struct hit {
	struct container container;
	struct pidref ref;
};

struct search {
	const struct engine *only; /* NULL: all */
	struct engine_request request;
	struct engine_shared shared;
	struct sources sources;
	struct hit hits[MAX_HITS];
	size_t n_hits, n_found;
	struct container idle; /* the first one without a process */
	struct cj_error stale; /* the first one whose process wasn't its own */
};

static void search_done(struct search *search)
{
	for (size_t i = 0; i < search->n_hits; i++) {
		container_done(&search->hits[i].container);
		pidref_done(&search->hits[i].ref);
	}
	search->n_hits = search->n_found = 0;
	container_done(&search->idle);
	sources_done(&search->sources);
	engine_shared_done(&search->shared);
	search->stale = (struct cj_error)CJ_ERROR_INIT;
}

static void log_text(const struct cj_engine_options *options, const char *text)
{
	if (options->log)
		options->log(options->log_data, CJ_LOG_STEP, text);
}

static void describe_asking(const struct source *source, char *buf, size_t size)
{
	const struct cj_engine_options *options = source->request->options;
	int64_t timeout = options->timeout > 0 ? options->timeout : DEFAULT_TIMEOUT_MS;

	if (source->asking.code == ETIMEDOUT)
		(void)snprintf(buf, size, "%s: no answer within %" PRId64 " %s", source->address,
			       timeout % 1000 ? timeout : timeout / 1000,
			       timeout % 1000 ? "ms" : "s");
	else
		(void)snprintf(buf, size, "%s: %s", source->asking.text,
			       strerror(source->asking.code));
}

/* Which way was taken: a line a source. */
static void log_source(const struct source *source)
{
	const char *scheme = source->engine->scheme, *s = source->found.n == 1 ? "" : "s";
	char asking[512] = "", text[1024];

	if (source->asking.code)
		describe_asking(source, asking, sizeof(asking));
	switch (source->way) {
	case SOURCE_ASKED:
		(void)snprintf(text, sizeof(text), "%s: asked %s: %lu container%s", scheme,
			       source->address, (unsigned long)source->found.n, s);
		break;
	case SOURCE_READ:
		(void)snprintf(text, sizeof(text), "%s: %s%sread %s%s: %lu container%s", scheme,
			       asking, asking[0] ? "; " : "",
			       source->read_from ? source->read_from : "what is on disk",
			       asking[0] ? " instead" : "", (unsigned long)source->found.n, s);
		break;
	case SOURCE_FAILED:
		(void)snprintf(text, sizeof(text), "%s: %s%s%s", scheme, asking,
			       asking[0] ? "; " : "",
			       source->error.code == source->asking.code ? "nothing on disk"
									 : source->error.text);
		break;
	case SOURCE_NOBODY:
		(void)snprintf(text, sizeof(text), "%s: not here", scheme);
		break;
	}
	log_text(source->request->options, text);
}

/* A misspelt engine must not end in asking the usual sockets. */
static int check_sockets(const struct search *search, struct cj_error *err)
{
	const char *const *socket = search->request.options->sockets;

	for (; socket && *socket; socket++) {
		const char *equals = strchr(*socket, '=');
		const struct engine *engine =
			equals ? engine_by_scheme(*socket, (size_t)(equals - *socket)) : NULL;

		if (equals && **socket != '/' && (!engine || !engine->sources))
			return cj_fail(err, EINVAL, "ask at %s: there is no such engine", *socket);
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
		log_source(&search->sources.items[i]);
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

static int consider(struct search *search, const struct source *source, struct container *container,
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
		log_text(search->request.options, reason.text);
		/* It ended while no daemon was there to write that down. */
		if (r == -ESRCH && source->way == SOURCE_READ) {
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
	if (search->n_hits == MAX_HITS)
		return cj_fail(err, ENOTUNIQ, "find %s, which is the beginning of very many ids",
			       search->request.ref);
	hit->container = *container;
	*container = (struct container){.scheme = NULL};
	hit->ref = ref;
	ref = (struct pidref)PIDREF_INIT;
	search->n_hits++;
	return 0;
}

/* "docker:web (0123456789ab, process 4711)" behind what is in `list`; false: it's full. */
static bool list_one(const struct container *container, pid_t pid, char *list, size_t size)
{
	size_t n = strlen(list);
	bool both = container->id && container->name;
	char process[32] = "";
	char one[192];

	if (pid > 0)
		(void)snprintf(process, sizeof(process), "%sprocess %d", both ? ", " : "", pid);
	(void)snprintf(one, sizeof(one), " %s:%.60s%s%.12s%s%s", container->scheme,
		       container->name ? container->name : container->id,
		       both || pid > 0 ? " (" : "", both ? container->id : "", process,
		       both || pid > 0 ? ")" : "");
	if (n + strlen(one) + sizeof(" and more") > size) {
		(void)snprintf(list + n, size - n, " and more");
		return false;
	}
	(void)snprintf(list + n, size - n, "%s", one);
	return true;
}

static int fail_with_list(const struct search *search, const char *list, struct cj_error *err)
{
	cj_hint(err, "name one of them in full, or by its PID");
	return cj_fail(err, ENOTUNIQ, "find %s, of which there are several:%s", search->request.ref,
		       list);
}

static int fail_with_hits(const struct search *search, struct cj_error *err)
{
	char list[256] = "";

	for (size_t i = 0; i < search->n_hits; i++)
		if (!list_one(&search->hits[i].container, search->hits[i].ref.pid, list,
			      sizeof(list)))
			break;
	return fail_with_list(search, list, err);
}

static bool is_same(const struct container *a, const struct container *b)
{
	if (a->id && b->id)
		return strcmp(a->id, b->id) == 0;
	return a->pid > 0 && a->pid == b->pid;
}

/* One place has several of that name: whether they run doesn't make one of them more meant than others. */
static int check_single(const struct search *search, const struct containers *found,
			struct cj_error *err)
{
	char list[256] = "";
	bool several = false;

	for (size_t i = 1; i < found->n; i++)
		several = several || !is_same(&found->items[0], &found->items[i]);
	if (!several)
		return 0;
	for (size_t i = 0; i < found->n; i++)
		if (!list_one(&found->items[i], found->items[i].pid, list, sizeof(list)))
			break;
	return fail_with_list(search, list, err);
}

static int consider_all(struct search *search, struct cj_error *err)
{
	int r = 0;

	for (size_t i = 0; i < search->sources.n && r == 0; i++) {
		struct containers *found = &search->sources.items[i].found;

		r = check_single(search, found, err);
		for (size_t n = 0; n < found->n && r == 0; n++)
			r = consider(search, &search->sources.items[i], &found->items[n], err);
	}
	return r;
}

static int fail_with_idle(const struct search *search, struct cj_error *err)
{
	const struct container *idle = &search->idle;

	return cj_fail(err, ESHUTDOWN, "container %s is %s", idle->name ? idle->name : idle->id,
		       idle->state == CONTAINER_UNKNOWN || idle->state == CONTAINER_RUNNING
			       ? "without a process"
			       : container_state_name(idle->state));
}

/* Did one of its sources go this way? An engine without any source isn't here. */
static bool went(const struct search *search, const struct engine *engine, enum source_way way)
{
	bool any = false;

	for (size_t i = 0; i < search->sources.n; i++) {
		const struct source *source = &search->sources.items[i];

		if (source->engine != engine)
			continue;
		if (source->way == way)
			return true;
		any = true;
	}
	return !any && way == SOURCE_NOBODY && engine != &engine_k8s; /* cri speaks for it */
}

static void name_engines(const struct search *search, enum source_way way, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; engines[i]; i++)
		if (engines[i]->sources && (!search->only || engines[i] == search->only) &&
		    went(search, engines[i], way))
			n += format_safe(buf + n, size - n, "%s%s", n > 0 ? ", " : "",
					 engines[i]->scheme);
}

/* A failure of before is the failure now. */
static int fail_again(const struct cj_error *failure, struct cj_error *err)
{
	if (err)
		*err = *failure;
	return -failure->code;
}

/* A daemon that is there didn't tell, and what it keeps on disk may be less than it knows. */
static bool is_in_doubt(const struct search *search, const struct source **ret)
{
	for (size_t i = 0; i < search->sources.n; i++) {
		const struct source *source = &search->sources.items[i];
		int code = source->asking.code;

		if (source->way != SOURCE_READ || !code || code == ENOENT || code == ECONNREFUSED)
			continue;
		*ret = source;
		return true;
	}
	return false;
}

/* For a bare word: files that are none of the caller's; a socket that anybody may have made. */
static bool is_no_matter(const struct search *search, const struct source *source)
{
	return !search->only && !source->wanted &&
	       (source->error.code == EACCES || (source->address && source->address[0] == '@'));
}

/* Nobody has it. What failed is the likelier reason than what doesn't know it. */
static int fail_with_none(const struct search *search, struct cj_error *err)
{
	char asked[96], read[96], absent[96];
	const struct source *doubt;

	for (size_t i = 0; i < search->sources.n; i++) {
		const struct source *source = &search->sources.items[i];

		if (source->way != SOURCE_FAILED || source_is_foreign(source) ||
		    is_no_matter(search, source))
			continue;
		return fail_again(&source->error, err);
	}
	if (search->only && is_in_doubt(search, &doubt))
		return cj_fail(err, ESRCH,
			       "find \"%s\", which isn't on disk, and %s doesn't tell (%s: %s)",
			       search->request.ref, search->only->scheme, doubt->asking.text,
			       strerror(doubt->asking.code));
	name_engines(search, SOURCE_ASKED, asked, sizeof(asked));
	name_engines(search, SOURCE_READ, read, sizeof(read));
	name_engines(search, SOURCE_NOBODY, absent, sizeof(absent));
	if (search->only)
		return asked[0] || read[0]
			       ? cj_fail(err, ESRCH,
					 "find \"%s\": %s has no container of that name",
					 search->request.ref, search->only->scheme)
			       : cj_fail(err, ESRCH, "find \"%s\": there is no %s here",
					 search->request.ref, search->only->scheme);
	cj_hint(err,
		"a PID, a name of an engine's, or SCHEME:NAME, see conjoin(7); conjoin ps lists");
	return cj_fail(err, ESRCH, "find \"%s\", which is no PID; asked: %s%s%s; not here: %s",
		       search->request.ref, asked, asked[0] && read[0] ? ", " : "", read, absent);
}

/* 0, -EAGAIN: worth another try, or the failure. */
static int decide(struct search *search, struct pidref *ret, struct container *ret_container,
		  struct cj_error *err)
{
	struct hit *hit = &search->hits[0];

	if (search->n_hits > 1)
		return fail_with_hits(search, err);
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
		return fail_again(&search->stale, err);
	return search->idle.scheme ? fail_with_idle(search, err) : fail_with_none(search, err);
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
	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		r = ask(search, err);
		if (r == 0)
			r = consider_all(search, err);
		if (r == 0)
			r = decide(search, ret, ret_container, err);
		if (r == -EAGAIN && i == TRIES - 1)
			r = fail_again(&search->stale, err);
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
