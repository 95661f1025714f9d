/* SPDX-License-Identifier: MIT */
#include "lib/socket/place.h"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "lib/target.h"
#include "sys/idmap.h"
#include "sys/namespace.h"
#include "sys/proc.h"

void socket_place_done(struct socket_place *place)
{
	close_fd(&place->root);
	*place = (struct socket_place)SOCKET_PLACE_INIT;
}

/* Its root user in our numbers; without one, the first that it has. */
static uint32_t root_of(int proc, const char *file)
{
	_cleanup_(idmap_done) struct idmap map = IDMAP_INIT;
	uint32_t id = 0;

	if (idmap_read(proc, file, &map) == 0 && !idmap_to_outside(&map, 0, &id) && map.n > 0)
		id = map.ranges[0].outside;
	return id;
}

static void open_here(struct socket_place *place)
{
	place->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	place->root_error = place->root < 0 ? errno : 0;
	place->uid = geteuid();
	place->gid = getegid();
}

static int open_there(const struct cj_target *target, struct socket_place *place,
		      struct cj_error *err)
{
	_cleanup_fd_ int own = -EBADF;
	int proc = target->ref.proc;
	uint64_t theirs = 0, ours = 0;
	int r = target_check_kind(target, err);

	if (r == 0)
		r = proc_open(0, &own, err);
	if (r == 0)
		r = namespace_read(proc, NAMESPACE_NET, &theirs);
	if (r == 0)
		r = namespace_read(own, NAMESPACE_NET, &ours);
	if (r < 0)
		return cj_fail(err, -r, "read the net namespace of process %d", target->ref.pid);
	place->root = openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	place->root_error = place->root < 0 ? errno : 0;
	place->uid = root_of(proc, "uid_map");
	place->gid = root_of(proc, "gid_map");
	if (theirs != ours)
		place->pidfd = target->ref.fd;
	r = pidref_verify(&target->ref);
	return r < 0 ? cj_fail(err, -r, "process %d has ended", target->ref.pid) : 0;
}

int socket_place_explain(const struct cj_target *target, int r, struct cj_error *err)
{
	if (!target || (r == -ENOENT && pidref_verify(&target->ref) == 0))
		return r;
	return target_explain(target, r, err);
}

int socket_place_open(const struct cj_target *target, struct socket_place *ret,
		      struct cj_error *err)
{
	_cleanup_(socket_place_done) struct socket_place place = SOCKET_PLACE_INIT;
	int r = 0;

	if (target)
		r = open_there(target, &place, err);
	else
		open_here(&place);

	if (r < 0)
		return target ? target_explain(target, r, err) : r;
	*ret = place;
	place = (struct socket_place)SOCKET_PLACE_INIT;
	return 0;
}
