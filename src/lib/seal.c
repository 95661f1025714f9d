/* SPDX-License-Identifier: MIT */
#include "lib/seal.h"

#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "lib/target.h"
#include "sys/capabilities.h"
#include "sys/executable.h"
#include "sys/idmap.h"
#include "sys/namespace.h"
#include "sys/proc.h"

enum { WRITABLE_BY_OTHERS = 022 };

/* Has the target's user namespace no id that could write to the file? */
static bool is_out_of_reach(const struct cj_target *target)
{
	_cleanup_(idmap_done) struct idmap map = IDMAP_INIT;
	_cleanup_fd_ int self = -EBADF;
	struct namespaces ours, theirs;
	struct stat st;
	uint32_t inside;
	int kind;

	if (!target || executable_stat(&st) < 0 || proc_open(0, &self, NULL) < 0 ||
	    namespaces_read(self, &ours, &kind) < 0 ||
	    namespaces_read(target->ref.proc, &theirs, &kind) < 0)
		return false;
	if (ours.inode[NAMESPACE_USER] == theirs.inode[NAMESPACE_USER])
		return false; /* the same ids: even if the target's are others now, -u may ask for them */
	if (st.st_mode & WRITABLE_BY_OTHERS || idmap_read(target->ref.proc, "uid_map", &map) < 0)
		return false;
	return !idmap_to_inside(&map, st.st_uid, &inside);
}

bool seal_is_needed(const struct cj_target *target)
{
	return executable_is_sealed() <= 0 && !is_out_of_reach(target);
}

int cj_seal_self(const struct cj_target *target, char *const *argv, char *const *envp,
		 struct cj_error *err)
{
	struct capability_sets sets;
	int r = executable_is_sealed();

	if (r < 0)
		return cj_fail(err, -r, "look at our own executable");
	if (r > 0 || is_out_of_reach(target))
		return 0;
	if (capabilities_read_own(&sets) < 0 || !capabilities_survive_execve(geteuid(), &sets))
		return cj_fail(err, EPERM,
			       "seal our own executable: our capabilities wouldn't outlive that");
	r = executable_run_clone(argv, envp);
	/* No right to clone mounts, a kernel without it, or a file on a mount that isn't ours. */
	if (r < 0)
		r = executable_run_copy(argv, envp);
	return cj_fail(err, -r, "seal our own executable");
}
