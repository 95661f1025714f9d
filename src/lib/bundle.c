/* SPDX-License-Identifier: MIT
 *
 * Directories of runtimes, searched by id and, failing that, one container after the other.
 * Not here: which files a runtime keeps in a container's directory (bundle_state.h).
 */
#include "lib/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "lib/bundle_state.h"
#include "sys/namespace.h"
#include "sys/proc.h"

/*
 * Where container directories lie. "%u" is the uid that owns the target's user namespace; a nested
 * place has one more level, that of containerd's namespaces, in between.
 */
static const struct place {
	const char *path;
	enum bundle_layout layout;
	enum { PLAIN, NESTED } depth;
} places[] = {
	{"/run/runc", BUNDLE_RUNC, PLAIN},
	{"/run/crun", BUNDLE_CRUN, PLAIN},
	{"/run/docker/runtime-runc", BUNDLE_RUNC, NESTED},
	{"/run/containerd/runc", BUNDLE_RUNC, NESTED},
	{"/run/containerd/io.containerd.runtime.v2.task", BUNDLE_CONTAINERD, NESTED},
	{"/run/docker/containerd/daemon/io.containerd.runtime.v2.task", BUNDLE_CONTAINERD, NESTED},
	{"/run/containers/storage/overlay-containers", BUNDLE_PODMAN, PLAIN},
	{"/run/user/%u/runc", BUNDLE_RUNC, PLAIN},
	{"/run/user/%u/crun", BUNDLE_CRUN, PLAIN},
	{"/run/user/%u/containers/overlay-containers", BUNDLE_PODMAN, PLAIN},
};

/* What cgroup drivers put before an id; behind it comes ".scope". Longer ones first. */
static const char *const prefixes[] = {
	"cri-containerd-", "libpod-", "docker-", "crio-", "nerdctl-", "runc-", "crun-",
};

enum {
	MAX_IDS = 64,	     /* distinct components of all cgroup paths; beyond them is the scan */
	MAX_ENTRIES = 16384, /* of a scan */
};

/* How well the init process of a container matches the target. */
enum match { MATCH_NONE, MATCH_PID_NS, MATCH_BOTH };

struct search {
	const struct bundle_query *query;
	const char *root;
	uint64_t host_pid_ns, host_mnt_ns;
	uid_t owner; /* of the target's user namespace */
	bool has_owner;
	char ids[MAX_IDS][NAME_MAX + 1]; /* tried already */
	size_t n_ids;
	size_t n_entries;

	/* The best container of a scan. */
	enum match best;
	bool ambiguous;
	struct bundle_state state;
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
	/* Without the right to look there, or without user namespaces: no rootless containers. */
	user = namespace_open(target, NAMESPACE_USER);
	search->has_owner = user >= 0 && namespace_owner(user, &search->owner) == 0;
	return 0;
}

/*
 * Is the init process of a found state the one on record, and does the target live with it? In the
 * host's pid namespace everybody lives, so there only the mount namespace says something.
 */
static enum match match_state(const struct search *search, const struct bundle_state *state)
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

/*
 * What is done with each container directory that was found: 1 ends the search, 0 goes on.
 * `directory` is `place`'s or, in a nested one, that of a containerd namespace.
 */
typedef int (*visit_fn)(struct search *search, enum bundle_layout layout, const char *directory,
			const char *id);

static int visit_by_id(struct search *search, enum bundle_layout layout, const char *directory,
		       const char *id)
{
	if (bundle_state_read(layout, search->root, directory, id, &search->state) < 0)
		return 0;
	search->best = match_state(search, &search->state);
	return search->best != MATCH_NONE;
}

