/* SPDX-License-Identifier: MIT */
#include "engine/search.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"

void search_log(const struct search *search, const char *text)
{
	const struct cj_engine_options *options = search->request.options;
	char line[1024];

	if (!options->log)
		return;
	/* One line it's promised to be, whatever a socket is called. */
	(void)snprintf(line, sizeof(line), "%s", text);
	for (char *at = line; *at; at++)
		if (*at == '\n' || *at == '\r')
			*at = ' ';
	options->log(options->log_data, CJ_LOG_STEP, line);
}

static void describe_asking(const struct source *source, char *buf, size_t size)
{
	int64_t timeout = source_time(source);

	if (source->asking.code == ETIMEDOUT)
		(void)snprintf(buf, size, "%s: no answer within %" PRId64 " %s", source->address,
			       timeout % 1000 ? timeout : timeout / 1000,
			       timeout % 1000 ? "ms" : "s");
	else
		(void)snprintf(buf, size, "%s: %s", source->asking.text,
			       strerror(source->asking.code));
}

/* A line a source. */
void search_log_source(const struct search *search, const struct source *source)
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
		if (source->error.code == source->asking.code)
			(void)snprintf(text, sizeof(text), "%s: %s; nothing on disk", scheme,
				       asking);
		else
			(void)snprintf(text, sizeof(text), "%s: %s%s%s: %s", scheme, asking,
				       asking[0] ? "; " : "", source->error.text,
				       strerror(source->error.code));
		break;
	case SOURCE_NOBODY:
		(void)snprintf(text, sizeof(text), "%s: not here", scheme);
		break;
	}
	search_log(search, text);
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

int search_fail_with_hits(const struct search *search, struct cj_error *err)
{
	char list[256] = "";

	for (size_t i = 0; i < search->n_hits; i++)
		if (!list_one(&search->hits[i].container, search->hits[i].ref.pid, list,
			      sizeof(list)))
			break;
	return fail_with_list(search, list, err);
}

int search_fail_with_several(const struct search *search, const struct containers *found,
			     struct cj_error *err)
{
	char list[256] = "";

	for (size_t i = 0; i < found->n; i++)
		if (!list_one(&found->items[i], found->items[i].pid, list, sizeof(list)))
			break;
	return fail_with_list(search, list, err);
}

int search_fail_with_idle(const struct search *search, struct cj_error *err)
{
	const struct container *idle = &search->idle;

	return cj_fail(err, ESHUTDOWN, "%s %s is %s",
		       strcmp(idle->scheme, "unit") == 0 ? "unit" : "container",
		       idle->name ? idle->name : idle->id,
		       idle->state == CONTAINER_UNKNOWN || idle->state == CONTAINER_RUNNING
			       ? "without a process"
			       : container_state_name(idle->state));
}

int search_fail_with_others(const struct search *search, const struct container *container,
			    const char *why, struct cj_error *err)
{
	char list[256] = "";

	(void)list_one(container, container->pid, list, sizeof(list));
	cj_hint(err, "if that's the one, name it by its PID");
	return cj_fail(err, ENOTUNIQ, "find %s: only user %u is known to have one,%s, but %s",
		       search->request.ref, container->owner, list, why);
}

/* The best way that one of its sources went; an engine without any source isn't here. */
static bool went(const struct search *search, const struct engine *engine, enum source_way way)
{
	static const enum source_way ways[] = {SOURCE_ASKED, SOURCE_READ, SOURCE_FAILED,
					       SOURCE_NOBODY};
	bool any[ELEMENTS(ways)] = {false};
	size_t best = 0;

	for (size_t i = 0; i < search->sources.n; i++)
		if (search->sources.items[i].engine == engine)
			any[search->sources.items[i].way] = true;
	while (best < ELEMENTS(ways) && !any[ways[best]])
		best++;
	if (best < ELEMENTS(ways))
		return ways[best] == way;
	/* For k8s cri speaks, and a unit is only asked for with its suffix. */
	return way == SOURCE_NOBODY && engine != &engine_k8s && engine != &engine_unit;
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

int search_fail_again(const struct cj_error *failure, struct cj_error *err)
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

		if (source->way != SOURCE_READ || source_is_foreign(source) || !code ||
		    code == ENOENT || code == ECONNREFUSED)
			continue;
		*ret = source;
		return true;
	}
	return false;
}

bool search_is_no_matter(const struct search *search, const struct source *source)
{
	return !search->only && !source->wanted &&
	       (source->error.code == EACCES || (source->address && source->address[0] == '@'));
}

/* Nobody has it. What failed is the likelier reason than what doesn't know it. */
int search_fail_with_none(const struct search *search, struct cj_error *err)
{
	char asked[96], read[96], absent[96], failed[96];
	const struct source *doubt;

	for (size_t i = 0; i < search->sources.n; i++) {
		const struct source *source = &search->sources.items[i];

		if (source->way != SOURCE_FAILED || source_is_foreign(source) ||
		    search_is_no_matter(search, source))
			continue;
		return search_fail_again(&source->error, err);
	}
	if (search->only && is_in_doubt(search, &doubt))
		return cj_fail(err, ENOTNAM,
			       "find \"%s\", which isn't on disk, and %s doesn't tell (%s: %s)",
			       search->request.ref, search->only->scheme, doubt->asking.text,
			       strerror(doubt->asking.code));
	name_engines(search, SOURCE_ASKED, asked, sizeof(asked));
	name_engines(search, SOURCE_READ, read, sizeof(read));
	name_engines(search, SOURCE_NOBODY, absent, sizeof(absent));
	name_engines(search, SOURCE_FAILED, failed, sizeof(failed));
	if (search->only)
		return cj_fail(err, ENOTNAM,
			       asked[0] || read[0] ? "%s knows nothing called \"%s\""
						   : "there is no %s here that could know \"%s\"",
			       search->only->scheme, search->request.ref);
	cj_hint(err,
		"a PID, a name of an engine's, or SCHEME:NAME, see conjoin(7); conjoin ps lists");
	return cj_fail(err, ENOTNAM,
		       "find \"%s\", which is no PID; asked: %s%s%s%s%s; not here: %s",
		       search->request.ref, asked, asked[0] && read[0] ? ", " : "", read,
		       failed[0] ? "; can't tell: " : "", failed, absent);
}
