/* SPDX-License-Identifier: MIT
 *
 * Records of runtimes, searched by id and, failing that, one container after the other.
 * Not here: where they lie and what they say (engine/state.h).
 */
#include "lib/bundle.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/state.h"
#include "sys/namespace.h"
#include "sys/proc.h"

/* What cgroup drivers put before an id; behind it comes ".scope". Longer ones first. */
static const char *const prefixes[] = {
	"cri-containerd-", "libpod-", "docker-", "crio-", "nerdctl-", "runc-", "crun-",
};

enum { MAX_IDS = 64 }; /* distinct components of all cgroup paths; beyond them is the scan */

/* How well the init process of a container matches the target. */
enum match { MATCH_NONE, MATCH_PID_NS, MATCH_BOTH };

struct search {
	const struct bundle_query *query;
	uint64_t host_pid_ns, host_mnt_ns;
	struct cj_engine_options options;
	struct engine_request request;
	struct state_query states;
	struct state_user owner;	 /* of the target's user namespace */
	char ids[MAX_IDS][NAME_MAX + 1]; /* tried already */
	size_t n_ids;

	/* The best container of a scan. */
	enum match best;
	bool ambiguous;
	struct state state;
};

static int search_init(struct search *search, struct cj_error *err)
{
	_cleanup_fd_ int own = -EBADF, target = -EBADF, user = -EBADF;
	pid_t pid = search->query->pid;
	struct namespaces host;
	int kind, r;

	r = proc_open(0, &own, err);
	if (r < 0)
		return r;
	r = namespaces_read(own, &host, &kind);
	if (r < 0)
		return cj_fail(err, -r, "read our own namespaces");
	search->host_pid_ns = host.inode[NAMESPACE_PID];
	search->host_mnt_ns = host.inode[NAMESPACE_MNT];

	r = proc_open(pid, &target, err);
	if (r < 0)
		return r;
	search->options = (struct cj_engine_options)CJ_ENGINE_OPTIONS_INIT;
	search->request = (struct engine_request){
		.options = &search->options,
		.root = search->query->root ? search->query->root : "",
	};
	search->states = (struct state_query){.request = &search->request,
					      .users = &search->owner,
					      .layouts = STATE_ANY_LAYOUT};
	search->owner = (struct state_user)STATE_USER_INIT;
	/* Without the right to look there, or without user namespaces: no rootless containers. */
	user = namespace_open(target, NAMESPACE_USER);
	search->states.n_users = user >= 0 && namespace_owner(user, &search->owner.uid) == 0;
	return 0;
}

/*
 * Is the init process of a found state the one on record, and does the target live with it? In the
 * host's pid namespace everybody lives, so there only the mount namespace says something.
 */
static enum match match_state(const struct search *search, const struct state *state)
{
	_cleanup_fd_ int proc = -EBADF;
	struct namespaces of;
	uint64_t start;
	bool same_mnt;
	int kind;

	if (proc_open(state->pid, &proc, NULL) < 0)
		return MATCH_NONE;
	/* All through one fd: the namespaces read belong to the process with that start time. */
	if (state->has_start && (proc_read_start_time(proc, &start) < 0 || start != state->start))
		return MATCH_NONE;
	if (namespaces_read(proc, &of, &kind) < 0 ||
	    of.inode[NAMESPACE_PID] != search->query->pid_ns)
		return MATCH_NONE;
	same_mnt = of.inode[NAMESPACE_MNT] == search->query->mnt_ns;
	if (search->query->pid_ns == search->host_pid_ns)
		return same_mnt ? MATCH_BOTH : MATCH_NONE;
	return same_mnt ? MATCH_BOTH : MATCH_PID_NS;
}

static int visit_by_id(const struct state *state, void *data)
{
	struct search *search = data;

	search->state = *state;
	search->best = match_state(search, state);
	return search->best != MATCH_NONE;
}

/* The same container may have directories of several programs: it's one if the init process is. */
static int visit_in_scan(const struct state *state, void *data)
{
	struct search *search = data;
	enum match match = match_state(search, state);

	if (match == MATCH_NONE || match < search->best)
		return 0;
	if (match == search->best && search->state.pid == state->pid)
		return 0;
	search->ambiguous = match == search->best;
	search->best = match;
	search->state = *state;
	return 0;
}

/* One word that could be an id; 1 if it is, of the target's container. */
static int try_id(struct search *search, const char *id)
{
	if (!container_id_is_valid(id))
		return 0;
	for (size_t i = 0; i < search->n_ids; i++)
		if (strcmp(search->ids[i], id) == 0)
			return 0;
	if (search->n_ids == MAX_IDS)
		return 0;
	(void)snprintf(search->ids[search->n_ids++], sizeof(search->ids[0]), "%s", id);
	search->states.id = id;
	return states_visit(&search->states, visit_by_id, search);
}

/* "docker-ID.scope", "libpod-ID", "ID" */
static int try_component(struct search *search, const char *component, size_t length)
{
	static const char suffix[] = ".scope";
	char name[NAME_MAX + 1];
	size_t n;
	int r;

	if (length > NAME_MAX)
		return 0;
	memcpy(name, component, length);
	name[length] = '\0';
	r = try_id(search, name);
	if (length > strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0)
		name[length - strlen(suffix)] = '\0';
	for (size_t i = 0; i < ELEMENTS(prefixes) && r == 0; i++) {
		n = strlen(prefixes[i]);
		if (strncmp(name, prefixes[i], n) == 0)
			r = try_id(search, name + n);
	}
	return r;
}

/* The deepest first: containers may run in containers, and a container may have made cgroups. */
static int try_cgroup_path(struct search *search, const char *path)
{
	size_t end = strlen(path);
	int r = 0;

	while (end > 0 && r == 0) {
		size_t begin = end;

		while (begin > 0 && path[begin - 1] != '/')
			begin--;
		if (begin < end)
			r = try_component(search, path + begin, end - begin);
		end = begin > 0 ? begin - 1 : 0;
	}
	return r;
}

static int find_container(struct search *search)
{
	const struct bundle_query *query = search->query;

	/* Not in a container, as far as we can see. */
	if (query->pid_ns == search->host_pid_ns && query->mnt_ns == search->host_mnt_ns)
		return -ENODATA;
	for (size_t i = 0; i < query->n_cgroup_paths; i++)
		if (try_cgroup_path(search, query->cgroup_paths[i]) > 0)
			return 0;
	search->best = MATCH_NONE;
	search->states.id = NULL;
	(void)states_visit(&search->states, visit_in_scan, search);
	return search->best == MATCH_NONE || search->ambiguous ? -ENODATA : 0;
}

int bundle_find(const struct bundle_query *query, struct bundle *ret, struct cj_error *err)
{
	_cleanup_free_ struct search *search = calloc(1, sizeof(*search));
	int r;

	if (!search)
		return cj_fail(err, ENOMEM, "find the container of process %d", query->pid);
	search->query = query;
	r = search_init(search, err);
	if (r < 0)
		return r;
	r = find_container(search);
	state_users_done(&search->owner, 1);
	if (r < 0)
		return cj_fail(err, -r, "find the container of process %d: %s", query->pid,
			       search->ambiguous ? "it could be several"
						 : "none of a runtime that we know");
	r = state_read_config(&search->state, &ret->config, ret->path, err);
	if (r == 0)
		(void)snprintf(ret->id, sizeof(ret->id), "%s", search->state.id);
	return r;
}

void bundle_done(struct bundle *bundle)
{
	if (!bundle)
		return;
	bytes_done(&bundle->config);
	*bundle = (struct bundle)BUNDLE_INIT;
}
