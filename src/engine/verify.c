/* SPDX-License-Identifier: MIT */
#include "engine/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/state.h"
#include "engine/users.h"
#include "sys/namespace.h"

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
	if (r == -ENOENT && query.unreadable)
		return -query.unreadable; /* who knows what stands there? */
	if (r < 0)
		return r;
	return state.has_start ? check_start(state.start, ref) : -ENOENT;
}

static int own_user_namespace(uint64_t *ret)
{
	_cleanup_fd_ int self = -EBADF;
	int r = proc_open(0, &self, NULL);

	return r < 0 ? r : namespace_read(self, NAMESPACE_USER, ret);
}

enum home { ELSEWHERE, OURS, OF_THE_USER };

/*
 * Which user namespace it lives in: ours, or one that is, or is below, one of the user's that is right below
 * ours? There the user may do all, whoever owns what is nested in it, and nobody has rights outside of it.
 */
static int find_home(uid_t owner, const struct pidref *ref, enum home *ret)
{
	_cleanup_fd_ int user = -EBADF;
	enum home home = OURS;
	uint64_t ours, inode;
	uid_t uid;
	int r = own_user_namespace(&ours);

	if (r == 0)
		user = namespace_open(ref->proc, NAMESPACE_USER);
	for (int i = 0; r == 0 && i < NESTED_MAX; i++) {
		int above;

		r = user < 0 ? user : namespace_inode(user, &inode);
		if (r == 0 && inode == ours) {
			*ret = home;
			return 0;
		}
		if (r == 0)
			r = namespace_owner(user, &uid);
		if (r < 0)
			break;
		home = uid == owner ? OF_THE_USER : ELSEWHERE;
		above = namespace_parent(user);
		close_fd(&user);
		user = above;
	}
	*ret = ELSEWHERE;
	return r == -EPERM ? 0 : r; /* it isn't below ours */
}

static bool is_root_in_any(const struct proc_status *status)
{
	return status->uid[0] == 0 || status->uid[1] == 0 || status->uid[2] == 0 ||
	       status->uid[3] == 0;
}

/*
 * May the user trace it? Then nothing that it could be made to do is more than what the user can do: all ids
 * are the user's, it has no capabilities, and the kernel hands it to its user (a process that a set-id program
 * runs in, or ran in and then changed ids, is root's there: dumpable in prctl(2), proc(5)).
 */
static int check_traceable(uid_t owner, const struct proc_status *status, const struct pidref *ref)
{
	struct stat st;

	for (int i = 0; i < 4; i++)
		if (status->uid[i] != owner || status->gid[i] != status->gid[0])
			return -EPERM;
	if (status->permitted || status->effective || status->ambient)
		return -EPERM;
	/* Not the directory itself, which is always its user's. */
	if (fstatat(ref->proc, "environ", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return st.st_uid == owner ? 0 : -EPERM;
}

/*
 * 0, -EPERM: it's not one that the user may name, or why that couldn't be found out. A user writes any number into
 * a record: of a setuid program that the user started, with the user's environment, or of a process in
 * root's container that has the same uid by chance. Neither lives in a user namespace of that user's. Without
 * one only what the kernel itself found in the user's cgroups counts.
 */
static int judge_owner(const struct container *container, const struct pidref *ref,
		       const struct proc_status *status)
{
	enum home home;
	int r = find_home(container->owner, ref, &home);

	if (r < 0)
		return r;
	if (home == ELSEWHERE || (home == OURS && (container->start || !container->cgroup_word)))
		return -EPERM;
	if (home == OURS)
		return check_traceable(container->owner, status, ref);
	return is_root_in_any(status) ? -EPERM : 0;
}

static const char *name_of(const struct container *container)
{
	return container->name ? container->name : container->id ? container->id : "?";
}

int container_check_status(const struct container *container, const struct pidref *ref,
			   const struct proc_status *status, struct cj_error *err)
{
	int r;

	if (!users_is_foreign(container->owner))
		return 0;
	r = judge_owner(container, ref, status);
	if (r == -EPERM)
		return cj_fail(
			err, EPERM,
			"believe user %u that process %d is container %s: it isn't that user's",
			container->owner, ref->pid, name_of(container));
	return r < 0 ? cj_fail(err, -r, "find out whether process %d is user %u's", ref->pid,
			       container->owner)
		     : 0;
}

static int check_owner(const struct container *container, const struct pidref *ref,
		       struct cj_error *err)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	int r;

	if (!users_is_foreign(container->owner))
		return 0;
	r = proc_read_status(ref->proc, &status);
	if (r < 0)
		return cj_fail(err, -r, "read the status of process %d", ref->pid);
	return container_check_status(container, ref, &status, err);
}

static int check(const struct container *container, const struct pidref *ref, struct cj_error *err)
{
	int r = container->start ? check_start(container->start, ref)
				 : check_cgroup(container, ref);

	if (r == -ENOENT && !container->start)
		r = check_record(container, ref);
	if (r == -ENOENT)
		return cj_fail(err, ESRCH, "find process %d in container %s: it's another one's",
			       ref->pid, name_of(container));
	if (r < 0)
		return cj_fail(err, -r, "find out whether process %d is in container %s", ref->pid,
			       name_of(container));
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
