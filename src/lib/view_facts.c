/* SPDX-License-Identifier: MIT */
#include "lib/view_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "lib/plan.h"
#include "lib/target.h"
#include "sys/container_file.h"
#include "sys/mountinfo.h"
#include "sys/pidns.h"

enum { SYS_MOUNTS_MAX = 64 };

static const struct view_base bases[] = {
	{"/run", "conjoin", "/run/conjoin"},
	{"/mnt", "conjoin", "/mnt/conjoin"},
	{"/srv", "conjoin", "/srv/conjoin"},
	/* None of them is there: a root of our own with the same entries, and /run. */
	{"/", "run/conjoin", "/run/conjoin"},
};

enum { BASE_RUN, BASE_MNT, BASE_SRV, BASE_ROOT };

static int view_parse(const char *text, enum view *ret, struct cj_error *err)
{
	if (!text || strcmp(text, "host") == 0)
		*ret = VIEW_HOST;
	else if (strcmp(text, "target") == 0)
		*ret = VIEW_TARGET;
	else
		return cj_fail(err, EINVAL, "view \"%s\" (there are: host target)", text);
	return 0;
}

/*
 * The host's /run is in use, and who covers it hides what comes into it later: it's the last. In a
 * container it's the one that is nearly always there.
 */
static int find_base(int root, const int order[3], int64_t deadline, const struct view_base **ret,
		     struct cj_error *err)
{
	struct file_query queries[3];
	struct cj_error own = CJ_ERROR_INIT;
	size_t found = 0;
	int r;

	for (int i = 0; i < 3; i++)
		queries[i] = (struct file_query){bases[order[i]].base, FILE_DIRECTORY};
	r = container_file_find(root, NULL, queries, 3, deadline, &found, &own);
	for (size_t i = 0; r == -ETIMEDOUT && i < 3; i++) { /* which of them doesn't answer? */
		own = (struct cj_error)CJ_ERROR_INIT;
		r = container_file_find(root, NULL, &queries[i], 1, deadline, &found, &own);
		found = i;
		if (r == -ENOENT && i < 2)
			r = -ETIMEDOUT;
	}
	if (r < 0 && r != -ENOENT) {
		if (err && err->code == 0)
			*err = own;
		return r;
	}
	*ret = &bases[r == 0 && found < 3 ? order[found] : BASE_ROOT];
	return 0;
}

/*
 * Without a helper, which costs as much as all else here: what isn't a mount point lies on the file system
 * that we run from. Only the first that is there counts.
 */
static bool is_plain_directory(const char *path, const char *mountinfo)
{
	_cleanup_fd_ int fd = -EBADF;
	struct mount_line line;

	while (mountinfo_next(&mountinfo, &line))
		if (mount_word_is(line.point, path))
			return false;
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && directory_is_small(fd);
}

static int find_host_base(const struct view_query *query, struct view_facts *facts,
			  struct cj_error *err)
{
	static const int order[] = {BASE_MNT, BASE_SRV, BASE_RUN};
	_cleanup_fd_ int root = -EBADF;

	if (is_plain_directory(bases[order[0]].base, query->mountinfo)) {
		facts->base = &bases[order[0]];
		return 0;
	}
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return cj_fail(err, errno, "open /");
	return find_base(root, order, query->deadline, &facts->base, err);
}

static int find_target_base(const struct view_query *query, struct view_facts *facts,
			    struct cj_error *err)
{
	static const int order[] = {BASE_RUN, BASE_MNT, BASE_SRV};

	if (query->root < 0)
		return cj_fail(err, query->theirs->unread[PART_ROOT], "open the target's root");
	return find_base(query->root, order, query->deadline, &facts->base, err);
}

/* Can a procfs be made for a pid namespace that we aren't in? proc(5), pidns=, 6.18 */
static int find_pidns(const struct view_query *query, struct view_facts *facts,
		      struct cj_error *err)
{
	_cleanup_fd_ int fd = namespace_open(query->target->ref.proc, NAMESPACE_PID);

