/* SPDX-License-Identifier: MIT */
#include "engine/verify.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/state.h"
#include "sys/namespace.h"
#include "sys/proc.h"

enum { CGROUP_LIMIT = 1 << 20, LONG_ID = 32, NESTED_MAX = 33 };

/* A whole component, or a long id in one: "docker-ID.scope", "libpod-ID", "SLICE:cri-containerd:ID". */
static bool is_component(const char *text, const char *at, size_t length)
{
	static const char suffix[] = ".scope";
	const char *end = at + length;

	if (strncmp(end, suffix, strlen(suffix)) == 0)
		end += strlen(suffix);
	if (*end && !strchr("/\n", *end))
		return false;
	if (at == text)
		return false;
	return at[-1] == '/' || (length >= LONG_ID && strchr("-:", at[-1]));
}

bool cgroups_name(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = text; length > 0 && (at = strstr(at, word)); at++)
		if (is_component(text, at, length))
			return true;
	return false;
}

/* Is it in a cgroup of the container's? -ENOENT: no. */
static int check_cgroup(const struct container *container, const struct pidref *ref)
{
	const char *word = container->cgroup_word ? container->cgroup_word : container->id;
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	int r = word ? proc_read(ref->proc, "cgroup", CGROUP_LIMIT, &text) : -ENOENT;

	if (r < 0)
		return r;
	return cgroups_name(text.data, word) ? 0 : -ENOENT;
}

static int check_start(uint64_t wanted, const struct pidref *ref)
{
	uint64_t start;
	int r = proc_read_start_time(ref->proc, &start);

	if (r < 0)
		return r;
	return start == wanted ? 0 : -ENOENT;
}

/* The runtime's own record says so, with the start time. -ENOENT: it doesn't. */
static int check_record(const struct container *container, const struct pidref *ref)
{
	static const struct cj_engine_options options = CJ_ENGINE_OPTIONS_INIT;
	static const struct engine_request request = {.options = &options, .root = ""};
	struct state_user user = STATE_USER_INIT;
	struct state_query query = STATE_QUERY_INIT;
	struct state state;
	int r;

	if (!container->id || !container_id_is_valid(container->id))
		return -ENOENT;
	user.uid = container->owner;
	query.request = &request;
	query.id = container->id;
	query.users = container->owner ? &user : NULL;
	query.n_users = container->owner ? 1 : 0;
	query.layouts = STATE_BIT(STATE_RUNC) | STATE_BIT(STATE_CRUN);
	r = state_find(&query, ref->pid, &state);
	state_users_done(&user, 1);
	if (r < 0)
		return r;
	return state.has_start ? check_start(state.start, ref) : -ENOENT;
}

/* Its user namespace, or one above it that isn't ours, belongs to the user. */
static bool lives_with(uid_t owner, const struct pidref *ref)
{
	_cleanup_fd_ int user = namespace_open(ref->proc, NAMESPACE_USER);

	for (int i = 0; i < NESTED_MAX && user >= 0; i++) {
		uid_t uid;
		int above;

		if (namespace_owner(user, &uid) < 0)
			return false;
		if (uid == owner)
			return true;
		above = namespace_parent(user);
		close_fd(&user);
		user = above;
	}
	return false;
}

static int check_owner(const struct container *container, const struct pidref *ref,
		       struct cj_error *err)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;

	if (container->owner == 0 || container->owner == geteuid() ||
	    lives_with(container->owner, ref))
		return 0;
	if (proc_read(ref->proc, "status", CGROUP_LIMIT, &text) == 0 &&
	    proc_parse_status(text.data, &status) == 0 && status.uid[0] == container->owner)
		return 0;
	return cj_fail(err, EPERM,
		       "believe user %u that process %d is container %s: it isn't that user's",
		       container->owner, ref->pid, container->name);
}

static int check(const struct container *container, const struct pidref *ref, struct cj_error *err)
{
	int r = container->start ? check_start(container->start, ref)
				 : check_cgroup(container, ref);

	if (r < 0 && !container->start)
		r = check_record(container, ref);
	if (r < 0)
		return cj_fail(err, ESRCH, "find process %d in container %s: it's another one's",
			       ref->pid, container->name ? container->name : container->id);
	r = check_owner(container, ref, err);
	/* What was read was about this process only if it's still there. */
	if (r == 0 && pidref_verify(ref) < 0)
		r = cj_fail(err, ESRCH, "find process %d, which has ended", ref->pid);
	return r;
}

int container_open(const struct container *container, struct pidref *ret, struct cj_error *err)
{
	_cleanup_(pidref_done) struct pidref ref = PIDREF_INIT;
	int r = pidref_open(container->pid, &ref, err);

	if (r == 0)
		r = check(container, &ref, err);
	if (r < 0)
		return r;
	*ret = ref;
	ref = (struct pidref)PIDREF_INIT;
	return 0;
}
