/* SPDX-License-Identifier: MIT
 *
 * oci:ID, containers by what runc and crun keep of them in their state directories, those of docker,
 * containerd and users included. There is no daemon: only the disk. The whole id names a container, as
 * it does for the runtimes; else the beginning of it.
 */
#include <errno.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/state.h"
#include "sys/kin.h"
#include "sys/proc.h"

/* False: it has ended, whoever has its number now. */
static bool is_alive(const struct state *state)
{
	_cleanup_fd_ int proc = -EBADF;
	struct kin kin;

	return proc_open(state->pid, &proc, NULL) == 0 && kin_read(proc, &kin) == 0 && !kin.ended &&
	       kin.start == state->start;
}

static enum container_state judge(const struct state *state, bool alive)
{
	if (!alive)
		return CONTAINER_STOPPED;
	/* Whether it's paused is up to its cgroup, and not on record. */
	return state->created ? CONTAINER_CREATED : CONTAINER_RUNNING;
}

static int add(const struct state *state, void *data)
{
	struct source *source = data;
	bool alive = is_alive(state);
	struct container *container;
	int r;

	if (!source->request->ref && !alive)
		return 0;
	container = containers_add(&source->found);
	if (!container)
		return -ENOMEM;
	container->scheme = source->engine->scheme;
	container->state = judge(state, alive);
	container->pid = alive ? state->pid : 0;
	container->start = alive ? state->start : 0;
	container->owner = state->owner;
	r = container_set(&container->id, state->id);
	if (r == 0)
		r = container_set(&container->name, state->id);
	if (r == 0 && state->bundle[0])
		r = container_set(&container->bundle, state->bundle);
	return r;
}

/*
 * A bare word is mostly no id: it's looked for together with what begins so, and places are listed once.
 */
static int search_at_once(struct source *source, struct state_query *query)
{
	int r;

	query->prefix = source->request->ref;
	r = states_visit(query, add, source);
	if (r == 0 && source->found.n > 1)
		containers_match(&source->found, source->request->ref);
	return r;
}

static int search(struct source *source, struct state_query *query)
{
	const char *ref = source->request->ref;
	int r;

	if (ref && source->request->bare)
		return search_at_once(source, query);
	query->id = ref;
	r = states_visit(query, add, source);
	if (r < 0 || !ref || source->found.n > 0)
		return r;
	query->id = NULL;
	query->prefix = ref;
	return states_visit(query, add, source);
}

static int look(struct source *source, struct cj_error *err)
{
	_cleanup_free_ struct state_user *users = NULL;
	struct state_query query = STATE_QUERY_INIT;
	size_t n;
	int r = state_users_new(source->request, &users, &n);

	if (r < 0)
		return r;
	query.request = source->request;
	query.layouts = STATE_BIT(STATE_RUNC) | STATE_BIT(STATE_CRUN);
	query.users = users;
	query.n_users = n;
	r = search(source, &query);
	state_users_done(users, n);
	if (r == 0 && source->found.n == 0 && query.unreadable)
		return cj_fail(err, query.unreadable, "read %s", query.unreadable_path);
	if (r == 0)
		r = source_read_from(source, "the records of runc and crun");
	return r == 0 && source->found.n == 0 && !query.present ? -ENOENT : r;
}

static const struct source_type disk = {.look = look};

static int add_sources(const struct engine_request *request, struct sources *sources,
		       struct cj_error *err)
{
	if (request->ref && !container_id_is_valid(request->ref))
		return request->bare ? 0
				     : cj_fail(err, EINVAL,
					       "find \"%s\", which can't be an id of runc or crun",
					       request->ref);
	return sources_add(sources, &disk, &engine_oci, request, NULL, 0);
}

const struct engine engine_oci = {.scheme = "oci", .sources = add_sources};