	if (fd < 0)
		return cj_fail(err, -fd, "open the pid namespace of process %d",
			       query->target->ref.pid);
	if (pidns_can_mount_proc(fd))
		facts->pidns = take_fd(&fd);
	return 0;
}

static bool is_beneath(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	return strncmp(path, directory, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool is_known(char *const *paths, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (is_beneath(path, paths[i]))
			return true;
	return false;
}

/* The topmost mounts beneath /sys: they take along what is mounted in them. */
static int find_sys_mounts(const char *mountinfo, struct view_facts *facts)
{
	struct mount_line line;
	size_t n = 0;

	facts->sys_back = calloc(SYS_MOUNTS_MAX + 1, sizeof(*facts->sys_back));
	if (!facts->sys_back)
		return -ENOMEM;
	while (n < SYS_MOUNTS_MAX && mountinfo_next(&mountinfo, &line)) {
		_cleanup_free_ char *point = mount_word_text(line.point);

		if (!point)
			return -ENOMEM;
		if (strncmp(point, "/sys/", 5) != 0 || is_known(facts->sys_back, n, point + 5))
			continue;
		facts->sys_back[n] = strdup(point + 5);
		if (!facts->sys_back[n++])
			return -ENOMEM;
	}
	return 0;
}

static int gather_host(const struct view_query *query, struct view_facts *facts,
		       struct cj_error *err)
{
	int r = find_host_base(query, facts, err);

	if (r == 0)
		r = find_pidns(query, facts, err);
	if (r < 0)
		return r;
	r = find_sys_mounts(query->mountinfo, facts);
	return r < 0 ? cj_fail(err, -r, "read what is mounted beneath /sys") : 0;
}

bool list_has_any(const char *const *list)
{
	return list && list[0];
}

static int gather_target(const struct view_query *query, struct view_facts *facts,
			 struct cj_error *err)
{
	struct bring_request request = {
		.files = query->options->bring,
		.dirs = query->options->bring_dirs,
		.path = query->options->path,
	};
	int r;

	if (!list_has_any(request.files) && !list_has_any(request.dirs))
		return 0;
	r = find_target_base(query, facts, err);
	if (r < 0)
		return r;
	request.home = facts->base->point;
	return bring_resolve(&request, &facts->bring, err);
}

static int gather_guard(const struct view_query *query, struct view_facts *facts,
			struct cj_error *err)
{
	struct guard_query guard = {
		.target = query->target,
		.ours = query->ours,
		.theirs = query->theirs,
	};
	bool joins[NAMESPACE_KINDS];
	const struct cj_exec_options *exec = query->options->exec;
	int r = namespaces_parse(exec ? exec->namespaces : NULL, namespaces_of_debug, joins, err);

	if (r < 0)
		return r;
	guard.joins_pid = joins[NAMESPACE_PID];
	guard.joins_user = joins[NAMESPACE_USER];
	return guard_look(&guard, &facts->guard, err);
}

int view_facts_gather(const struct view_query *query, struct view_facts *ret, struct cj_error *err)
{
	_cleanup_(view_facts_done) struct view_facts facts = VIEW_FACTS_INIT;
	int r = view_parse(query->options->view, &facts.kind, err);

	if (r < 0)
		return r;
	r = facts.kind == VIEW_HOST ? gather_host(query, &facts, err)
				    : gather_target(query, &facts, err);
	if (r == 0)
		r = gather_guard(query, &facts, err);
	if (r < 0)
		return r;
	facts.securebits = (unsigned int)prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	*ret = facts;
	facts = (struct view_facts)VIEW_FACTS_INIT;
	return 0;
}

void view_facts_done(struct view_facts *facts)
{
	close_fd(&facts->pidns);
	for (char **path = facts->sys_back; path && *path; path++)
		free(*path);
	free(facts->sys_back);
	bring_done(&facts->bring);
	guard_facts_done(&facts->guard);
	*facts = (struct view_facts)VIEW_FACTS_INIT;
}
