/* SPDX-License-Identifier: MIT */
#include "lib/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "engine/verify.h"
#include "lib/bundle.h"
#include "lib/seccomp_profile.h"
#include "lib/target.h"
#include "sys/container_file.h"

enum { ACCOUNTS_LIMIT = 4 << 20, MOUNTINFO_MAX = 4 << 20, SECCOMP_MODE_FILTERED = 2 };

void facts_done(struct facts *facts)
{
	identity_done(&facts->ours);
	identity_done(&facts->target);
	close_fd(&facts->root_fd);
	close_fd(&facts->cwd_fd);
	cgroup_mounts_done(&facts->mounts);
	bytes_done(&facts->passwd);
	bytes_done(&facts->group);
	seccomp_programs_done(&facts->seccomp);
	view_facts_done(&facts->view);
	*facts = (struct facts)FACTS_INIT;
}

static int open_places(const struct pidref *ref, struct facts *facts)
{
	facts->root_fd = openat(ref->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (facts->root_fd < 0)
		facts->target.unread[PART_ROOT] = errno;
	facts->cwd_fd = openat(ref->proc, "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (facts->cwd_fd < 0)
		facts->target.unread[PART_CWD] = errno;
	return 0;
}

static int read_owner(const struct pidref *ref, struct facts *facts, struct cj_error *err)
{
	_cleanup_fd_ int fd = -EBADF;

	if (facts->target.namespaces.inode[NAMESPACE_USER] ==
	    facts->ours.namespaces.inode[NAMESPACE_USER])
		return 0;
	fd = namespace_open(ref->proc, NAMESPACE_USER);
	if (fd < 0)
		return cj_fail(err, -fd, "open the user namespace of process %d", ref->pid);
	facts->ns_owner = (uid_t)-1;
	(void)namespace_owner(fd, &facts->ns_owner); /* unknown: then it isn't ours */
	return 0;
}

/* Frozen in v1 by its freezer, or in v2: both can be there at once, and either holds everything. */
static bool is_frozen(const struct facts *facts, const char *controller)
{
	const struct cgroup_entry *entry =
		cgroup_list_controller(&facts->target.cgroups, controller);
	const struct cgroup_entry *ours = entry ? cgroup_list_find(&facts->ours.cgroups, entry)
						: NULL;
	_cleanup_free_ char *directory = NULL;

	if (!entry || (ours && strcmp(ours->path, entry->path) == 0))
		return false; /* we run, so it isn't */
	return cgroup_directory(&facts->mounts, entry, &directory) == 0 &&
	       cgroup_is_frozen(directory, entry->unified);
}

static bool any_cgroup_differs(const struct facts *facts)
{
	const struct cgroup_list *list = &facts->target.cgroups;

	for (size_t i = 0; i < list->n; i++) {
		const struct cgroup_entry *ours =
			cgroup_list_find(&facts->ours.cgroups, &list->entries[i]);

		if (!ours || strcmp(ours->path, list->entries[i].path) != 0)
			return true;
	}
	return false;
}

/* Reads mountinfo only where it's needed: it's long on a busy node. */
static int read_cgroups(int own_proc, const struct cj_exec_options *options, bool is_debug,
			struct facts *facts, struct bytes *mountinfo, struct cj_error *err)
{
	int r;

	if (!is_debug && !any_cgroup_differs(facts) && !options->tree &&
	    !(options->cgroup && strcmp(options->cgroup, "own") == 0))
		return 0;
	r = proc_read(own_proc, "mountinfo", MOUNTINFO_MAX, mountinfo);
	if (r == 0)
		r = cgroup_mounts_parse(mountinfo->data, &facts->mounts);
	if (r < 0)
		return cj_fail(err, -r, "read where cgroups are mounted");
	facts->frozen = is_frozen(facts, "freezer") || is_frozen(facts, "");
	return 0;
}

static int read_accounts_file(int root, const char *path, int64_t deadline, struct bytes *ret,
			      struct cj_error *err)
{
	struct cj_error own = CJ_ERROR_INIT;
	int r = container_file_read(root, path, ACCOUNTS_LIMIT, deadline, ret, &own);

	if (r == -ENOENT || r == -ENOTDIR) /* a container without one: nobody has a name there */
		return 0;
	if (r < 0 && err && err->code == 0)
		*err = own;
	return r;
}

/* Of whom the command sees the files: the host or the target. */
static int read_accounts(const struct cj_exec_options *options, enum view view, struct facts *facts,
			 struct cj_error *err)
{
	_cleanup_fd_ int host = -EBADF;
	int root = facts->root_fd, r;

	if (!options->user && options->argv && options->argv[0])
		return 0;
	if (view == VIEW_HOST)
		root = host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return cj_fail(err, view == VIEW_HOST ? errno : facts->target.unread[PART_ROOT],
			       "open the %s root", view == VIEW_HOST ? "host's" : "target's");
	r = read_accounts_file(root, "etc/passwd", facts->deadline, &facts->passwd, err);
	if (r == 0 && options->user)
		r = read_accounts_file(root, "etc/group", facts->deadline, &facts->group, err);
	return r;
}

static void note_unknown(const struct seccomp_profile *profile, struct facts *facts)
{
	char *to = facts->seccomp_unknown;
	size_t size = sizeof(facts->seccomp_unknown), n = 0;

	for (size_t i = 0; i < profile->n_unknown; i++)
		n += format_safe(to + n, size - n, "%s%s", n ? " " : "", profile->unknown[i]);
}

static int build_filter(const struct bytes *json, uint64_t capabilities, const char *source,
			struct facts *facts, struct cj_error *err)
{
	struct seccomp_profile_request request = {
		.json = json->data,
		.size = json->size,
		.capabilities = capabilities,
	};
	_cleanup_(seccomp_profile_done) struct seccomp_profile profile = SECCOMP_PROFILE_INIT;
	int r = seccomp_profile_build(&request, &profile, err);

	if (r < 0)
		return r;
	note_unknown(&profile, facts);
	facts->seccomp = profile.programs;
	profile.programs = (struct seccomp_programs)SECCOMP_PROGRAMS_INIT;
	(void)format_safe(facts->seccomp_source, sizeof(facts->seccomp_source), "%s", source);
	return 0;
}

static int read_host_file(const char *path, struct bytes *ret, struct cj_error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? -errno : io_read_all(fd, SECCOMP_PROFILE_MAX, ret);

	return r < 0 ? cj_fail(err, -r, "read seccomp profile %s", path) : 0;
}

static int read_bundle_at(const char *path, struct bundle *ret, struct cj_error *err)
{
	size_t n = format_safe(ret->path, sizeof(ret->path), "%s/config.json", path);

	if (n + 1 == sizeof(ret->path))
		return cj_fail(err, ENAMETOOLONG, "read bundle %s", path);
	if (access(ret->path, F_OK) < 0) /* the file itself was named */
		(void)format_safe(ret->path, sizeof(ret->path), "%s", path);
	return read_host_file(ret->path, &ret->config, err);
}

static int find_bundle(const struct pidref *ref, const struct facts *facts, struct bundle *ret)
{
	const struct cgroup_list *list = &facts->target.cgroups;
	_cleanup_free_ const char **paths = calloc(list->n + 1, sizeof(*paths));
	struct bundle_query query = {
		.pid = ref->pid,
		.cgroup_paths = paths,
		.n_cgroup_paths = list->n,
		.pid_ns = facts->target.namespaces.inode[NAMESPACE_PID],
		.mnt_ns = facts->target.namespaces.inode[NAMESPACE_MNT],
	};

	if (!paths)
		return -ENOMEM;
	for (size_t i = 0; i < list->n; i++)
		paths[i] = list->entries[i].path;
	return bundle_find(&query, ret, NULL);
}

/* Where runtimes keep theirs; else where the engine says. What a user's engine says isn't read. */
static int look_for_bundle(const struct cj_target *target, const struct facts *facts,
			   struct bundle *ret)
{
	const struct container *container = &target->container;
	int r = find_bundle(&target->ref, facts, ret);

	if (r == -ENODATA && container->bundle && container->owner == 0)
		r = read_bundle_at(container->bundle, ret, NULL);
	return r == -ENOENT ? -ENODATA : r;
}

/* What `auto` means: the filter of the target's bundle, if it has a filter; never by ptrace. */
static int filter_of_bundle(const struct cj_target *target, const struct cj_exec_options *options,
			    struct facts *facts, struct cj_error *err)
{
	_cleanup_(bundle_done) struct bundle bundle = BUNDLE_INIT;
	char source[sizeof(facts->seccomp_source)];
	int r;

	if (facts->target.status.seccomp != SECCOMP_MODE_FILTERED)
		return 0;
	r = options->bundle ? read_bundle_at(options->bundle, &bundle, err)
			    : look_for_bundle(target, facts, &bundle);
	if (r == -ENODATA) {
		(void)format_safe(facts->seccomp_missing, sizeof(facts->seccomp_missing),
				  "no OCI bundle of it was found");
		return 0;
	}
	if (r < 0)
		return cj_fail(err, -r, "look for the target's OCI bundle");
	(void)format_safe(source, sizeof(source), "the bundle, %s", bundle.path);
	r = build_filter(&bundle.config, facts->target.status.bounding, source, facts, err);
	if (r != -ENODATA)
		return r;
	if (err)
		*err = (struct cj_error)CJ_ERROR_INIT;
	(void)format_safe(facts->seccomp_missing, sizeof(facts->seccomp_missing),
			  "its bundle %s has none", bundle.path);
	return 0;
}

static int read_seccomp(const struct cj_target *target, const struct cj_exec_options *options,
			struct facts *facts, struct cj_error *err)
{
	const char *how = options->seccomp	? options->seccomp
			  : options->privileged ? "off"
						: "auto";
	_cleanup_(bytes_done) struct bytes json = BYTES_INIT;
	int r;

	if (strcmp(how, "auto") == 0)
		r = filter_of_bundle(target, options, facts, err);
	else if (strcmp(how, "off") == 0 || strcmp(how, "copy") == 0)
		return 0;
	else
		r = read_host_file(how, &json, err);
	if (r == 0 && json.data)
		r = build_filter(&json, facts->target.status.bounding, how, facts, err);
	if (r < 0)
		cj_hint(err, "--seccomp FILE names another profile, --skip seccomp goes without");
	return r;
}

static bool skips_seccomp(const struct cj_exec_options *options)
{
	uint32_t skip = 0;

	return options->skip && parts_parse(options->skip, &skip, NULL) == 0 &&
	       skip >> PART_SECCOMP & 1;
}

/* A command with the caller's identity takes on a filter only if one is named. */
static bool wants_seccomp(const struct cj_exec_options *options,
			  const struct cj_debug_options *debug)
{
	return !skips_seccomp(options) && (!debug || debug->as_target || options->seccomp);
}

static int gather_view(const struct cj_target *target, const struct cj_debug_options *debug,
		       const struct bytes *mountinfo, struct facts *facts, struct cj_error *err)
{
	const struct view_query query = {
		.target = target,
		.options = debug,
		.ours = &facts->ours,
		.theirs = &facts->target,
		.root = facts->root_fd,
		.deadline = facts->deadline,
		.mountinfo = mountinfo->data,
	};

	return view_facts_gather(&query, &facts->view, err);
}

int facts_gather(const struct cj_target *target, const struct cj_exec_options *options,
		 const struct cj_debug_options *debug, struct facts *ret, struct cj_error *err)
{
	_cleanup_(facts_done) struct facts facts = FACTS_INIT;
	_cleanup_(bytes_done) struct bytes mountinfo = BYTES_INIT;
	const struct pidref *ref = &target->ref;
	_cleanup_fd_ int own_proc = -EBADF;
	int r = proc_open(0, &own_proc, err);

	facts.deadline = options->deadline;
	if (r == 0)
		r = identity_read_own(own_proc, &facts.ours, err);
	if (r == 0)
		r = identity_read(ref->pid, ref->proc, &facts.ours, &facts.target, err);
	if (r == 0 && (facts.target.label.module != LABEL_NONE || options->label))
		identity_read_own_label(own_proc, &facts.ours);
	if (r == 0)
		r = open_places(ref, &facts);
	if (r == 0)
		r = read_owner(ref, &facts, err);
	if (r == 0)
		r = read_cgroups(own_proc, options, debug, &facts, &mountinfo, err);
	if (r == 0 && debug)
		r = gather_view(target, debug, &mountinfo, &facts, err);
	if (r == 0)
		r = read_accounts(options, facts.view.kind, &facts, err);
	if (r == 0 && wants_seccomp(options, debug))
		r = read_seccomp(target, options, &facts, err);
	if (r == 0)
		r = container_check_status(&target->container, ref, &facts.target.status, err);
	if (r < 0)
		return r;
	*ret = facts;
	facts = (struct facts)FACTS_INIT;
	return 0;
}