/* The same container may have directories of several programs: it's one if the init process is. */
static int visit_in_scan(struct search *search, enum bundle_layout layout, const char *directory,
			 const char *id)
{
	struct bundle_state state;
	enum match match;

	if (bundle_state_read(layout, search->root, directory, id, &state) < 0)
		return 0;
	match = match_state(search, &state);
	if (match == MATCH_NONE || match < search->best)
		return 0;
	if (match == search->best && search->state.pid == state.pid)
		return 0;
	search->ambiguous = match == search->best;
	search->best = match;
	search->state = state;
	return 0;
}

/* Names in a directory that may be ids: each of them, or `only` that one. */
static int visit_directory(struct search *search, enum bundle_layout layout, const char *directory,
			   visit_fn visit)
{
	_cleanup_dir_ DIR *dir = opendir(directory);
	const struct dirent *entry;
	int r = 0;

	while (dir && r == 0 && (entry = readdir(dir)))
		if (bundle_id_is_valid(entry->d_name) && search->n_entries++ < MAX_ENTRIES)
			r = visit(search, layout, directory, entry->d_name);
	return r;
}

static int visit_one_or_all(struct search *search, enum bundle_layout layout, const char *directory,
			    const char *id)
{
	return id ? visit_by_id(search, layout, directory, id)
		  : visit_directory(search, layout, directory, visit_in_scan);
}

/* The containers of one place: that with the id, or all when it's NULL. */
static int visit_place(struct search *search, const struct place *place, const char *id)
{
	char path[PATH_MAX / 2], nested[PATH_MAX];
	const char *user = strstr(place->path, "%u");
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	int r = 0;

	if (user && !search->has_owner)
		return 0;
	if (user)
		(void)snprintf(path, sizeof(path), "%s%.*s%u%s", search->root,
			       (int)(user - place->path), place->path, search->owner, user + 2);
	else
		(void)snprintf(path, sizeof(path), "%s%s", search->root, place->path);
	if (place->depth == PLAIN)
		return visit_one_or_all(search, place->layout, path, id);

	dir = opendir(path);
	while (dir && r == 0 && (entry = readdir(dir))) {
		if (!bundle_id_is_valid(entry->d_name))
			continue;
		(void)snprintf(nested, sizeof(nested), "%s/%s", path, entry->d_name);
		r = visit_one_or_all(search, place->layout, nested, id);
	}
	return r;
}

static int visit_places(struct search *search, const char *id)
{
	int r = 0;

	for (size_t i = 0; i < ELEMENTS(places) && r == 0; i++)
		r = visit_place(search, &places[i], id);
	return r;
}

/* One word that could be an id; 1 if it is, of the target's container. */
static int try_id(struct search *search, const char *id)
{
	if (!bundle_id_is_valid(id))
		return 0;
	for (size_t i = 0; i < search->n_ids; i++)
		if (strcmp(search->ids[i], id) == 0)
			return 0;
	if (search->n_ids == MAX_IDS)
		return 0;
	(void)snprintf(search->ids[search->n_ids++], sizeof(search->ids[0]), "%s", id);
	return visit_places(search, id);
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
	(void)visit_places(search, NULL);
	return search->best == MATCH_NONE || search->ambiguous ? -ENODATA : 0;
}

int bundle_find(const struct bundle_query *query, struct bundle *ret, struct cj_error *err)
{
	_cleanup_free_ struct search *search = calloc(1, sizeof(*search));
	int r;

	if (!search)
		return cj_fail(err, ENOMEM, "find the container of process %d", query->pid);
	search->query = query;
	search->root = query->root ? query->root : "";
	r = search_init(search, err);
	if (r < 0)
		return r;
	r = find_container(search);
	if (r < 0)
		return cj_fail(err, -r, "find the container of process %d: %s", query->pid,
			       search->ambiguous ? "it could be several"
						 : "none of a runtime that we know");
	return bundle_state_take_config(&search->state, ret, err);
}

void bundle_done(struct bundle *bundle)
{
	if (!bundle)
		return;
	bytes_done(&bundle->config);
	*bundle = (struct bundle)BUNDLE_INIT;
}
